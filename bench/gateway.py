"""The gateway as it is deployed: gunicorn with keys and limits on, before the mock.

Knows how it is started and configured. Must not know its inside: nothing is imported from it.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path

from bench.processes import Server, find_free_port

KEY = "bench-key-0123456789abcdef"
ADMIN_KEY = "bench-admin-0123456789abcdef"
CONFIGURATION = """\
providers:
  ollama: {{kind: ollama, base_url: "http://127.0.0.1:{port}"}}
  openai: {{kind: openai, base_url: "http://127.0.0.1:{port}/v1", api_key: "bench-upstream"}}
  anthropic: {{kind: anthropic, base_url: "http://127.0.0.1:{port}", api_key: "bench-upstream"}}
  gemini: {{kind: gemini, base_url: "http://127.0.0.1:{port}/v1beta", api_key: "bench-upstream"}}
  lined: {{kind: ollama, base_url: "http://127.0.0.1:{port}", max_concurrency: 1000}}
  down: {{kind: ollama, base_url: "http://127.0.0.1:{port}/down"}}
models:
  guarded: {{targets: [lined/mock, ollama/mock], cache: {{ttl: 300, when: always}}}}
  rescued: {{targets: [down/mock, ollama/mock]}}
"""


def start_gateway(root: Path, directory: Path, mock_port: int, workers: int) -> Server:
    """Start ``gunicorn wsgi:app`` in ``root`` with its data and log in ``directory``.

    The environment is made new, so that no key or setting of the caller's is measured with it.
    The limit is one that is counted for every request, and never reached.
    """
    directory.mkdir()
    configuration = directory / "gateway.yaml"
    configuration.write_text(CONFIGURATION.format(port=mock_port))
    port = find_free_port()
    environment = {
        "PATH": os.defpath,
        "HOME": str(directory),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WEB_CONCURRENCY": str(workers),
        "AI_PROVIDER": "ollama",
        "OLLAMA_BASE_URL": f"http://127.0.0.1:{mock_port}",
        "GATEWAY_CONFIG": str(configuration),
        "GATEWAY_API_KEYS": KEY,
        "ADMIN_API_KEYS": ADMIN_KEY,
        "RATE_LIMIT": "100000000/minute",
        "DATABASE_URL": f"sqlite:///{directory}/gateway.db",
    }
    command = [sys.executable, "-m", "gunicorn", "wsgi:app"]
    log = directory / "gateway.log"
    return Server("the gateway", command, port, log, cwd=root, env=environment)


def create_key(gateway: Server) -> str:
    """Return a stored key under limits of every kind, none of which is ever reached."""
    limits = {
        "name": "bench",
        "rate_limit": "100000000/minute",
        "token_rate_limit": "100000000000/minute",
        "max_concurrency": 100000,
        "budget": {"usd": 1000000, "per": "month"},
    }
    with urllib.request.urlopen(_admin_request(gateway, "/admin/keys", limits), timeout=10) as it:
        key: str = json.load(it)["key"]
    return key


def keep_asking(gateway: Server, target: str) -> None:
    """Have the gateway ask ``target`` each time, however often it fails."""
    request = _admin_request(gateway, f"/admin/targets/{target}", {"state": "closed"})
    urllib.request.urlopen(request, timeout=10).close()


def _admin_request(gateway: Server, path: str, body: object) -> urllib.request.Request:
    return urllib.request.Request(
        gateway.url(path),
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"},
    )
