"""An attempt at an operation whose answer goes on as it comes.

Knows that its pieces count as saying something. Must not know what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.config.settings import Target
from gateway.errors import InvalidRequestError
from gateway.inference.attempt import Attempt, Backends
from gateway.transport import Watch
from gateway.types import (
    Chunk,
    NativeChunk,
    PassthroughRequest,
)

_SOMETHING: list[Any] = [{"index": 0, "delta": {"content": "..."}, "finish_reason": None}]
"""What a piece of an answer that nobody here reads counts as."""


class PassthroughAttempt(Attempt):
    """An attempt at an operation whose answer goes on as it comes, a chunk for each piece."""

    def __init__(
        self,
        backends: Backends,
        request: PassthroughRequest,
        target: Target,
        watch: Watch,
        first_byte: float,
    ) -> None:
        super().__init__(backends, target, watch, first_byte)
        self._request = request
        self.content_type = ""

    def _iter_batches(self) -> Iterator[list[Chunk]]:
        request = self._provider.build_passthrough(self._request, self.target)
        if request is None:
            raise InvalidRequestError(
                f"The provider of this model has no {self._request.operation}.",
                param="model",
                code="unsupported_value",
            )
        exchange = self._send(request)
        del request  # the exchange has what it needs of it, which may be large
        for piece in exchange.iter_pieces():
            self.content_type = exchange.headers.get("content-type", "application/octet-stream")
            chunks: list[Any] = [_passed_on(piece)] if piece else []
            yield chunks


def _passed_on(piece: bytes) -> NativeChunk:
    """Return a piece of an answer that nobody here reads as a chunk that says something."""
    chunk = NativeChunk(choices=_SOMETHING)
    chunk.dialect, chunk.raw = "passthrough", piece
    return chunk
