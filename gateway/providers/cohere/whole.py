"""Cohere's whole answers as chat completions (recorded, and cohere-python 7.3.1)."""

from __future__ import annotations

from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.answer import AnswerHead, require_text
from gateway.providers.cohere.answer import (
    build_call,
    build_logprobs,
    read_finish_reason,
    read_usage,
)
from gateway.serialization import loads_lenient
from gateway.types import ChatCompletion


def parse_whole(body: bytes, head: AnswerHead, *, only_first_call: bool) -> ChatCompletion:
    """Translate a whole answer; raises ``GatewayError`` where it is not one."""
    try:
        value = loads_lenient(body)
    except ValueError:
        raise UpstreamError("The provider's answer is not JSON.") from None
    message = value.get("message") if isinstance(value, dict) else None
    if not isinstance(message, dict):
        raise UpstreamError("The provider's answer has no message.")
    calls = message.get("tool_calls")
    calls = calls if isinstance(calls, list) else []
    built = _build_message(message, calls[:1] if only_first_call else calls)
    logprobs = value.get("logprobs")
    return head.build_completion(
        built,
        read_finish_reason(value.get("finish_reason"), was_called=bool(calls)),
        read_usage(value.get("usage")),
        build_logprobs(logprobs) if isinstance(logprobs, list) and logprobs else None,
    )


def _build_message(message: dict[str, Any], calls: list[Any]) -> dict[str, Any]:
    texts, thoughts = _read_content(message.get("content"))
    if message.get("tool_plan"):
        thoughts.append(require_text(message["tool_plan"]))
    built: dict[str, Any] = {"content": "".join(texts) if texts or not calls else None}
    if thoughts:
        built["reasoning_content"] = "".join(thoughts)
    if calls:
        built["tool_calls"] = [_build_whole_call(call) for call in calls]
    if message.get("citations"):
        built["citations"] = message["citations"]
    return built


def _read_content(content: Any) -> tuple[list[str], list[str]]:
    """Return the texts and the thoughts among the blocks of a message."""
    texts: list[str] = []
    thoughts: list[str] = []
    if isinstance(content, str):
        return [content], thoughts
    for block in content if isinstance(content, list) else ():
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text":
            texts.append(require_text(block.get("text")))
        elif kind == "thinking":
            thoughts.append(require_text(block.get("thinking")))
    return texts, thoughts


def _build_whole_call(call: Any) -> dict[str, Any]:
    built = build_call(0, call)
    del built["index"]
    built["function"]["arguments"] = built["function"]["arguments"] or "{}"
    return built
