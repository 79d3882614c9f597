"""A canonical stream as Anthropic's events.

Knows the order that its SDK relies on: ``message_start`` first, blocks numbered from 0, one open
at a time, ``message_delta`` with the usage, ``message_stop``. Must not know requests.
What came in this format already goes on as it came.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.messages.answer import STOP_REASONS, begin_message, build_usage
from gateway.dialects.messages.request import DIALECT
from gateway.dialects.tool_arguments import is_whole
from gateway.serialization import dumps_ascii
from gateway.sse import encode_comment
from gateway.types import Chunk, NativeChunk

_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_SAID = ("reasoning_content", "reasoning", "thinking_blocks", "content", "refusal")


def encode_note(note: str, has_begun: bool) -> bytes:
    """Return the note as a comment, and a ping, once there was an event before it.

    Clients that build a message of the events take none before ``message_start``.
    """
    if not has_begun:
        return encode_comment(note or "ping")
    return (encode_comment(note) if note else b"") + _PING


class EventWriter:
    """Writes one stream: ``encode`` each batch, then the ``end``."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._is_native = False
        self._has_begun = False
        self._index = -1
        self._open = ""
        self._call: int | None = None
        self._arguments = ""
        self._told: set[int] = set()
        self._waiting: dict[int, list[Mapping[str, Any]]] = {}
        self._held: list[Mapping[str, Any]] = []
        self._stop_reason = "end_turn"
        self._usage: Mapping[str, Any] = {}

    def encode(self, batch: list[Chunk]) -> bytes:
        """Return the events of a batch."""
        return b"".join(self._iter_events(batch))

    def end(self) -> bytes:
        """Return the last events, b"" where they came with the chunks."""
        if self._is_native:
            return b""
        delta = {"stop_reason": self._stop_reason, "stop_sequence": None}
        usage = build_usage(self._usage)
        return b"".join(
            [
                *self._iter_begin(),
                *self._iter_waiting(is_end=True),
                *self._iter_close(),
                _event("message_delta", {"delta": delta, "usage": usage}),
                _event("message_stop", {}),
            ]
        )

    def _iter_events(self, batch: list[Chunk]) -> Iterator[bytes]:
        for chunk in batch:
            if isinstance(chunk, NativeChunk) and chunk.dialect == DIALECT:
                self._is_native = True
                yield chunk.raw
                continue
            self._usage = chunk.get("usage") or self._usage
            for choice in chunk["choices"]:
                yield from self._iter_begin()
                yield from self._iter_delta(choice.get("delta") or {})
                reason = choice.get("finish_reason")
                if reason:
                    self._stop_reason = STOP_REASONS.get(reason, "end_turn")
                    yield from self._iter_waiting(is_end=True)

    def _iter_begin(self) -> Iterator[bytes]:
        if not self._has_begun:
            self._has_begun = True
            yield _event("message_start", {"message": begin_message(self._model)})

    def _iter_delta(self, delta: Mapping[str, Any]) -> Iterator[bytes]:
        if self._call is None:
            yield from self._iter_said(delta)
        elif any(delta.get(name) for name in _SAID):
            self._held.append(delta)
            yield from self._iter_waiting()
        for call in delta.get("tool_calls") or ():
            yield from self._iter_call(call)

    def _iter_said(self, delta: Mapping[str, Any]) -> Iterator[bytes]:
        """Tell thoughts and text, while no call is open."""
        thinking = delta.get("reasoning_content") or delta.get("reasoning")
        if thinking:
            yield from self._iter_open("thinking", {"thinking": "", "signature": ""})
            yield self._delta({"type": "thinking_delta", "thinking": thinking})
        for block in delta.get("thinking_blocks") or ():
            yield from self._iter_thinking_block(block)
        text = delta.get("content") or delta.get("refusal")
        if text:
            yield from self._iter_open("text", {"text": "", "citations": None})
            yield self._delta({"type": "text_delta", "text": text})

    def _iter_thinking_block(self, block: Mapping[str, Any]) -> Iterator[bytes]:
        """Tell a block's signature, or a whole block that is hidden from the client."""
        if block.get("type") == "redacted_thinking":
            yield from self._iter_close()
            yield from self._iter_open("redacted_thinking", {"data": block.get("data") or ""})
            yield from self._iter_close()
        elif block.get("signature"):
            yield from self._iter_open("thinking", {"thinking": "", "signature": ""})
            yield self._delta({"type": "signature_delta", "signature": block["signature"]})
            yield from self._iter_close()

    def _iter_call(self, call: Mapping[str, Any]) -> Iterator[bytes]:
        """Tell a piece of a call now, or once the call before it is complete."""
        index = call.get("index", 0)
        if index in self._told:
            return  # after a whole object there is only white space
        if self._call is not None and index != self._call:
            self._waiting.setdefault(index, []).append(call)
            yield from self._iter_waiting()
            return
        if self._call is None:
            self._call, self._arguments = index, ""
            function = call.get("function") or {}
            block: dict[str, Any] = {
                "id": call.get("id") or f"toolu_{secrets.token_hex(12)}",
                "name": function.get("name") or "",
                "input": {},
            }
            yield from self._iter_close()
            yield from self._iter_open("tool_use", block)
        arguments = (call.get("function") or {}).get("arguments")
        if arguments:
            self._arguments += arguments
            yield self._delta({"type": "input_json_delta", "partial_json": arguments})

    def _iter_waiting(self, *, is_end: bool = False) -> Iterator[bytes]:
        """Go on to what waits, if the call before it is complete or nothing more comes.

        That is the next call, or what was said beside the calls.
        """
        while self._call is not None and (is_end or self._waiting or self._held):
            if not is_end and not is_whole(self._arguments):
                return
            yield from self._iter_close()
            self._told.add(self._call)
            self._call = None
            if self._waiting:
                for piece in self._waiting.pop(min(self._waiting)):
                    yield from self._iter_call(piece)
        if self._call is None:
            held, self._held = self._held, []
            for delta in held:
                yield from self._iter_said(delta)

    def _iter_open(self, kind: str, block: dict[str, Any]) -> Iterator[bytes]:
        if self._open == kind:
            return
        yield from self._iter_close()
        self._open = kind
        self._index += 1
        content = {"index": self._index, "content_block": {"type": kind, **block}}
        yield _event("content_block_start", content)

    def _iter_close(self) -> Iterator[bytes]:
        if self._open:
            self._open = ""
            yield _event("content_block_stop", {"index": self._index})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", {"index": self._index, "delta": delta})


def _event(name: str, fields: dict[str, Any]) -> bytes:
    data = dumps_ascii({"type": name, **fields})
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
