"""Cohere's event stream as canonical chunks.

Knows the events of ``/v2/chat`` (recorded, and cohere-python 7.3.1). A stream ends with
``message-end``; without it, it was cut. Must not know how the bytes came. This is the
hot path: one pass, and a generator's locals as the only state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.errors import GatewayError, UpstreamError
from gateway.providers.answer import AnswerHead, require_text
from gateway.providers.cohere.answer import (
    build_call,
    build_logprobs,
    read_finish_reason,
    read_usage,
)
from gateway.serialization import loads_lenient
from gateway.sse import iter_events, parse_event
from gateway.types import Chunk

_DONE = b"[DONE]"


def iter_chunks(
    pieces: Iterator[bytes], head: AnswerHead, index: int, *, only_first_call: bool
) -> Iterator[list[Chunk]]:
    """Translate a stream; yields and raises as ``gateway.types.ChatCall.iter_chunks`` says."""
    role: dict[str, Any] = {"role": "assistant"}
    calls = _Calls(only_first_call=only_first_call)
    for events in iter_events(pieces):
        chunks: list[Chunk] = []
        try:
            for raw in events:
                event = _parse(raw)
                if event is None:
                    continue
                if event.get("type") == "message-end":
                    yield [*chunks, *_build_end(event, head, index, role, calls)]
                    return
                delta, logprobs = _read_delta(event, calls)
                if delta:
                    chunks.append(head.build_chunk(index, {**role, **delta}, None, logprobs))
                    role = {}
        except GatewayError:
            # What came before the error goes out first.
            yield chunks
            raise
        yield chunks
    raise UpstreamError("The provider broke off its answer before the end.")


class _Calls:
    """The tool calls of a stream, numbered in the order they come, whatever their own numbers."""

    def __init__(self, *, only_first_call: bool) -> None:
        self.count = 0
        self._only_first = only_first_call
        self._current: int | None = None
        self._has_arguments = False

    def start(self, call: Any) -> dict[str, Any] | None:
        """Return the delta that begins a call, None where it is one too many."""
        if self._only_first and self.count:
            self._current = None
            return None
        built = build_call(self.count, call)
        self._current = self.count
        self._has_arguments = bool(built["function"]["arguments"])
        self.count += 1
        return {"tool_calls": [built]}

    def extend(self, call: Any) -> dict[str, Any] | None:
        """Return the delta with the next piece of the current call's arguments, if there is one."""
        function = call.get("function") if isinstance(call, dict) else None
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if self._current is None or not arguments:
            return None
        self._has_arguments = True
        return self._build(require_text(arguments))

    def end(self) -> dict[str, Any] | None:
        """Return the delta that makes a call without arguments one of none, which are ``{}``."""
        if self._current is None or self._has_arguments:
            return None
        delta = self._build("{}")
        self._current = None
        return delta

    def _build(self, arguments: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": self._current, "function": {"arguments": arguments}}]}


def _parse(raw: bytes) -> dict[str, Any] | None:
    """Return an event's object, None for a comment and what follows the last one."""
    data = parse_event(raw).data
    if data is None or not data.strip() or data.strip() == _DONE:
        return None
    try:
        event = loads_lenient(data)
    except ValueError:
        raise UpstreamError("The provider sent an event that is not JSON.") from None
    if not isinstance(event, dict):
        raise UpstreamError("The provider sent an event that is not a JSON object.")
    if event.get("type") == "error" or ("type" not in event and "message" in event):
        raise UpstreamError("The provider reported an error instead of an answer.")
    return event


def _read_delta(
    event: dict[str, Any], calls: _Calls
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return what an event says, and its logprobs; events of unknown types say nothing."""
    kind = event.get("type")
    delta = event.get("delta")
    message = delta.get("message") if isinstance(delta, dict) else None
    message = message if isinstance(message, dict) else {}
    if kind in ("content-delta", "content-start"):
        logprobs = event.get("logprobs")
        built = build_logprobs([logprobs]) if isinstance(logprobs, dict) else None
        return _read_content(message.get("content")), built
    if kind == "tool-plan-delta" and message.get("tool_plan"):
        return {"reasoning_content": require_text(message["tool_plan"])}, None
    if kind == "tool-call-start":
        return calls.start(message.get("tool_calls")), None
    if kind == "tool-call-delta":
        return calls.extend(message.get("tool_calls")), None
    if kind == "tool-call-end":
        return calls.end(), None
    if kind == "citation-start" and message.get("citations"):
        found = message["citations"]
        return {"citations": found if isinstance(found, list) else [found]}, None
    return None, None


def _read_content(content: Any) -> dict[str, Any] | None:
    if not isinstance(content, dict):
        return None
    if content.get("text"):
        return {"content": require_text(content["text"])}
    if content.get("thinking"):
        return {"reasoning_content": require_text(content["thinking"])}
    return None


def _build_end(
    event: dict[str, Any], head: AnswerHead, index: int, role: dict[str, Any], calls: _Calls
) -> list[Chunk]:
    """Return the chunks after the last delta: the finish reason, and the usage."""
    delta = event.get("delta")
    delta = delta if isinstance(delta, dict) else {}
    if isinstance(delta.get("error"), str):
        raise UpstreamError("The provider failed while it generated the answer.")
    reason = read_finish_reason(delta.get("finish_reason"), was_called=calls.count > 0)
    begin = [head.build_chunk(index, {**role, "content": ""})] if role else []
    left = calls.end() or {}
    return [
        *begin,
        head.build_chunk(index, left, reason),
        head.build_usage_chunk(read_usage(delta.get("usage"))),
    ]
