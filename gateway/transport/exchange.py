"""What an exchange with an upstream is: a request under way, its answer read as it comes.

Knows deadlines. Must not know HTTP's framing, nor what the bytes mean.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from gateway.errors import UpstreamError, UpstreamTimeoutError
from gateway.transport.watch import READ, Wake, Watch


class UnexpectedStatusError(Exception):
    """The upstream answered with a status that isn't success; ``body`` is cut at 64 KiB."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


class Waiting(NamedTuple):
    """What an exchange waits for: its socket if it has one, until a point of ``time.monotonic()``.

    ``overdue`` says what the provider failed to do by then; None where ``until`` is
    when the exchange goes on by itself.
    """

    socket: socket.socket | None
    until: float
    overdue: str | None


class Exchange(ABC):
    """A request under way. Made by ``Upstream.send``; always ``close`` it."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers by lower-case names; none before its first piece."""
        return {}

    @abstractmethod
    def iter_pieces(self, *, wait: bool = True) -> Iterator[bytes]:
        """Yield the body of a successful answer as it comes, all that one read gave at once.

        Yields b"" when a ping is due, from the moment the request is sent; with
        ``wait=False`` instead whenever nothing is there, and the caller waits
        (see ``wait_any``). Raises ``UnexpectedStatusError`` for an answer that isn't
        a success, and ``GatewayError`` for a broken or too slow upstream.
        """

    @abstractmethod
    def waiting(self) -> Waiting:
        """Return what the exchange waits for now."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the upstream, at once, wherever the answer is."""

    def finish(self) -> None:
        """End an exchange whose answer was read to its own end.

        What lies under it may be kept for the next one. Never raises.
        """
        self.close()

    def read(self, limit: int) -> bytes:
        """Return the whole body of a successful answer.

        Raises as ``iter_pieces`` does, and ``UpstreamError`` over ``limit`` bytes.
        """
        pieces: list[bytes] = []
        size = 0
        for piece in self.iter_pieces():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                self.close()
                raise UpstreamError(f"The provider's answer is longer than {limit} bytes.")
        return b"".join(pieces)


def wait_any(exchanges: Sequence[Exchange], watch: Watch) -> bool:
    """Wait until one of the exchanges can go on; False when a ping is due.

    Raises ``UpstreamTimeoutError`` when one of them is past its deadline.
    """
    waits = [exchange.waiting() for exchange in exchanges]
    sockets = [(wait.socket, READ) for wait in waits if wait.socket is not None]
    first = waits[0] if len(waits) == 1 else min(waits, key=lambda wait: wait.until)
    wake = watch.wait(sockets, first.until)
    if wake is Wake.EXPIRED and first.overdue is not None:
        raise UpstreamTimeoutError(f"The provider {first.overdue} in time.")
    return wake is not Wake.PING
