"""What the events of a response say as canonical chunks.

Knows the events of OpenAI's Responses API (openai-python 3.54, recorded). Must not know
framing, nor what a dialect makes of it. Events with nothing to say in a chat (hosted tools
at work, parts that begin) are read as nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from gateway.errors import GatewayError, UpstreamError
from gateway.providers.openai.errors import build_stream_error
from gateway.providers.openai.responses_answer import (
    CALLS,
    read_call,
    read_error,
    read_finish_reason,
    read_reasoning_detail,
    read_text,
    read_usage,
)

Delta = dict[str, Any]
Event = Mapping[str, Any]


class EventReader:
    """Reads the events of one response, parsed, in their order.

    ``head`` is what all chunks have in common; ``is_complete`` turns True with the event that ends
    the response.
    """

    def __init__(self) -> None:
        self.head: dict[str, Any] = {
            "id": "",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": "",
        }
        self.is_complete = False
        self._calls: dict[int, int] = {}
        self._told: set[int] = set()
        self._reasoning_kind = ""
        self._reasoning_place: tuple[Any, ...] = ()

    def read(self, event: Event) -> dict[str, Any]:
        """Return the chunk that an event amounts to; its ``choices`` may be ``[]``.

        Raises a ``GatewayError`` for one that tells of a failure, and ``UpstreamError`` for one
        that is not what its type says.
        """
        read = _READERS.get(event["type"])
        try:
            return {**self.head, "choices": []} if read is None else read(self, event)
        except (KeyError, TypeError, AttributeError) as error:
            raise UpstreamError(
                f"The provider sent an event {event['type']!r} that is not one."
            ) from error

    def _read_begin(self, event: Event) -> dict[str, Any]:
        response = event["response"]
        self.head = {
            **self.head,
            "id": response["id"],
            "created": int(response.get("created_at") or self.head["created"]),
            "model": response.get("model") or "",
        }
        return {**self.head, "choices": []}

    def _read_text(self, event: Event) -> dict[str, Any]:
        self._told.add(event["output_index"])
        logprobs = event.get("logprobs")
        return self._say({"content": event["delta"]}, {"content": logprobs} if logprobs else None)

    def _read_refusal(self, event: Event) -> dict[str, Any]:
        self._told.add(event["output_index"])
        return self._say({"refusal": event["delta"]})

    def _read_reasoning(self, event: Event) -> dict[str, Any]:
        """Read a piece of reasoning; of text and summary, the kind that comes first."""
        self._reasoning_kind = self._reasoning_kind or event["type"]
        if event["type"] != self._reasoning_kind:
            return {**self.head, "choices": []}
        self._told.add(event["output_index"])
        text = event["delta"]
        place = (event["output_index"], event.get("summary_index"), event.get("content_index"))
        if place != self._reasoning_place:
            text = f"\n\n{text}" if self._reasoning_place else text
            self._reasoning_place = place
        return self._say({"reasoning_content": text})

    def _read_item(self, event: Event) -> dict[str, Any]:
        call = read_call(event["item"])
        return {**self.head, "choices": []} if call is None else self._begin_call(event, call)

    def _read_arguments(self, event: Event) -> dict[str, Any]:
        self._told.add(event["output_index"])
        kind, argument = _ARGUMENTS[event["type"]]
        index = self._calls[event["output_index"]]
        return self._say({"tool_calls": [{"index": index, kind: {argument: event["delta"]}}]})

    def _read_item_end(self, event: Event) -> dict[str, Any]:
        """Read what of an item wasn't told in pieces."""
        item, place = event["item"], event["output_index"]
        if item["type"] == "reasoning":
            detail = read_reasoning_detail(item)
            delta: Delta = {} if detail is None else {"reasoning_details": [detail]}
            if place not in self._told:
                delta |= read_text(item)
            return self._say(delta) if delta else {**self.head, "choices": []}
        call = read_call(item)
        if place in self._told:
            return {**self.head, "choices": []}
        if call is not None:
            return self._begin_call(event, call)
        delta = read_text(item)
        return self._say(delta) if delta else {**self.head, "choices": []}

    def _read_end(self, event: Event) -> dict[str, Any]:
        self._read_begin(event)
        response = event["response"]
        self.is_complete = True
        reason = read_finish_reason(response, has_calls=bool(self._calls))
        chunk = self._say({})
        chunk["choices"][0]["finish_reason"] = reason
        usage = read_usage(response.get("usage"))
        return chunk if usage is None else {**chunk, "usage": usage}

    def _read_failure(self, event: Event) -> dict[str, Any]:
        raise read_error(event["response"])

    def _read_error(self, event: Event) -> dict[str, Any]:
        error: GatewayError = build_stream_error(
            event if event.get("error") else {"error": {**event, "type": None}}
        )
        raise error

    def _begin_call(self, event: Event, call: dict[str, Any]) -> dict[str, Any]:
        """Tell of a call as it is now; what was told of it already is not told again."""
        place, (kind, argument) = event["output_index"], CALLS[event["item"]["type"]]
        text = call[kind][argument]
        if text:
            self._told.add(place)
        index = self._calls.get(place)
        if index is not None:  # only its arguments are new
            return self._say({"tool_calls": [{"index": index, kind: {argument: text}}]})
        index = self._calls[place] = len(self._calls)
        return self._say({"tool_calls": [{"index": index, **call}]})

    def _say(self, delta: Delta, logprobs: Any = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        if logprobs is not None:
            choice["logprobs"] = logprobs
        return {**self.head, "choices": [choice]}


_ARGUMENTS = {
    "response.function_call_arguments.delta": ("function", "arguments"),
    "response.custom_tool_call_input.delta": ("custom", "input"),
}

_READERS: dict[str, Callable[[EventReader, Event], dict[str, Any]]] = {
    "response.created": EventReader._read_begin,
    "response.output_text.delta": EventReader._read_text,
    "response.refusal.delta": EventReader._read_refusal,
    "response.reasoning_summary_text.delta": EventReader._read_reasoning,
    "response.reasoning_text.delta": EventReader._read_reasoning,
    "response.output_item.added": EventReader._read_item,
    "response.output_item.done": EventReader._read_item_end,
    **dict.fromkeys(_ARGUMENTS, EventReader._read_arguments),
    "response.completed": EventReader._read_end,
    "response.incomplete": EventReader._read_end,
    "response.failed": EventReader._read_failure,
    "error": EventReader._read_error,
}
