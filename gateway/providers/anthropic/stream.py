"""Anthropic's stream of events as canonical chunks.

Knows the framing that Anthropic uses (recorded: named events, spaces after the JSON), and which
event is which. Must not know how the bytes came. This is the hot path: a piece of text costs one
look at its event's head, one parse and one chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.errors import GatewayError, UpstreamError
from gateway.providers.anthropic.answer import Answer
from gateway.providers.anthropic.events import MessageReader
from gateway.serialization import JSONDecodeError, loads_lenient, loads_strict
from gateway.sse import iter_events, parse_event
from gateway.types import Chunk, NativeChunk

DIALECT = "messages"

_DELTA_HEAD = b"event: content_block_delta\ndata: "
_HEAD_LENGTH = len(_DELTA_HEAD)


def iter_chunks(pieces: Iterator[bytes], answer: Answer, index: int) -> Iterator[list[Chunk]]:
    """Translate the answer to one request, which is the choice ``index``.

    Yields and raises as ``gateway.types.ChatCall.iter_chunks`` says.
    """
    reader = MessageReader(answer, index)
    for events in iter_events(pieces):
        batch: list[Chunk] = []
        try:
            for raw in events:
                batch += _read_event(raw, reader)
                if reader.is_done:
                    break
        except GatewayError:
            # What came before the error goes out first.
            yield batch
            raise
        yield batch
        if reader.is_done:
            return
    raise UpstreamError(f"{answer.provider} broke off its answer before the end.")


def iter_native_chunks(pieces: Iterator[bytes], answer: Answer) -> Iterator[list[Chunk]]:
    """Translate an answer that goes on as it came: the first chunk of an event has its bytes."""
    reader = MessageReader(answer, 0)
    for events in iter_events(pieces):
        batch: list[Any] = []
        try:
            for raw in events:
                chunks = _read_event(raw, reader)
                batch += _with_bytes(chunks, raw)
                if reader.is_done:
                    break
        except GatewayError:
            yield batch
            raise
        yield batch
        if reader.is_done:
            return
    raise UpstreamError(f"{answer.provider} broke off its answer before the end.")


def _read_event(raw: bytes, reader: MessageReader) -> list[Chunk]:
    """Return the chunks of one raw event; raises ``GatewayError`` for an error in its place."""
    if raw[:_HEAD_LENGTH] == _DELTA_HEAD:
        try:
            return reader.read_delta(loads_strict(raw[_HEAD_LENGTH:]))
        except JSONDecodeError:
            pass
    event = parse_event(raw)
    if event.data is None:
        return []
    try:
        value = loads_lenient(event.data)
    except ValueError:
        raise reader.broken("an event that is not JSON") from None
    if not isinstance(value, dict):
        raise reader.broken("an event that is not a JSON object")
    kind = value.get("type") or event.name
    if value.get("error") and kind == "":
        kind = "error"  # of servers that speak this format, not to the letter
    return reader.read(kind, value)


def _with_bytes(chunks: list[Chunk], raw: bytes) -> list[NativeChunk]:
    natives = [NativeChunk(chunk) for chunk in chunks] or [NativeChunk(choices=[])]
    for native in natives:
        native.dialect, native.raw = DIALECT, b""
    natives[0].raw = raw if raw[-1:] in (b"\n", b"\r") else raw + b"\n\n"
    return natives
