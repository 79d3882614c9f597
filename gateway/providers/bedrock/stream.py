"""ConverseStream's messages as canonical chunks.

Knows its events (recorded, and botocore 1.44). A stream ends with ``messageStop`` and
``metadata``; without either it was cut. Must not know how the bytes came. This is the
hot path: one pass, and a generator's locals as the only state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.errors import GatewayError, UpstreamError
from gateway.event_stream import Message, iter_messages
from gateway.providers.bedrock.answer import (
    Answer,
    read_extras,
    read_finish_reason,
    read_usage,
)
from gateway.providers.bedrock.blocks import Blocks
from gateway.providers.bedrock.errors import build_stream_error
from gateway.serialization import loads_lenient
from gateway.types import Chunk


def iter_chunks(pieces: Iterator[bytes], answer: Answer, index: int) -> Iterator[list[Chunk]]:
    """Translate a stream; yields and raises as ``gateway.types.ChatCall.iter_chunks`` says."""
    head = answer.head
    role: dict[str, Any] = {"role": "assistant"}
    blocks = Blocks(answer)
    stop: dict[str, Any] | None = None
    for messages in iter_messages(pieces):
        chunks: list[Chunk] = []
        try:
            for message in messages:
                name, event = _parse(message)
                if name == "messageStop":
                    stop = event
                elif name == "metadata" and stop is not None:
                    yield [*chunks, *_build_end(stop, event, answer, index, role, blocks)]
                    return
                delta = blocks.read(name, event)
                if delta:
                    chunks.append(head.build_chunk(index, {**role, **delta}))
                    role = {}
        except GatewayError:
            # What came before the error goes out first.
            yield chunks
            raise
        yield chunks
    raise UpstreamError("The provider broke off its answer before the end.")


def _parse(message: Message) -> tuple[str, dict[str, Any]]:
    """Return an event's name and object; raises ``GatewayError`` for an exception or garbage."""
    headers = message.headers
    try:
        event = loads_lenient(message.payload) if message.payload else {}
    except ValueError:
        raise UpstreamError("The provider sent an event that is not JSON.") from None
    if not isinstance(event, dict):
        raise UpstreamError("The provider sent an event that is not a JSON object.")
    if headers.get(":message-type") != "event":
        name = headers.get(":exception-type") or headers.get(":error-code")
        text = event.get("message") or headers.get(":error-message")
        raise build_stream_error(str(name or ""), text if isinstance(text, str) else "")
    return str(headers.get(":event-type") or ""), event


def _build_end(
    stop: dict[str, Any],
    metadata: dict[str, Any],
    answer: Answer,
    index: int,
    role: dict[str, Any],
    blocks: Blocks,
) -> list[Chunk]:
    """Return the chunks after the last delta: the finish reason, and the usage."""
    head = answer.head
    reason = read_finish_reason(stop.get("stopReason"), was_called=blocks.calls > 0)
    begin = [head.build_chunk(index, {**role, "content": ""})] if role else []
    extras = {**read_extras(stop), **read_extras(metadata)}
    return [
        *begin,
        head.build_chunk(index, {}, reason),
        head.build_usage_chunk(read_usage(metadata.get("usage")), **extras),
    ]
