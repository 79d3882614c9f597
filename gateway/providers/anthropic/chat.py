"""One chat call to Anthropic: its requests, and how their answers are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.providers.anthropic.answer import Answer
from gateway.providers.anthropic.stream import iter_chunks
from gateway.providers.anthropic.whole import parse_message
from gateway.types import ChatCompletion, Chunk, UpstreamRequest


@dataclass(frozen=True)
class AnthropicChat:
    """A ``gateway.types.ChatCall``."""

    requests: Sequence[UpstreamRequest]
    dropped_params: Sequence[str]
    answer: Answer
    streamed: bool

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Chunk]]:
        """Translate the answer to ``requests[index]``."""
        return iter_chunks(pieces, self.answer, index)

    def parse_response(self, body: bytes) -> ChatCompletion:
        """Translate a whole answer; raises ``UpstreamError`` where it is not one."""
        return parse_message(body, self.answer)
