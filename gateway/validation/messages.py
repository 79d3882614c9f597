"""Checks of ``messages``: roles, contents, parts, and tool calls of earlier turns.

Knows which role may hold what. Must not know any provider, nor look into images
or arguments. Plain functions, for lists of hundreds of messages are common.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import InvalidRequestError
from gateway.validation.fields import (
    check_choice,
    check_string,
    listed,
    missing,
    require_name,
    require_object,
    require_string,
    unsupported_value,
    wrong_type,
    wrong_value,
)

ROLES = ("developer", "system", "user", "assistant", "tool", "function")

_PARTS = {
    "developer": ("text",),
    "system": ("text",),
    "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"),
    "tool": ("text", "image_url", "file"),
    "function": ("text",),
}
_IN_PLACE_OF_CONTENT = (
    "tool_calls",
    "function_call",
    "refusal",
    "reasoning_content",
    "reasoning",
    "audio",
    "content_blocks",
    "images",
    "reasoning_details",
    "thinking_blocks",
)


def check_messages(messages: Any) -> None:
    """Check a list of messages; raises ``InvalidRequestError`` with the path of what is wrong."""
    if messages is None:
        raise missing("messages")
    if not isinstance(messages, list):
        raise wrong_type("messages", "an array of messages", messages)
    if not messages:
        raise InvalidRequestError(
            "`messages` must hold at least one message.", param="messages", code="empty_array"
        )
    known_calls: set[str] = set()
    for position, message in enumerate(messages):
        _check_message(message, f"messages[{position}]", known_calls)


def _check_message(message: Any, param: str, known_calls: set[str]) -> None:
    if not isinstance(message, dict):
        raise wrong_type(param, "an object", message)
    role = require_string(message, "role", f"{param}.role")
    if role not in ROLES:
        raise wrong_value(f"{param}.role", f"`{param}.role` must be one of {listed(ROLES)}.")
    check_string(message, "name", f"{param}.name")
    _check_content(message, role, f"{param}.content")
    if role == "assistant":
        _check_assistant(message, param, known_calls)
    elif role == "tool":
        _check_tool_result(message, param, known_calls)
    elif role == "function":
        require_name(message, "name", f"{param}.name")


def _check_content(message: dict[str, Any], role: str, param: str) -> None:
    content = message.get("content")
    if isinstance(content, str):
        return
    if content is None or content == []:
        _check_absent_content(message, role, param)
        return
    if not isinstance(content, list):
        raise wrong_type(param, "a string or an array of content parts", content)
    for position, part in enumerate(content):
        _check_part(part, role, f"{param}[{position}]")


def _check_absent_content(message: dict[str, Any], role: str, param: str) -> None:
    if role == "function" and message.get("content") is None:
        return
    if role == "assistant":
        if any(message.get(name) for name in _IN_PLACE_OF_CONTENT):
            return
        raise wrong_value(param, f"`{param}` is required for an assistant without tool calls.")
    if message.get("content") is None:
        raise missing(param)
    raise InvalidRequestError(
        f"`{param}` must hold at least one content part.", param=param, code="empty_array"
    )


def _check_part(part: Any, role: str, param: str) -> None:
    if not isinstance(part, dict):
        raise wrong_type(param, "an object", part)
    kind = require_string(part, "type", f"{param}.type")
    if kind not in _PARTS[role]:
        raise wrong_value(
            f"{param}.type",
            f"`{param}.type` must be one of {listed(_PARTS[role])} in a message of role {role}.",
        )
    if kind in ("text", "refusal"):
        require_string(part, kind, f"{param}.{kind}")
    elif kind == "image_url":
        image = require_object(part, "image_url", f"{param}.image_url")
        require_name(image, "url", f"{param}.image_url.url")
        details = ("auto", "low", "high", "original")
        check_choice(image, "detail", details, f"{param}.image_url.detail")
    elif kind == "input_audio":
        audio = require_object(part, "input_audio", f"{param}.input_audio")
        require_name(audio, "data", f"{param}.input_audio.data")
        require_string(audio, "format", f"{param}.input_audio.format")
        check_choice(audio, "format", ("wav", "mp3"), f"{param}.input_audio.format")
    else:
        require_object(part, "file", f"{param}.file")


def _check_assistant(message: dict[str, Any], param: str, known_calls: set[str]) -> None:
    for name in ("refusal", "reasoning_content", "reasoning"):
        check_string(message, name, f"{param}.{name}")
    if message.get("function_call") is not None:
        call = require_object(message, "function_call", f"{param}.function_call")
        _check_call(call, f"{param}.function_call")
    calls = message.get("tool_calls")
    if calls is None:
        return
    if not isinstance(calls, list):
        raise wrong_type(f"{param}.tool_calls", "an array of tool calls", calls)
    for position, call in enumerate(calls):
        _check_tool_call(call, f"{param}.tool_calls[{position}]")
        known_calls.add(call["id"])


def _check_tool_call(call: Any, param: str) -> None:
    if not isinstance(call, dict):
        raise wrong_type(param, "an object", call)
    require_name(call, "id", f"{param}.id")
    check_string(call, "type", f"{param}.type")
    if call.get("type") not in (None, "function"):
        raise unsupported_value(f"{param}.type", f'`{param}.type` must be "function" here.')
    _check_call(require_object(call, "function", f"{param}.function"), f"{param}.function")


def _check_call(function: dict[str, Any], param: str) -> None:
    require_name(function, "name", f"{param}.name")
    require_string(function, "arguments", f"{param}.arguments")


def _check_tool_result(message: dict[str, Any], param: str, known_calls: set[str]) -> None:
    call_id = require_name(message, "tool_call_id", f"{param}.tool_call_id")
    if call_id not in known_calls and not message.get("name"):
        raise wrong_value(
            f"{param}.tool_call_id",
            f"`{param}.tool_call_id` names no tool call of an assistant's message before it.",
        )
