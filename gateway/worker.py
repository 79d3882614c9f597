"""gunicorn's gevent worker with a cheaper way to write, and its log.

Knows gunicorn, gevent and how log lines look. Must import nothing else: gunicorn's
master loads this file before anything is patched.
"""

from __future__ import annotations

import gc
import json
import logging
import secrets
import signal
from typing import Any, ClassVar

from gevent import socket
from gunicorn.glogging import Logger
from gunicorn.workers.ggevent import GeventWorker

from gateway.log_format import JSONFormatter, TextFormatter

READ_BYTES = 64 * 1024
WRITE_SECONDS = 120.0
"""A client that takes nothing for this long is given up."""


GARBAGE_THRESHOLD = 10_000
"""Objects made, and not let go, until the collector looks for cycles among them."""


class TextLogger(Logger):  # type: ignore[misc]
    """gunicorn's own lines, in the format of the gateway's."""

    formatter: ClassVar[type[logging.Formatter]] = TextFormatter

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(self.formatter())


class JSONLogger(TextLogger):
    """gunicorn's own lines as one JSON object each."""

    formatter = JSONFormatter


class ClientSocket(socket.socket):  # type: ignore[misc]
    """A client's socket with a cheaper ``sendall``.

    gevent's own asks for the socket's options and sets up a time-out first, which
    costs as much as a token's way through the rest of the gateway. And a response's
    head, which gunicorn writes by itself, waits here for the body that follows.
    """

    _head = b""

    def sendall(self, data: Any, flags: int = 0) -> None:
        if self._head:
            data = self._head + data
            self._head = b""
        elif data[:9] == b"HTTP/1.1 " and data[-4:] == b"\r\n\r\n":
            self._head = data
            return
        try:
            sent = self._sock.send(data, flags)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:], flags)

    def recv(self, size: int, flags: int = 0) -> Any:
        self._flush_head()
        # gunicorn asks for 8 KiB at a time, which makes a long body of many small reads.
        return super().recv(size if flags else max(size, READ_BYTES), flags)

    def shutdown(self, how: int) -> None:
        self._flush_head()
        super().shutdown(how)

    def close(self) -> None:
        try:
            self._flush_head()
        finally:
            super().close()

    def _flush_head(self) -> None:
        if self._head:
            self.sendall(b"")

    def _send_rest(self, data: memoryview, flags: int) -> None:
        timeout = self.gettimeout()
        self.settimeout(WRITE_SECONDS)
        try:
            while data:
                data = data[self.send(data, flags) :]
        finally:
            self.settimeout(timeout)


class GatewayWorker(GeventWorker):  # type: ignore[misc]
    """gunicorn's gevent worker, serving each client through a ``ClientSocket``."""

    def init_process(self) -> None:
        if not self.log.access_log_enabled:
            # gunicorn looks that up again for each request, for a tenth of its whole cost.
            self.log.access = _log_no_access
        # Its settings are looked up some forty times a request, by a chain of calls each.
        self.cfg.__dict__.update({name: each.get() for name, each in self.cfg.settings.items()})
        super().init_process()

    def init_signals(self) -> None:
        super().init_signals()
        # Ctrl-C goes to the whole group: the master sees to it, and tells us by SIGQUIT.
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def load_wsgi(self) -> None:
        super().load_wsgi()
        # What is loaded now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        super().handle_error(req, _Refusal(client, exc), addr, exc)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        if type(client) is socket.socket:
            family, kind, protocol = client.family, client.type, client.proto
            client = ClientSocket(family, kind, protocol, fileno=client.detach())
        super().handle(listener, client, addr)


class _Refusal:
    """A client's socket on which gunicorn's page about a broken request becomes OpenAI's JSON."""

    def __init__(self, client: Any, error: BaseException) -> None:
        self._client = client
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, page: bytes) -> None:
        status = page.partition(b"\r\n")[0].decode("latin-1")
        is_ours = status.partition(" ")[2].startswith("5")
        message = "The gateway failed." if is_ours else f"This is not valid HTTP: {self._error}"
        error = {
            "message": message,
            "type": "server_error" if is_ours else "invalid_request_error",
            "param": None,
            "code": None,
        }
        body = json.dumps({"error": error}).encode("ascii")
        head = (
            f"{status}\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"x-request-id: req_{secrets.token_hex(16)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._client.sendall(head.encode("latin-1") + body)


def _log_no_access(*args: Any) -> None:
    """Stand in for gunicorn's access log where that is off."""
