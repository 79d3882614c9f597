"""One chat call to Cohere: its requests, and how their answers are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.providers.answer import AnswerHead
from gateway.providers.cohere.stream import iter_chunks
from gateway.providers.cohere.whole import parse_whole
from gateway.types import ChatCompletion, Chunk, UpstreamRequest


@dataclass(frozen=True)
class CohereChat:
    """A ``gateway.types.ChatCall``; ``only_first_call``: the client allows but one call."""

    requests: Sequence[UpstreamRequest]
    dropped_params: Sequence[str]
    streamed: bool
    head: AnswerHead
    only_first_call: bool

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Chunk]]:
        """Translate the stream that answers ``requests[index]``."""
        return iter_chunks(pieces, self.head, index, only_first_call=self.only_first_call)

    def parse_response(self, body: bytes) -> ChatCompletion:
        """Translate a whole answer; raises ``UpstreamError`` where it is not one."""
        return parse_whole(body, self.head, only_first_call=self.only_first_call)
