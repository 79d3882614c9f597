"""The worker's end of a client's connection: cheap to write to, and patient within bounds.

Knows gevent's sockets, and how gunicorn writes and reads. Must not know what is said.
"""

from __future__ import annotations

import time
from contextlib import suppress
from math import inf
from typing import Any

import gevent
from gevent import socket

READ_BYTES = 64 * 1024
WRITE_SECONDS = 120.0
"""A client that takes nothing for this long is given up."""


class ClientSocket(socket.socket):  # type: ignore[misc]
    """A client's socket with a cheaper ``sendall``, which knows where its requests are.

    gevent's own asks for the socket's options and sets up a time-out first, which
    costs as much as a token's way through the rest of the gateway. And a response's
    head, which gunicorn writes by itself, waits here for the body that follows.
    """

    is_fresh = True
    """No request on this connection has been answered yet."""

    is_idle = True
    """Nothing has come since the last answer."""

    is_blocked = False
    """The client does not take what is written to it."""

    read_by = inf
    """When what is read now has to be there, as ``time.monotonic()`` tells it; else it never is."""

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
        if self._head:
            self.sendall(b"")
        # gunicorn asks for 8 KiB at a time, which makes a long body of many small reads.
        size = size if flags else max(size, READ_BYTES)
        data = self._recv_in_time(size, flags) if self.read_by < inf else super().recv(size, flags)
        self.is_idle = False
        return data

    def shutdown(self, how: int) -> None:
        self._flush_head()
        super().shutdown(how)

    def close(self) -> None:
        try:
            self._flush_head()
        finally:
            super().close()

    def hang_up(self, how: int) -> None:
        """End what another greenlet waits for here: it finds an end where gevent's way is an error.

        ``SHUT_RD`` leaves what has come to be read; ``SHUT_RDWR`` ends writing, too.
        """
        with suppress(OSError):  # the client was quicker
            self._sock.shutdown(how)

    def _recv_in_time(self, size: int, flags: int) -> Any:
        """Receive what is there, or comes in time; b"" where nothing does, as at the end."""
        left = self.read_by - time.monotonic()
        if left > 0:
            with suppress(BlockingIOError):
                return self._sock.recv(size, flags)
            with gevent.Timeout(left, False):
                return super().recv(size, flags)
        return b""

    def _flush_head(self) -> None:
        if self._head:
            self.sendall(b"")

    def _send_rest(self, data: memoryview, flags: int) -> None:
        timeout = self.gettimeout()
        self.settimeout(WRITE_SECONDS)
        self.is_blocked = True
        try:
            while data:
                data = data[self.send(data, flags) :]
        finally:
            self.is_blocked = False
            self.settimeout(timeout)


class HeadTimeout:
    """The time a request's head may take, as a context: a timer only for one that has to wait.

    gevent's own timer costs each request as much as its parsing, and hardly one ever waits.
    """

    def __init__(self, client: ClientSocket, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    def __enter__(self) -> None:
        self._client.read_by = time.monotonic() + self._seconds

    def __exit__(self, *raised: object) -> None:
        self._client.read_by = inf
