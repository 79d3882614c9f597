"""A chat completion's event stream in OpenAI's format: bytes in, chunks with their bytes out.

Knows what a chunk is, how a stream ends, and how upstreams tell of an error in
one. Must not know what a dialect makes of it. Each chunk keeps the event's bytes
as they came, so that nothing the gateway has no name for is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain
from typing import Any

from gateway.errors import GatewayError, UpstreamError
from gateway.providers.openai.error_body import read_error
from gateway.providers.openai.errors import build_stream_error
from gateway.providers.openai.whole import iter_whole_answer
from gateway.serialization import JSONDecodeError, dumps_ascii, loads_lenient, loads_strict
from gateway.sse import encode_event, iter_events, parse_event, parse_plain_event
from gateway.types import RawChunk

logger = logging.getLogger("gateway.providers.openai")

_DONE = b"[DONE]"
_WRONG_CHOICES = "The provider sent a chunk whose choices are not those of a completion."


def iter_chunks(pieces: Iterator[bytes]) -> Iterator[list[RawChunk]]:
    """Yield, for each piece, the chunks it completed.

    In every chunk ``choices`` is a list of objects, each with a ``delta`` object;
    ``raw`` is the event's bytes, reframed as one ``data:`` line where they were
    framed in another way, re-encoded where they were not strict JSON. The stream
    is complete with ``[DONE]``, or at its end if every choice had a
    ``finish_reason``. A choice that ``[DONE]`` found without one gets a last chunk
    that has it. A body that is no event stream but one whole completion (an
    upstream that ignores ``stream``) is cut into chunks.

    Raises a ``GatewayError`` for an error in the stream, garbage, or a cut, after
    all chunks before it were yielded.
    """
    for piece in pieces:
        if piece.strip():
            break
        yield []
    else:
        piece = b""
    if piece.lstrip()[:1] in (b"{", b"[", b"<"):
        yield from iter_whole_answer(piece, pieces)
    else:
        yield from _iter_stream(chain((piece,), pieces))


def _iter_stream(pieces: Iterator[bytes]) -> Iterator[list[RawChunk]]:
    choices = _Choices()
    for events in iter_events(_until_complete(pieces, choices)):
        chunks: list[RawChunk] = []
        try:
            for raw in events:
                data = parse_plain_event(raw)
                if data is None:
                    data, raw = _reframe(raw)
                if data[:6] == _DONE:
                    chunks.extend(choices.finish())
                    yield chunks
                    return
                if data:
                    chunk = _parse_chunk(data, raw)
                    choices.note(chunk)
                    chunks.append(chunk)
        except GatewayError:
            if chunks:
                yield chunks
            raise
        yield chunks
    choices.check_complete()


def _until_complete(pieces: Iterator[bytes], choices: _Choices) -> Iterator[bytes]:
    """Pass pieces on; a connection lost after the answer's own end mark has lost nothing."""
    try:
        yield from pieces
    except UpstreamError:
        if not choices.is_complete:
            raise
        logger.warning("a provider closed the connection after the end of its answer")


def _reframe(raw: bytes) -> tuple[bytes, bytes]:
    """Return an unusually framed event's data, b"" if it has none, and its usual framing."""
    event = parse_event(raw)
    if event.data is None:
        return b"", b""
    # Between JSON's tokens a line end is as good as a space, within one it can't be.
    data = event.data.replace(b"\n", b" ").strip()
    if event.name == "error":
        raise _parse_error_event(data)
    return data, encode_event(data)


def _parse_error_event(data: bytes) -> GatewayError:
    try:
        return build_stream_error(loads_lenient(data))
    except ValueError:
        return build_stream_error(None)


def _parse_chunk(data: bytes, raw: bytes) -> RawChunk:
    try:
        value = loads_strict(data)
    except JSONDecodeError:
        value, raw = _parse_loose(data)
    if not isinstance(value, dict):
        raise UpstreamError("The provider sent an event that is not a chunk of a completion.")
    if value.get("error"):
        raise build_stream_error(value)
    choices = value.get("choices")
    if choices is None:
        if value.get("error") is not None or read_error(value) is not None:
            raise build_stream_error(value)
        value["choices"] = []
    elif not isinstance(choices, list):
        raise UpstreamError(_WRONG_CHOICES)
    chunk = RawChunk(value)
    chunk.raw = raw
    return chunk


def _parse_loose(data: bytes) -> tuple[Any, bytes]:
    try:
        value = loads_lenient(data)
    except ValueError:
        message = "The provider sent an event that is not JSON, or was cut in the middle of one."
        raise UpstreamError(message) from None
    return value, encode_event(dumps_ascii(value))


class _Choices:
    """Which choices of one stream have begun, and which have ended."""

    def __init__(self) -> None:
        self._reasons: dict[int, str] = {}  # which finish reason each would have
        self._finished: set[int] = set()
        self._last = RawChunk()

    def note(self, chunk: RawChunk) -> None:
        """Take in one chunk, giving each choice a ``delta``; raises the error one of them tells."""
        for choice in chunk["choices"]:
            if not isinstance(choice, dict):
                raise UpstreamError(_WRONG_CHOICES)
            if choice.get("error"):
                raise build_stream_error(choice)
            delta = choice.get("delta")
            if delta is None:
                delta = choice["delta"] = {}
            index = choice.get("index", 0)
            if not (isinstance(delta, dict) and isinstance(index, int)):
                raise UpstreamError(_WRONG_CHOICES)
            if choice.get("finish_reason"):
                self._finished.add(index)
            elif delta.get("tool_calls"):
                self._reasons[index] = "tool_calls"
            elif index not in self._reasons:
                self._reasons[index] = "stop"
            self._last = chunk

    def finish(self) -> list[RawChunk]:
        """Return a last chunk for each choice that ``[DONE]`` found without a finish reason."""
        unfinished = self._reasons.keys() - self._finished
        if not unfinished and not self._finished:
            raise UpstreamError("The provider ended its stream without an answer.")
        if unfinished:
            logger.warning("stream of %r ended without a finish_reason", self._last.get("model"))
        return [self._build_finish(index) for index in sorted(unfinished)]

    @property
    def is_complete(self) -> bool:
        """Whether every choice that has begun has had its finish reason."""
        return bool(self._finished) and not self._reasons.keys() - self._finished

    def check_complete(self) -> None:
        """Raise ``UpstreamError`` unless every choice had its finish reason."""
        if not self.is_complete:
            raise UpstreamError("The provider's stream was cut before its end.")

    def _build_finish(self, index: int) -> RawChunk:
        kept = ("id", "object", "created", "model", "service_tier", "system_fingerprint")
        chunk = RawChunk({name: self._last[name] for name in kept if name in self._last})
        choice = {"index": index, "delta": {}, "finish_reason": self._reasons[index]}
        chunk["choices"] = [choice]
        chunk.raw = encode_event(dumps_ascii(chunk))
        return chunk
