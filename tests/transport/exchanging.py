"""Exchanges of the tests with a fake upstream, in whatever kind of process they run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

from gateway.config.settings import Timeouts
from gateway.transport import Exchange, open_watch
from gateway.transport.adapter import LlhttpAdapter
from gateway.transport.watch import Watch
from tests.upstream import Connection, Request

PATIENT = Timeouts(connect=20, first_byte=20, idle=20, request=30)
"""Longer than any test takes, also on a busy machine."""

IMPATIENT = 0.1


class BuildAdapter(Protocol):
    """Builds an adapter for the server at ``url``, with ``timeouts`` other than ``PATIENT``."""

    def __call__(
        self,
        url: str,
        *,
        proxy: str | None = None,
        ca_bundle: str | None = None,
        **timeouts: float,
    ) -> LlhttpAdapter: ...


@contextlib.contextmanager
def begin(
    adapter: LlhttpAdapter, path: str = "/", body: bytes | None = b"{}", watch: Watch | None = None
) -> Iterator[Exchange]:
    """Send a POST; what is still open at the end of the block is closed."""
    head = b"POST %b HTTP/1.1\r\nHost: upstream\r\n" % path.encode()
    watch = watch or open_watch(PATIENT.request)
    try:
        exchange = adapter.begin(head, body, watch)
        try:
            yield exchange
        finally:
            exchange.close()
    finally:
        watch.close()


def fetch(adapter: LlhttpAdapter, path: str = "/", body: bytes | None = b"{}") -> bytes:
    """Send a POST and return the whole answer."""
    with begin(adapter, path, body) as exchange:
        return exchange.read(64 * 1024 * 1024)


def greet(request: Request, connection: Connection) -> None:
    connection.send_answer(b"hello")
