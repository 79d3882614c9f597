"""gunicorn's configuration, read by ``gunicorn wsgi:app`` in this directory.

It runs in the master, before gevent patches the standard library in each worker:
nothing here may import ``ssl``, ``requests`` or the gateway itself.
"""

import ipaddress
import os
import resource
import signal
import subprocess
import sys
import uuid
from functools import partial

from dotenv import dotenv_values

_environment = {**dotenv_values(".env", interpolate=False), **os.environ}


def _value(name):
    return (_environment.get(name) or "").strip()


def _number(name, default):
    """Return a number of the environment; the gateway says what is wrong with another."""
    value = _value(name)
    return int(value) if value.isdecimal() and int(value) > 0 else default


def _seconds(name, default):
    """Return a duration of the environment in whole seconds, at least one."""
    try:
        return max(1, int(float(_value(name))))
    except (ValueError, OverflowError):
        return default


def _is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_host = _value("HOST") or "127.0.0.1"
bind = f"[{_host}]:{_number('PORT', 8080)}" if ":" in _host else f"{_host}:{_number('PORT', 8080)}"

workers = _number("WEB_CONCURRENCY", os.cpu_count() or 1)
if hasattr(os, "sched_getaffinity"):
    workers = _number("WEB_CONCURRENCY", len(os.sched_getaffinity(0)))
worker_class = "gateway.worker.GatewayWorker"
worker_connections = 4096

# The time for a next request's headers to arrive, too: gunicorn has no other limit on them.
keepalive = 10
# The workers end 5 seconds before this, when gunicorn kills: GRACE_MARGIN in gateway/worker.
graceful_timeout = _seconds("GRACEFUL_TIMEOUT", 25) + 5

# By this, workers know each other: "server:generation", a new generation at each reading of this
# file, which is at the start and at each SIGHUP.
_server, _, _generation = os.environ.get("GATEWAY_GENERATION", "").partition(":")
os.environ["GATEWAY_GENERATION"] = f"{_server or uuid.uuid4().hex}:{int(_generation or 0) + 1}"

# Never preload: what is imported before gevent has patched stays unpatched.
preload_app = False
accesslog = None
logger_class = (
    f"gateway.worker.{'JSON' if _value('LOG_FORMAT').lower() == 'json' else 'Text'}Logger"
)
control_socket_disable = True

# A stream takes two descriptors, and many systems allow 1024 by default.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))


def on_starting(server):
    """Refuse to start with a wrong configuration: once, and not in every worker."""
    _check_configuration()
    _check_addresses(server)


def post_fork(server, worker):
    """Let the master alone decide what Ctrl-C means, from the worker's first moment on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def when_ready(server):
    """Make starting workers end when told; print what ``python -m gateway serve`` has prepared."""
    for number in (signal.SIGTERM, signal.SIGQUIT):
        told = partial(_end_or_tell, os.getpid(), signal.getsignal(number))
        signal.signal(number, told)
    banner = os.environ.pop("GATEWAY_BANNER", "")
    if banner:
        print(banner, flush=True)


def _end_or_tell(master, tell, number, frame):
    """Do in the master what it does, and end a worker that has no handlers of its own yet.

    It has the master's, which only note the signal for the master's loop: told to end
    while it starts, a worker would serve on until it is killed.
    """
    if os.getpid() != master:
        os._exit(0)
    tell(number, frame)


def _check_configuration():
    """Load it in a process of its own: the master has to stay free of what is patched later."""
    command = [sys.executable, "-m", "gateway", "config"]
    status = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    if status:
        sys.exit(status)


def _check_addresses(server):
    """Refuse to be bound elsewhere than ``HOST`` says while nobody has to show a key."""
    if _value("AUTH").lower() not in ("off", "false", "no", "0"):
        return
    for address in server.cfg.address:
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            sys.exit(f"AUTH is off, but gunicorn is to listen on {address[0]}: use a loopback one")
