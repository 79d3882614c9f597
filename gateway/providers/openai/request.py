"""A chat request for an upstream that takes less than OpenAI does, or another name for it.

Knows what ``gateway.kinds.Quirks`` say, and OpenAI's own families of models. Must
not know answers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from gateway.kinds import Quirks
from gateway.types import ChatRequest

_MESSAGE_FIELDS = ("role", "content", "name", "tool_calls", "tool_call_id")
_REASONING = ("reasoning_content", "reasoning")
_ONLY_IN_ANSWERS = (*_REASONING, "reasoning_details", "thinking_blocks", "content_blocks")

MAX_CALL_ID = 40
"""Longest id of a tool call that OpenAI takes; ids may carry what another model wants back."""

# The o-series and gpt-5 and later, fine-tuned ones too; not gpt-oss, which others serve.
_WITH_LONG_NAME = re.compile(r"(?:ft:)?(?:o\d|gpt-(?:[5-9]|\d\d))(?![0-9a-z])")


def rename_token_limit(body: dict[str, Any]) -> None:
    """Call ``max_tokens`` what OpenAI's reasoning models call it, who refuse the old name."""
    limit = body.get("max_tokens")
    if limit is None or body.get("max_completion_tokens") is not None:
        return
    if _WITH_LONG_NAME.match(str(body["model"])):
        del body["max_tokens"]
        body["max_completion_tokens"] = limit


def drop_reasoning(body: dict[str, Any]) -> None:
    """Leave out of the messages what only answers of other models have, which OpenAI refuses.

    That is their reasoning, and ids of tool calls that are longer than OpenAI takes.
    """
    messages = body.get("messages")
    if isinstance(messages, list):
        body["messages"] = [_without_reasoning(message) for message in messages]


def adapt_params(body: Mapping[str, Any], quirks: Quirks) -> tuple[dict[str, Any], list[str]]:
    """Return (parameters under the upstream's names, names of those that were dropped).

    Where the client gave a parameter by both its names, the upstream's own wins.
    """
    adapted: dict[str, Any] = {}
    dropped = []
    for name, value in body.items():
        if name in quirks.dropped:
            if value is not None:
                dropped.append(name)
            continue
        theirs = quirks.renamed.get(name, name)
        if theirs == name or body.get(theirs) is None:
            adapted[theirs] = value
    return adapted, dropped


def adapt_messages(request: ChatRequest, quirks: Quirks) -> list[Any]:
    """Return the messages with the fields and roles that the upstream takes.

    What is no message is left for the upstream to judge.
    """
    messages = request.get("messages")
    if not isinstance(messages, list):
        return []
    return [
        _adapt_message(message, quirks) if isinstance(message, dict) else message
        for message in messages
    ]


def _adapt_message(message: Mapping[str, Any], quirks: Quirks) -> dict[str, Any]:
    taken = (*_MESSAGE_FIELDS, *quirks.message_fields)
    adapted = {name: message[name] for name in taken if name in message}
    if adapted.get("role") == "developer":
        adapted["role"] = "system"
    if message.get("name") is None:
        adapted.pop("name", None)
    if message.get("tool_calls") is None:
        adapted.pop("tool_calls", None)
    if adapted.get("content") is None and message.get("refusal"):
        adapted["content"] = message["refusal"]
    thought = next((message[name] for name in _REASONING if message.get(name)), None)
    if thought is not None and quirks.reasoning_field is not None:
        adapted[quirks.reasoning_field] = thought
    if quirks.only_text:
        adapted["content"] = _join_texts(adapted.get("content"))
    return adapted


def _without_reasoning(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    message = _with_short_ids(message)
    if message.keys().isdisjoint(_ONLY_IN_ANSWERS):
        return message
    return {name: value for name, value in message.items() if name not in _ONLY_IN_ANSWERS}


def _with_short_ids(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message whose long ids are written short, the same everywhere."""
    calls, answered = message.get("tool_calls"), message.get("tool_call_id")
    if isinstance(calls, list) and any(_has_long_id(call) for call in calls):
        shortened = [
            {**call, "id": shorten_call_id(call["id"])} if _has_long_id(call) else call
            for call in calls
        ]
        message = {**message, "tool_calls": shortened}
    if isinstance(answered, str) and len(answered) > MAX_CALL_ID:
        message = {**message, "tool_call_id": shorten_call_id(answered)}
    return message


def _has_long_id(call: Any) -> bool:
    call_id = call.get("id") if isinstance(call, dict) else None
    return isinstance(call_id, str) and len(call_id) > MAX_CALL_ID


def shorten_call_id(call_id: str) -> str:
    """Return an id that OpenAI takes: the same for the same id, and a short one as it is."""
    if len(call_id) <= MAX_CALL_ID:
        return call_id
    return f"call_{hashlib.sha256(call_id.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _join_texts(content: Any) -> Any:
    """Return a list of texts as one text; anything else as it is."""
    if not (isinstance(content, list) and content):
        return content
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    if len(texts) != len(content) or not all(isinstance(text, str) for text in texts):
        return content
    return "\n".join(str(text) for text in texts)
