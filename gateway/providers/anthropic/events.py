"""The events of one message, in the order they come, as canonical chunks.

Knows what each event says (anthropic-python 2.14, recorded). Must not know framing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.anthropic.answer import Answer, build_end, read_refusal, read_usage
from gateway.providers.anthropic.blocks import (
    Block,
    build_arguments,
    build_call,
    build_content_blocks,
    dump_input,
    says_more,
)
from gateway.providers.anthropic.errors import build_stream_error
from gateway.providers.anthropic.thinking import THINKING, sign_blocks
from gateway.serialization import loads_lenient
from gateway.types import Chunk

_PIECES = {
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
    "signature_delta": "signature",
}
"""Kinds of delta beside text, by the member that holds the piece."""


class MessageReader:
    """Reads one message's events; ``is_done`` once its own end mark has come."""

    def __init__(self, answer: Answer, index: int) -> None:
        self.is_done = False
        self._answer = answer
        self._head = answer.head
        self._index = index
        self._has_begun = False
        self._blocks: dict[int, Block] = {}
        self._pieces: dict[int, list[str]] = {}
        self._call_indexes: dict[int, int] = {}
        self._carried: list[Block] = []
        self._counts: dict[str, Any] = {}
        self._end: dict[str, Any] = {}
        self._events: dict[str, Callable[[dict[str, Any]], list[Chunk]]] = {
            "message_start": self._start_message,
            "content_block_start": self._start_block,
            "content_block_delta": self.read_delta,
            "content_block_stop": self._stop_block,
            "message_delta": self._read_message_delta,
            "message_stop": self._stop_message,
        }

    def read(self, kind: str, event: dict[str, Any]) -> list[Chunk]:
        """Return an event's chunks; kinds that aren't known, and ``ping``, say nothing.

        Raises the ``GatewayError`` that an error event tells, and ``UpstreamError`` for
        an event that can't be read.
        """
        if kind == "error":
            raise build_stream_error(event, self._answer.target)
        read = self._events.get(kind)
        return read(event) if read is not None else []

    def read_delta(self, event: dict[str, Any]) -> list[Chunk]:
        """Return the chunk of a piece of a block."""
        try:
            delta, place = event["delta"], event["index"]
            kind = delta["type"]
            if kind == "text_delta":
                text = delta["text"]
                self._pieces[place].append(text)
                return [
                    {
                        "id": self._head.id,
                        "object": "chat.completion.chunk",
                        "created": self._head.created,
                        "model": self._head.model,
                        "choices": [
                            {
                                "index": self._index,
                                "delta": {"content": text + ""},
                                "finish_reason": None,
                            }
                        ],
                    }
                ]
            return self._read_other_delta(kind, delta, place)
        except (KeyError, TypeError):
            raise self.broken("a piece of a block that can't be read") from None

    def broken(self, what: str) -> UpstreamError:
        """Return the error for something that is no part of a message."""
        return UpstreamError(f"{self._answer.provider} sent {what}.")

    def _start_message(self, event: dict[str, Any]) -> list[Chunk]:
        message = _object(event.get("message"))
        self._counts.update(_object(message.get("usage")))
        if self._has_begun:
            return []
        self._has_begun = True
        return [self._chunk({"role": "assistant", "content": ""})]

    def _start_block(self, event: dict[str, Any]) -> list[Chunk]:
        place, block = event.get("index"), event.get("content_block")
        if not isinstance(place, int) or not isinstance(block, dict):
            raise self.broken("a block that can't be read")
        begun = [] if self._has_begun else self._start_message({})
        kind = block.get("type")
        self._blocks[place] = block
        self._pieces[place] = []
        if kind == "text" and block.get("text"):
            delta = {"type": "text_delta", "text": block["text"]}
            return [*begun, *self.read_delta({"index": place, "delta": delta})]
        if kind == "tool_use" and not self._is_json(block):
            plan = self._answer.plan
            if plan.legacy and self._call_indexes:
                return begun  # there is no place for a second call
            index = len(self._call_indexes)
            call = build_call(block, self._carried, index, plan)
            self._call_indexes[place], self._carried = index, []
            return [*begun, self._chunk(call)]
        return begun

    def _read_other_delta(self, kind: str, delta: Mapping[str, Any], place: int) -> list[Chunk]:
        name = _PIECES.get(kind)
        if name is None:
            block = self._blocks[place]
            if kind == "citations_delta":
                block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
            elif kind == "compaction_delta":
                block.update({n: value for n, value in delta.items() if n != "type"})
            return []
        piece = delta[name] + ""
        if kind == "signature_delta":
            self._blocks[place]["signature"] = piece
            return []
        self._pieces[place].append(piece)
        return [self._chunk(fields) for fields in self._build_piece(place, piece) if piece]

    def _build_piece(self, place: int, piece: str) -> list[dict[str, Any]]:
        """Return what a piece of thinking or of a call's input says to the client."""
        block = self._blocks[place]
        if block.get("type") == "thinking":
            return [{"reasoning_content": piece}]
        if place in self._call_indexes:
            return [build_arguments(piece, self._call_indexes[place], self._answer.plan)]
        return [{"content": piece}] if self._is_json(block) else []

    def _stop_block(self, event: dict[str, Any]) -> list[Chunk]:
        place = event.get("index")
        block = self._blocks.get(place) if isinstance(place, int) else None
        if block is None or not isinstance(place, int):
            return []
        kind = block.get("type")
        text = "".join(self._pieces.pop(place, ()))
        if kind in ("text", "thinking"):
            block[kind] = text or block.get(kind) or ""
        elif "input" in block or kind == "tool_use":
            block["input"] = self._read_input(text, block)
            if not text and (place in self._call_indexes or self._is_json(block)):
                written = dump_input(block["input"])
                return [self._chunk(fields) for fields in self._build_piece(place, written)]
        if kind in THINKING:
            signed = sign_blocks([block], self._answer.target.model)
            self._carried += signed
            return [self._chunk({"thinking_blocks": signed})] if signed else []
        return []

    def _read_input(self, text: str, block: Block) -> Any:
        """Return a call's input, which goes back to the provider with ``content_blocks`` only."""
        try:
            return loads_lenient(text) if text else block.get("input")
        except ValueError:
            return block.get("input")

    def _read_message_delta(self, event: dict[str, Any]) -> list[Chunk]:
        """Note how the message ends: counts are sums, those that are missing stay as they were."""
        counts = _object(event.get("usage"))
        self._counts.update({n: count for n, count in counts.items() if count is not None})
        self._end.update(_object(event.get("delta")))
        return []

    def _stop_message(self, event: dict[str, Any]) -> list[Chunk]:
        self.is_done = True
        begun = [] if self._has_begun else self._start_message({})
        stop_reason = self._end.get("stop_reason")
        last: dict[str, Any] = {}
        refusal = read_refusal(self._end)
        if refusal is not None and stop_reason == "refusal":
            last["refusal"] = refusal
        blocks = [self._blocks[place] for place in sorted(self._blocks)]
        if says_more(blocks):
            model = self._answer.target.model
            last["content_blocks"] = build_content_blocks(blocks, model)
        end = build_end(stop_reason, self._answer, was_called=bool(self._call_indexes))
        choice: Any = {"index": self._index, "delta": last, **end}
        usage = self._head.build_usage_chunk(read_usage(self._counts))
        return [*begun, self._head.wrap([choice]), usage]

    def _is_json(self, block: Block) -> bool:
        json_tool = self._answer.plan.json_tool
        return json_tool is not None and block.get("name") == json_tool

    def _chunk(self, delta: dict[str, Any]) -> Chunk:
        return self._head.build_chunk(self._index, delta)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
