"""The gateway as a user runs it: a real gunicorn with real workers, in a process of its own.

Knows how to start, ask and stop it. Must not import any of the gateway's code:
what is tested with this is what a client can see.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parent.parent
USER_KEY = "user-key-0123456789abcdef"
ADMIN_KEY = "admin-key-0123456789abcdef"
START_TIMEOUT = 60.0
"""Seconds. A start takes one; a loaded machine takes its time."""

_PROJECT = ("app.py", "wsgi.py", "gunicorn.conf.py", "gateway")


@dataclass
class Gateway:
    """A running gateway. ``directory`` is where it stands, with its ``data/`` and ``log``."""

    process: subprocess.Popen[bytes]
    port: int
    directory: Path
    key: str = USER_KEY

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str | bytes] | None = None,
        **options: Any,
    ) -> requests.Response:
        """Ask with the user's key, unless ``headers`` say otherwise.

        The connection is not kept alive: a gateway waits for idle ones when it stops.
        """
        own = {"Authorization": f"Bearer {self.key}", "Connection": "close"}
        sent = {**own, **(headers or {})}
        return requests.request(method, self.url + path, headers=sent, timeout=30, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        """Send ``body`` as JSON, or as it is if it is bytes."""
        kind = "data" if isinstance(body, bytes) else "json"
        return self.request("POST", path, **{kind: body}, **options)

    def chat(self, model: str, **fields: Any) -> requests.Response:
        """Ask for a chat completion; ``messages`` has a default."""
        return self.post("/v1/chat/completions", chat_body(model, **fields))

    def connect(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPConnection:
        """Send a request on a connection of its own, to read (or leave) by hand."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        own = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {**own, **(headers or {})})
        return connection

    def open_socket(self) -> socket.socket:
        """Return a plain connection, for what no client library would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def worker_pids(self) -> list[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in children.split()]

    def memory(self) -> int:
        """Return the resident memory of all workers, in bytes."""
        pages = 0
        for pid in self.worker_pids():
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def wait_for_log(self, text: str, timeout: float = 15.0) -> str:
        """Return the first line of the log with ``text``; fails if there is none in time."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for line in self.log.splitlines():
                if text in line:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no line with {text!r} in the log:\n{self.log}")


def chat_body(model: str, **fields: Any) -> dict[str, Any]:
    """Return a chat request for ``model``, with a message if ``fields`` have none."""
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields}


def build_directory(directory: Path) -> Path:
    """Link the project into ``directory``, without the developer's own ``.env`` and data."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in _PROJECT:
        if not (directory / name).exists():
            (directory / name).symlink_to(ROOT / name)
    return directory


def build_environment(**environment: str) -> dict[str, str]:
    """Return an environment with nothing of the developer's in it but what processes need."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **environment}


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def run_gateway(
    directory: Path,
    *,
    config: Mapping[str, Any] | None = None,
    **environment: str,
) -> Iterator[Gateway]:
    """Run the gateway in ``directory``, with ``config`` as ``gateway.yaml``, until the block ends.

    ``environment`` comes on top of keys, one worker, no retries, and no rate limit to speak of.
    """
    build_directory(directory)
    if config is not None:
        # JSON is YAML.
        (directory / "gateway.yaml").write_text(json.dumps(config))
    port = find_free_port()
    settings = {
        "HOME": str(directory),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        "DATABASE_URL": f"sqlite:///{directory}/data/gateway.db",
        "GATEWAY_API_KEYS": USER_KEY,
        "ADMIN_API_KEYS": ADMIN_KEY,
        "RATE_LIMIT": "1000000/minute",
        "MAX_RETRIES": "0",
        **environment,
    }
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "wsgi:app"],
            cwd=directory,
            env=build_environment(**settings),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    gateway = Gateway(process, port, directory)
    try:
        wait_until_healthy(gateway)
        yield gateway
    finally:
        stop(process)


def wait_until_healthy(gateway: Gateway) -> None:
    """Return when ``/health`` answers; fails with the log if it does not."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if gateway.process.poll() is not None:
            break
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            if requests.get(gateway.url + "/health", timeout=START_TIMEOUT).ok:
                return
        time.sleep(0.02)
    raise AssertionError(f"the gateway did not start:\n{gateway.log}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and its workers, gently first. Does nothing if it has ended."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
