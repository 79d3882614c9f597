"""A chat completion's event stream in OpenAI's format: bytes in, chunks with their bytes out.

Knows what an event is, how a stream ends, and how upstreams tell of an error in
one. Must not know what a dialect makes of it. A chunk in which nothing has to be
put right keeps the event's bytes as they came, so that nothing the gateway has no
name for is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain
from typing import Any, cast

from gateway.chunks import gather
from gateway.errors import GatewayError, UpstreamError
from gateway.providers.openai.chunks import ChunkNormaliser
from gateway.providers.openai.completion import read_response
from gateway.providers.openai.error_body import read_error
from gateway.providers.openai.errors import build_stream_error
from gateway.providers.openai.first_piece import is_whole_body, iter_first, iter_whole_body
from gateway.providers.openai.whole import cut_into_chunks, parse_completion
from gateway.serialization import JSONDecodeError, dumps_ascii, loads_lenient, loads_strict
from gateway.sse import encode_event, iter_events, parse_event, parse_plain_event
from gateway.types import Chunk, RawChunk, RawCompletion

logger = logging.getLogger("gateway.providers.openai")

_DONE = b"[DONE]"
_ERROR_FIELD = b"error:"
_TELLS_ERROR = frozenset(("detail", "error", "errors", "message", "msg"))


def iter_chunks(pieces: Iterator[bytes], model: str = "") -> Iterator[list[RawChunk]]:
    """Yield, for each piece, the chunks it completed.

    Every chunk is what OpenAI's clients read (``ChunkNormaliser``); ``raw`` is the
    event's bytes, reframed as one ``data:`` line where they were framed in another
    way, re-encoded where something had to change. ``model`` is the name where the
    upstream tells none. The stream
    is complete with ``[DONE]``, or at its end if every choice had a
    ``finish_reason``. A choice that ``[DONE]`` found without one gets a last chunk
    that has it. A body that is no event stream but one whole completion (an
    upstream that ignores ``stream``) is cut into chunks.

    Raises a ``GatewayError`` for an error in the stream, garbage, or a cut, after
    all chunks before it were yielded.
    """
    first = yield from iter_first(pieces)
    if is_whole_body(first):
        yield cut_into_chunks(parse_completion((yield from iter_whole_body(first, pieces)), model))
    else:
        yield from _iter_stream(chain((first,), pieces), ChunkNormaliser(model))


def gather_stream(body: bytes, model: str) -> RawCompletion:
    """Return the completion that a stream amounts to, of an upstream that was asked for it whole.

    Raises as ``iter_chunks`` does.
    """
    batches = cast("Iterator[list[Chunk]]", iter_chunks(iter((body,)), model))
    completion = RawCompletion(gather(batches))
    if not completion["choices"]:
        raise UpstreamError("The provider's answer has no choices.")
    completion.raw = dumps_ascii(completion)
    return completion


def _iter_stream(pieces: Iterator[bytes], normaliser: ChunkNormaliser) -> Iterator[list[RawChunk]]:
    chunks: list[RawChunk] = []
    try:
        for events in iter_events(_until_complete(pieces, normaliser)):
            for raw in events:
                data = parse_plain_event(raw)
                if data is None:
                    data, raw = _reframe(raw)
                if data[:6] == _DONE:
                    chunks += normaliser.finish()
                    yield chunks
                    return
                if data:
                    chunks += normaliser.take(_parse_chunk(data, raw))
            yield chunks
            chunks = []
        if not normaliser.is_complete:
            raise UpstreamError("The provider's stream was cut before its end.")
    except GatewayError:
        chunks += normaliser.flush_usage()
        if chunks:
            yield chunks
        raise
    last = normaliser.finish()
    if last:
        yield last


def _until_complete(pieces: Iterator[bytes], normaliser: ChunkNormaliser) -> Iterator[bytes]:
    """Pass pieces on; a connection lost after the answer's own end mark has lost nothing."""
    try:
        yield from pieces
    except UpstreamError:
        if not normaliser.is_complete:
            raise
        logger.warning("a provider closed the connection after the end of its answer")


def _reframe(raw: bytes) -> tuple[bytes, bytes]:
    """Return an unusually framed event's data, b"" if it has none, and its usual framing."""
    event = parse_event(raw)
    if event.data is None:
        if raw.lstrip()[:1] == b"{" or raw.startswith(_ERROR_FIELD):
            # An error outside of the framing, or in a field of its own (llama.cpp).
            raise _parse_error_event(raw.removeprefix(_ERROR_FIELD))
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
        if not _TELLS_ERROR.isdisjoint(value) and read_error(value) is not None:
            raise build_stream_error(value)
        value["choices"] = _read_response(value)
        raw = encode_event(dumps_ascii(value))
    elif not isinstance(choices, list):
        raise UpstreamError("The provider sent a chunk whose choices are no list.")
    chunk = RawChunk(value)
    chunk.raw = raw
    return chunk


def _read_response(value: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the choices of an event that has none: of Cloudflare's own ``response``, or []."""
    if "response" not in value:
        return []
    message = read_response(value)
    del value["response"]
    value.pop("tool_calls", None)
    return [{"index": 0, "delta": message, "finish_reason": None}]


def _parse_loose(data: bytes) -> tuple[Any, bytes]:
    try:
        value = loads_lenient(data)
    except ValueError:
        message = "The provider sent an event that is not JSON, or was cut in the middle of one."
        raise UpstreamError(message) from None
    return value, encode_event(dumps_ascii(value))
