"""One chat call to Gemini: its request, and how its answer is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.providers.gemini.answer import Answer
from gateway.providers.gemini.stream import iter_chunks
from gateway.providers.gemini.whole import parse_whole
from gateway.types import ChatCompletion, Chunk, UpstreamRequest


@dataclass(frozen=True)
class GeminiChat:
    """A ``gateway.types.ChatCall``; several choices are asked for in one request."""

    requests: Sequence[UpstreamRequest]
    dropped_params: Sequence[str]
    streamed: bool
    answer: Answer

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Chunk]]:
        """Translate a streamed answer."""
        return iter_chunks(pieces, self.answer)

    def parse_response(self, body: bytes) -> ChatCompletion:
        """Translate a whole answer; raises ``UpstreamError`` where it is not one."""
        return parse_whole(body, self.answer)
