"""The event stream of a response: bytes in, canonical chunks out, with or without the bytes.

Knows how such a stream is framed and how it ends. What events say is in
``gateway.providers.openai.responses_events``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain
from typing import Any

import orjson

from gateway.errors import GatewayError, UpstreamError
from gateway.providers.openai.first_piece import is_whole_body, iter_first, iter_whole_body
from gateway.providers.openai.responses_answer import build_chunks, parse_response
from gateway.providers.openai.responses_events import EventReader
from gateway.serialization import dumps_ascii, loads_lenient
from gateway.sse import encode_event, iter_events, parse_event
from gateway.types import NativeChunk

logger = logging.getLogger("gateway.providers.openai")

_DONE = b"[DONE]"
_DATA = b"\ndata: "
_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_NO_EVENT = "The provider sent an event that is not one of a response."


def iter_native_chunks(pieces: Iterator[bytes]) -> Iterator[list[dict[str, Any]]]:
    """Yield, for each piece, one chunk an event that it completed: ``NativeChunk``.

    ``raw`` is the event's bytes as they came, encoded anew only where they were not strict
    JSON. Comments are left out. The stream is complete with the event that ends the response.
    A body that is no event stream but one whole response (an upstream that ignores ``stream``)
    is read as chunks that are not native.

    Raises a ``GatewayError`` for an error in the stream, garbage, or a cut, after all chunks
    before it were yielded.
    """
    first = yield from iter_first(pieces)
    if is_whole_body(first):
        yield build_chunks(parse_response((yield from iter_whole_body(first, pieces))))
    else:
        yield from _iter_stream(chain((first,), pieces))


def iter_canonical_chunks(pieces: Iterator[bytes]) -> Iterator[list[dict[str, Any]]]:
    """Yield, for each piece, the chunks that say something; raises as ``iter_native_chunks``.

    The role comes with the first of them, usage in a chunk of its own.
    """
    said = {"role": "assistant"}
    for batch in iter_native_chunks(pieces):
        chunks: list[dict[str, Any]] = []
        for native in batch:
            chunk = dict(native)
            usage = chunk.pop("usage", None)
            for choice in chunk["choices"]:
                choice["delta"] = said | choice["delta"]
                said = {}
                chunks.append(chunk)
            if usage is not None:
                chunks.append({**chunk, "choices": [], "usage": usage})
        yield chunks


def find_response(body: bytes) -> bytes:
    """Return the response that a stream ends with, of an upstream that was asked for it whole.

    Raises as ``iter_native_chunks`` does.
    """
    raw = b""
    for batch in _iter_stream(iter((body,))):
        for chunk in batch:
            if chunk["choices"] and chunk["choices"][0]["finish_reason"]:
                raw = chunk.raw  # type: ignore[attr-defined]
    return dumps_ascii(loads_lenient(parse_event(raw).data or b"")["response"])


def _iter_stream(pieces: Iterator[bytes]) -> Iterator[list[dict[str, Any]]]:
    reader = EventReader()
    for events in iter_events(_until_complete(pieces, reader)):
        chunks: list[dict[str, Any]] = []
        try:
            for raw in events:
                event, kept = _parse(raw)
                if event is not None:
                    chunk = NativeChunk(reader.read(event))
                    chunk.dialect, chunk.raw = "responses", kept
                    chunks.append(chunk)
        except GatewayError:
            if chunks:
                yield chunks
            raise
        yield chunks
    if not reader.is_complete:
        raise UpstreamError("The provider's stream was cut before its end.")


def _parse(raw: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """Return the event's data, None where it has none, and the bytes to pass on."""
    # On the hot path: the usual framing is an event's name and one line of data.
    start = raw.find(b"\n")
    end = len(raw) - 2
    if (
        raw[:7] == b"event: "
        and raw[start : start + 7] == _DATA
        and raw.find(b"\n", start + 1) == end
    ):
        data: bytes | None = raw[start + 7 : end]
    else:
        data = parse_event(raw).data
        if not raw.endswith(_ENDS):
            raw += b"\n\n"
    if data is None or not data.strip():
        return None, b""
    if data[:6] == _DONE:  # of servers that write it here too
        return {"type": ""}, raw
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError:
        event = _parse_loose(data)
        raw = encode_event(dumps_ascii(event))
    if not isinstance(event, dict):
        raise UpstreamError(_NO_EVENT)
    if not isinstance(event.get("type"), str):
        if not event.get("error"):
            raise UpstreamError(_NO_EVENT)
        event["type"] = "error"
    return event, raw


def _parse_loose(data: bytes) -> Any:
    try:
        return loads_lenient(data)
    except ValueError:
        message = "The provider sent an event that is not JSON, or was cut in the middle of one."
        raise UpstreamError(message) from None


def _until_complete(pieces: Iterator[bytes], reader: EventReader) -> Iterator[bytes]:
    """Pass pieces on; a connection lost after the answer's own end mark has lost nothing."""
    try:
        yield from pieces
    except UpstreamError:
        if not reader.is_complete:
            raise
        logger.warning("a provider closed the connection after the end of its answer")
