"""An exchange over HTTP/1.1: one request to an upstream and its answer.

Knows deadlines, the connection and HTTP's framing. Must not know what the bytes mean.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from math import inf

from gateway.config.settings import Timeouts
from gateway.errors import (
    GatewayError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.transport.connection import Pool, open_connection
from gateway.transport.exchange import Exchange, UnexpectedStatusError, Waiting, wait_any
from gateway.transport.parser import ResponseParser
from gateway.transport.watch import READ, WRITE, Wake, Watch

READ_BYTES = 64 * 1024
MAX_ERROR_BYTES = 64 * 1024
ERROR_SECONDS = 5.0
"""How long the body of an error may take: its status is known already."""

FINISH_SECONDS = 0.1
"""How long the end of the HTTP message may take after the end of the answer in it."""


class HttpExchange(Exchange):
    """An exchange over HTTP/1.1, on a connection of its origin's pool.

    ``request`` is all of it, in pieces that are not empty.
    """

    def __init__(
        self, pool: Pool, request: Sequence[bytes], watch: Watch, timeouts: Timeouts
    ) -> None:
        self._pool = pool
        self._request = request
        self._watch = watch
        self._timeouts = timeouts
        self._parser = ResponseParser()
        self._unsent: list[memoryview] = []
        self._first_byte_due = inf
        self._body_begun = False
        self._last_byte_at = 0.0
        self._connection = pool.take()
        self._reused = self._connection is not None
        if self._connection is None:
            self._connection = open_connection(pool.origin, watch, timeouts.connect)
        try:
            self._send()
        except BaseException:
            self.close()
            raise

    @property
    def status(self) -> int | None:
        """The status, or None while the head has not come."""
        return self._parser.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The response headers, by lower-case names."""
        return self._parser.headers

    def iter_pieces(self, *, wait: bool = True) -> Iterator[bytes]:
        while self._parser.status is None:
            if not self._receive() and not (wait and self._wait()):
                yield b""
        if not 200 <= self._parser.status < 300:
            raise UnexpectedStatusError(
                self._parser.status, self._parser.headers, self._read_error_body()
            )
        if self._parser.headers.get("content-type", "").lower().startswith("text/html"):
            raise UpstreamError("The provider answered with a web page.")
        while True:
            piece = self._parser.take()
            if piece:
                self._body_begun = True
                self._watch.raise_if_interrupted()
                yield piece
            elif self._parser.complete:
                self._release()
                return
            elif not self._receive() and not (wait and self._wait()):
                yield b""

    def waiting(self) -> Waiting:
        if self._body_begun:
            due = self._last_byte_at + self._timeouts.idle
            overdue = "stopped in the middle of its answer and did not go on"
        else:
            due, overdue = self._first_byte_due, "did not begin its answer"
        return Waiting(self._connection, due, overdue)

    def finish(self) -> None:
        until = time.monotonic() + FINISH_SECONDS
        try:
            while self._connection is not None and time.monotonic() < until:
                self._parser.take()
                if self._parser.complete:
                    self._release()
                elif not self._receive():
                    readable = [(self._connection, READ)]
                    if self._watch.wait_without_pings(readable, until) is Wake.EXPIRED:
                        break
        except GatewayError:
            pass
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._watch.forget(self._connection)
            self._connection.close()
            self._connection = None

    def _send(self) -> None:
        """Send the request: all of it, unless the answer comes before."""
        self._unsent = [memoryview(piece) for piece in self._request]
        with suppress(OSError):  # what is closed for us may still have an answer to read
            while self._unsent and self._parser.status is None:
                assert self._connection is not None
                piece = self._unsent[0]
                sent = _send_some(self._connection, piece)
                if sent == len(piece):
                    del self._unsent[0]
                elif sent:
                    self._unsent[0] = piece[sent:]
                else:
                    self._wait_to_send(self._connection)
        self._first_byte_due = time.monotonic() + self._timeouts.first_byte

    def _wait_to_send(self, connection: socket.socket) -> None:
        """Wait until the upstream takes more, and read what it says meanwhile."""
        until = time.monotonic() + self._timeouts.idle
        wake = self._watch.wait_without_pings([(connection, READ | WRITE)], until)
        if wake is Wake.EXPIRED:
            raise UpstreamTimeoutError("The provider did not take the request in time.")
        self._receive()

    def _receive(self) -> bool:
        """Read what is there, without waiting; False if nothing was."""
        assert self._connection is not None
        try:
            data = self._connection.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError as error:
            return self._on_lost(error)
        if not data:
            return self._on_end()
        self._last_byte_at = time.monotonic()
        self._parser.feed(data)
        return True

    def _on_end(self) -> bool:
        if not self._parser.started:
            return self._on_lost(None)
        self._parser.feed_end()
        return True

    def _on_lost(self, error: Exception | None) -> bool:
        if self._reused and not self._parser.started:
            # The upstream closed an idle connection just as we used it again.
            self.close()
            self._reused = False
            self._connection = open_connection(
                self._pool.origin, self._watch, self._timeouts.connect
            )
            self._send()
            return True
        if self._parser.started:
            message = "The provider closed the connection in the middle of its answer."
            raise UpstreamError(message) from error
        message = "The provider closed the connection without an answer."
        raise UpstreamConnectionError(message) from error

    def _wait(self) -> bool:
        """Wait for more; False when a ping is due."""
        return wait_any([self], self._watch)

    def _read_error_body(self) -> bytes:
        body = bytearray()
        until = time.monotonic() + ERROR_SECONDS
        with suppress(UpstreamError):  # a part of it is better than nothing
            while self._connection is not None and len(body) < MAX_ERROR_BYTES:
                piece = self._parser.take()
                body += piece
                if self._parser.complete and not piece:
                    self._release()
                elif not piece and not self._receive():
                    readable = [(self._connection, READ)]
                    if self._watch.wait_without_pings(readable, until) is Wake.EXPIRED:
                        break
        self.close()
        return bytes(body[:MAX_ERROR_BYTES])

    def _release(self) -> None:
        if self._connection is None:
            return
        self._watch.forget(self._connection)
        if self._parser.keep_alive and not self._unsent:
            self._pool.put(self._connection)
        else:
            self._connection.close()
        self._connection = None


def _send_some(connection: socket.socket, data: memoryview) -> int:
    """Return how many bytes the connection took; gevent's TLS sockets say 0 by themselves."""
    try:
        return connection.send(data)
    except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
        return 0
