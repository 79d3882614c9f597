"""Ollama's messages as canonical ones.

Knows both forms. Must not know what else a request has.

Ollama's tool calls may have no ids, and a result may name its function only; ids
are made up then, and results take those of the calls before them, in order.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.ollama.fields import (
    build_image_part,
    read_list,
    read_object,
    read_text,
)
from gateway.dialects.tool_arguments import write_arguments
from gateway.validation.fields import wrong_type, wrong_value

_ROLES = ("system", "user", "assistant", "tool", "developer")


def build_messages(messages: list[Any]) -> list[dict[str, Any]]:
    """Translate messages; raises ``InvalidRequestError`` with ``param``."""
    open_calls: list[dict[str, Any]] = []
    built = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict):
            raise wrong_type(where, "an object", message)
        built.append(_build_message(message, where, open_calls, index))
    return built


def _build_message(
    message: dict[str, Any], where: str, open_calls: list[dict[str, Any]], index: int
) -> dict[str, Any]:
    role = read_text(message, "role").lower()
    if role not in _ROLES:
        raise wrong_value(f"{where}.role", f"`{where}.role` must be one of {', '.join(_ROLES)}.")
    built: dict[str, Any] = {"role": role, "content": _build_content(message, where)}
    if role == "assistant":
        if message.get("thinking"):
            built["reasoning_content"] = read_text(message, "thinking")
        calls = _build_calls(message, where, index)
        if calls:
            built["tool_calls"] = calls
            built["content"] = built["content"] or None
            open_calls += calls
    elif role == "tool":
        built["tool_call_id"] = _find_call_id(message, open_calls, where)
    return built


def _build_content(message: dict[str, Any], where: str) -> str | list[dict[str, Any]]:
    value = message.get("content")
    if not isinstance(value, str | None):
        raise wrong_type(f"{where}.content", "a string", value)
    images = read_list(message, "images", f"{where}.images")
    if not images:
        return value or ""
    parts: list[dict[str, Any]] = [{"type": "text", "text": value}] if value else []
    return parts + [
        build_image_part(image, f"{where}.images[{place}]") for place, image in enumerate(images)
    ]


def _build_calls(message: dict[str, Any], where: str, index: int) -> list[dict[str, Any]]:
    calls = []
    for place, call in enumerate(read_list(message, "tool_calls", f"{where}.tool_calls")):
        here = f"{where}.tool_calls[{place}]"
        if not isinstance(call, dict):
            raise wrong_type(here, "an object", call)
        function = read_object(call, "function")
        given = function.get("arguments") or {}
        arguments = write_arguments(given, f"{here}.function.arguments")
        if not isinstance(function.get("name"), str):
            raise wrong_type(f"{here}.function.name", "a string", function.get("name"))
        call_id = call.get("id")
        calls.append(
            {
                "id": call_id if isinstance(call_id, str) and call_id else f"call_{index}_{place}",
                "type": "function",
                "function": {"name": function["name"], "arguments": arguments},
            }
        )
    return calls


def _find_call_id(message: dict[str, Any], open_calls: list[dict[str, Any]], where: str) -> str:
    """Return the id of the call a result is for; that call is then answered."""
    given = message.get("tool_call_id")
    name = message.get("tool_name") or message.get("name")
    for place, call in enumerate(open_calls):
        is_meant = call["id"] == given if given else name in (None, call["function"]["name"])
        if is_meant:
            call_id: str = open_calls.pop(place)["id"]
            return call_id
    if isinstance(given, str) and given:
        return given
    raise wrong_value(
        where, f"`{where}` is the result of a tool that no message before it has called."
    )
