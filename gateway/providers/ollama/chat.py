"""One chat call to Ollama: its requests, and how their answers are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.errors import UpstreamError
from gateway.providers.ollama.answer import Answer
from gateway.providers.ollama.response import iter_chunks
from gateway.types import ChatCompletion, Chunk, UpstreamRequest


@dataclass(frozen=True)
class OllamaChat:
    """A ``gateway.types.ChatCall`` whose answers are always streams.

    Ollama loses tool calls from whole answers (recorded), and only a stream tells
    whether it was complete.
    """

    requests: Sequence[UpstreamRequest]
    dropped_params: Sequence[str]
    answer: Answer
    streamed: bool = True

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Chunk]]:
        """Translate the answer to ``requests[index]``."""
        return iter_chunks(pieces, self.answer, index)

    def parse_response(self, body: bytes) -> ChatCompletion:
        """Refuse: a whole body is no answer to a request for a stream, which ``requests`` are."""
        raise UpstreamError(f"Expected a stream from Ollama, not a body of {len(body)} bytes.")
