"""gunicorn's configuration, read by ``gunicorn wsgi:app`` in this directory.

It runs in the master, before gevent patches the standard library in each worker:
nothing here may import ``ssl``, ``requests`` or the gateway itself.
"""

import os
import resource

from dotenv import dotenv_values

_environment = {**dotenv_values(".env"), **os.environ}


def _number(name, default):
    """Return a number of the environment; the gateway says what is wrong with another."""
    value = _environment.get(name) or ""
    return int(value) if value.isdecimal() and int(value) > 0 else default


_host = _environment.get("HOST") or "127.0.0.1"
bind = f"[{_host}]:{_number('PORT', 8080)}" if ":" in _host else f"{_host}:{_number('PORT', 8080)}"

workers = _number("WEB_CONCURRENCY", len(os.sched_getaffinity(0)))
worker_class = "gateway.worker.GatewayWorker"
worker_connections = 4096

# The time for a next request's headers to arrive, too: gunicorn has no other limit on them.
keepalive = 10
graceful_timeout = 25

# Never preload: what is imported before gevent has patched stays unpatched.
preload_app = False
accesslog = None
control_socket_disable = True

# A stream takes two descriptors, and many systems allow 1024 by default.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))


def when_ready(server):
    """Print what ``python -m gateway serve`` has prepared: where we are, and how to ask."""
    banner = os.environ.pop("GATEWAY_BANNER", "")
    if banner:
        print(banner, flush=True)
