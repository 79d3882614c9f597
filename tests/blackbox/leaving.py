"""Clients that leave, and an upstream that notices when it is left."""

from __future__ import annotations

import http.client
import queue
import threading
import time

from tests.upstream import Connection, Request


class Patient:
    """An upstream that sends ``first``, perhaps goes on sending, and notes when it is left."""

    def __init__(
        self,
        first: bytes | None = None,
        headers: dict[str, str] | None = None,
        then: bytes | None = None,
    ) -> None:
        self.first = first
        self.headers = headers
        self.then = then
        self.asked = threading.Semaphore(0)
        self.left: queue.SimpleQueue[float] = queue.SimpleQueue()

    def __call__(self, request: Request, connection: Connection) -> None:
        if self.first is not None:
            connection.send_head(200, self.headers)
            connection.send_chunk(self.first)
        self.asked.release()
        until = time.monotonic() + 10
        while time.monotonic() < until:
            if self.then is not None:
                connection.send_chunk(self.then)
            left = connection.wait_closed(10 if self.then is None else 0.02)
            if left is not None:
                self.left.put(left)
                return


def leave(client: http.client.HTTPConnection) -> float:
    """Hang up, and return when."""
    now = time.monotonic()
    client.close()
    return now


def read_until(response: http.client.HTTPResponse, mark: bytes) -> bytes:
    """Read what has come until ``mark`` is in it."""
    got = b""
    while mark not in got:
        line = response.readline()
        assert line, f"ended before {mark!r}: {got!r}"
        got += line
    return got


def leave_response(client: http.client.HTTPConnection, response: http.client.HTTPResponse) -> float:
    """Hang up in the middle of an answer (its reader holds the socket open, too)."""
    now = time.monotonic()
    response.close()
    client.close()
    return now
