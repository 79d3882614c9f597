"""Gemini's stream of events as canonical chunks.

Knows that each event is a piece of the same object as a whole answer, that there is
no event for the end, and that counts are told with every piece, the last being the
right ones (recorded). Must not know how the bytes came. This is the hot path.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from gateway.errors import GatewayError, UpstreamError, UpstreamTimeoutError
from gateway.providers.gemini.answer import Answer, build_choice
from gateway.providers.gemini.body import (
    parse_object,
    parse_objects,
    read_block,
    read_candidates,
)
from gateway.providers.gemini.candidate import Candidate
from gateway.providers.gemini.logprobs import build_logprobs
from gateway.providers.gemini.usage import has_counts, read_usage
from gateway.sse import MAX_EVENT_BYTES, iter_events, parse_event
from gateway.types import Chunk

_PREFIX = b"data: "
_END = b"\r\n\r\n"
_DONE = b"[DONE]"


def iter_chunks(pieces: Iterator[bytes], answer: Answer) -> Iterator[list[Chunk]]:
    """Translate a streamed answer; yields and raises as ``ChatCall.iter_chunks`` says.

    A finish reason is the mark of the end, but early models gave one with each piece:
    so it is told when the stream has ended, in whatever way.
    """
    reading = _Reading(answer)
    for piece in pieces:
        if piece.strip():
            break
        yield []
    else:
        piece = b""
    if piece.lstrip()[:1] in (b"[", b"{"):
        yield from _iter_whole(piece, pieces, reading)
        return
    for events in _iter_until_settled(iter_events(chain((piece,), pieces)), reading):
        chunks: list[Chunk] = []
        for raw in events:
            try:
                chunks += reading.read(raw)
            except GatewayError:
                # What came before the error goes out first.
                yield chunks
                raise
        yield chunks
    yield reading.end()


def _iter_whole(first: bytes, pieces: Iterator[bytes], reading: _Reading) -> Iterator[list[Chunk]]:
    """Translate a body that is JSON, not events: all pieces as a list, one object, an error."""
    body = bytearray(first)
    for piece in pieces:
        yield []
        body += piece
        if len(body) > MAX_EVENT_BYTES:
            message = f"The provider's answer is longer than {MAX_EVENT_BYTES} bytes."
            raise UpstreamError(message, should_retry=False)
    yield reading.read_body(bytes(body))
    yield reading.end()


def _iter_until_settled(events: Iterator[list[bytes]], reading: _Reading) -> Iterator[list[bytes]]:
    """Yield events; a connection that breaks after the mark of the end has done no harm."""
    try:
        yield from events
    except (UpstreamError, UpstreamTimeoutError) as error:
        if not reading.is_finished or error.code == "request_timeout":
            raise


class _Reading:
    """What is known of an answer while it is read."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._candidates: dict[int, Candidate] = {}
        self._usage: dict[str, Any] | None = None
        self._block: dict[str, Any] | None = None

    @property
    def is_finished(self) -> bool:
        """Whether every candidate has told why it ended, or there will be none."""
        if not self._candidates:
            return self._block is not None
        return all(each.reason for each in self._candidates.values())

    def read(self, raw: bytes) -> list[Chunk]:
        """Return the chunks of one event."""
        # On the hot path: as Google frames events, without looking at each line.
        if raw[:6] == _PREFIX and raw[-4:] == _END and raw.find(b"\n") == len(raw) - 3:
            data: bytes | None = raw[6:-4]
        else:
            data = parse_event(raw).data
        if not data or data.strip() == _DONE:
            return []
        return self._take(parse_object(data, self._answer))

    def read_body(self, body: bytes) -> list[Chunk]:
        """Return the chunks of a body without events; raises as ``read`` does."""
        return [chunk for each in parse_objects(body, self._answer) for chunk in self._take(each)]

    def _take(self, parsed: dict[str, Any]) -> list[Chunk]:
        if has_counts(parsed.get("usageMetadata")):
            self._usage = parsed["usageMetadata"]
        candidates = read_candidates(parsed, self._answer)
        if not candidates:
            self._block = read_block(parsed) or self._block
        chunks: list[Chunk] = []
        for index, found in candidates:
            candidate = self._candidates.get(index)
            if candidate is None:
                candidate = self._candidates[index] = Candidate(self._answer, index)
            chunks += self._build_chunks(candidate, found)
        return chunks

    def end(self) -> list[Chunk]:
        """Return the chunks after the last event; raises ``UpstreamError`` where it was no end."""
        answer = self._answer
        if not self.is_finished:
            raise UpstreamError(f"{answer.provider} broke off its answer before the end.")
        chunks: list[Chunk] = []
        if not self._candidates and self._block is not None:
            chunks.append(_build_blocked(answer, self._block))
        for candidate in self._candidates.values():
            delta = {} if candidate.has_begun else {"role": "assistant", "content": ""}
            choice: Any = build_choice(answer, candidate.index, delta, candidate.finish())
            if candidate.extra:
                choice["extra_content"] = {"google": candidate.extra}
            chunks.append(answer.head.wrap([choice]))
        if self._usage is not None:
            chunks.append(answer.head.build_usage_chunk(read_usage(self._usage)))
        return chunks

    def _build_chunks(self, candidate: Candidate, found: dict[str, Any]) -> list[Chunk]:
        deltas = candidate.read(found)
        answer = self._answer
        logprobs = build_logprobs(found.get("logprobsResult")) if answer.logprobs else None
        if logprobs and not deltas:
            deltas = [{"content": ""}]
        chunks: list[Chunk] = []
        for delta in deltas:
            if not candidate.has_begun:
                candidate.has_begun = True
                delta = {"role": "assistant", **delta}
            choice = build_choice(answer, candidate.index, delta)
            if logprobs:
                choice["logprobs"], logprobs = logprobs, None
            chunks.append(answer.head.wrap([choice]))
        return chunks


def _build_blocked(answer: Answer, block: dict[str, Any]) -> Chunk:
    """Return the chunk for a prompt that was blocked: a choice that says nothing."""
    delta = {"role": "assistant", "content": None}
    choice: Any = build_choice(answer, 0, delta, "content_filter")
    choice["extra_content"] = {"google": {"prompt_feedback": block}}
    return answer.head.wrap([choice])
