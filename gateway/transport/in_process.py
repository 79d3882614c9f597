"""An upstream inside this process, behind the same interface as one over HTTP.

Knows exchanges and how to wait. Must not know what the bytes mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from gateway.transport.adapter import ExchangeAdapter
from gateway.transport.exchange import Exchange, Waiting, wait_any
from gateway.transport.watch import Watch

Answer = Callable[[str, str, bytes | None], Iterator[tuple[float, bytes]]]
"""Answers (method, path, body) with pieces of a body, each after a delay in seconds."""


class InProcessExchange(Exchange):
    """An exchange with a function of this process."""

    def __init__(self, pieces: Iterator[tuple[float, bytes]], watch: Watch) -> None:
        self._pieces = pieces
        self._watch = watch
        self._due = 0.0

    def iter_pieces(self, *, wait: bool = True) -> Iterator[bytes]:
        for delay, piece in self._pieces:
            self._due = time.monotonic() + delay
            while time.monotonic() < self._due:
                if not (wait and wait_any([self], self._watch)):
                    yield b""
            yield piece

    def waiting(self) -> Waiting:
        return Waiting(None, self._due, None)

    def close(self) -> None:
        self._pieces = iter(())


class InProcessAdapter(ExchangeAdapter):
    """An adapter for an upstream that is a function of this process."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def begin(
        self, head: bytes, body: bytes | None, watch: Watch, first_byte: float | None = None
    ) -> Exchange:
        method, path, _ = head.decode("latin-1").split(" ", 2)
        return InProcessExchange(self._answer(method, path, body), watch)
