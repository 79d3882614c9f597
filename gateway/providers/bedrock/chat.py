"""One chat call to Bedrock: its requests, and how their answers are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.providers.bedrock.answer import Answer
from gateway.providers.bedrock.stream import iter_chunks
from gateway.providers.bedrock.whole import parse_whole
from gateway.types import ChatCompletion, Chunk, UpstreamRequest


@dataclass(frozen=True)
class BedrockChat:
    """A ``gateway.types.ChatCall``."""

    requests: Sequence[UpstreamRequest]
    dropped_params: Sequence[str]
    streamed: bool
    answer: Answer

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Chunk]]:
        """Translate the stream that answers ``requests[index]``."""
        return iter_chunks(pieces, self.answer, index)

    def parse_response(self, body: bytes) -> ChatCompletion:
        """Translate a whole answer; raises ``UpstreamError`` where it is not one."""
        return parse_whole(body, self.answer)
