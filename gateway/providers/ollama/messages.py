"""A conversation in OpenAI's form as Ollama's ``messages``.

Knows both forms of a message. Expects messages that passed ``check_messages``.
Must not know the request around them.
"""

from __future__ import annotations

from typing import Any

from gateway.providers.ollama.capabilities import Capabilities
from gateway.providers.ollama.images import read_base64, read_image_url
from gateway.providers.tool_arguments import parse_arguments
from gateway.validation.fields import unsupported_value

Message = dict[str, Any]

_BETWEEN_PARTS = "\n"
_BETWEEN_MESSAGES = "\n\n"


def build_messages(
    messages: list[Message], capabilities: Capabilities
) -> tuple[list[Message], list[str]]:
    """Return Ollama's messages, and the names of what they can't carry.

    Raises ``InvalidRequestError`` for parts that can't be sent at all.
    """
    built: list[Message] = []
    dropped: dict[str, None] = {}
    function_names: dict[str, str] = {}
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        role = message["role"]
        if role == "assistant":
            translated = _build_assistant(message, param, function_names)
        elif role == "tool":
            translated = _build_tool_result(message, param, function_names)
        elif role == "function":
            translated = {
                "role": "tool",
                "content": _join_text(message.get("content")),
                "tool_name": message["name"],
            }
        else:
            translated = _build_input(message, param, capabilities, dropped)
        if message.get("name") and role not in ("tool", "function"):
            dropped["messages.name"] = None
        _append(built, translated)
    return built, list(dropped)


def _append(built: list[Message], message: Message) -> None:
    """Append a message; an assistant's goes into the assistant's before it.

    Ollama joins neighbours of one role itself for most models, but then loses
    the calls and the thinking of the second.
    """
    previous = built[-1] if built else None
    if (
        previous is None
        or message["role"] != "assistant"
        or previous["role"] != "assistant"
        or not ("tool_calls" in message or "thinking" in message)
    ):
        built.append(message)
        return
    for name in ("content", "thinking"):
        texts = [text for text in (previous.get(name), message.get(name)) if text]
        if texts:
            previous[name] = _BETWEEN_MESSAGES.join(texts)
    if "tool_calls" in message:
        previous["tool_calls"] = [*previous.get("tool_calls", ()), *message["tool_calls"]]


def _build_assistant(message: Message, param: str, function_names: dict[str, str]) -> Message:
    if message.get("audio"):
        raise unsupported_value(
            f"{param}.audio", f"`{param}.audio` refers to an earlier answer, which is not stored."
        )
    content = _join_text(message.get("content")) or message.get("refusal") or ""
    translated: Message = {"role": "assistant", "content": content}
    thinking = message.get("reasoning_content") or message.get("reasoning")
    if thinking:
        translated["thinking"] = thinking
    calls = [_build_tool_call(call, function_names) for call in message.get("tool_calls") or ()]
    if message.get("function_call"):
        calls.append(_build_call(message["function_call"]))
    if calls:
        translated["tool_calls"] = calls
    return translated


def _build_tool_call(call: dict[str, Any], function_names: dict[str, str]) -> dict[str, Any]:
    function_names[call["id"]] = call["function"]["name"]
    return {"id": call["id"], **_build_call(call["function"])}


def _build_call(function: dict[str, Any]) -> dict[str, Any]:
    return {
        "function": {
            "name": function["name"],
            "arguments": parse_arguments(function["arguments"]),
        }
    }


def _build_tool_result(message: Message, param: str, function_names: dict[str, str]) -> Message:
    call_id = message["tool_call_id"]
    if isinstance(message["content"], list):
        for position, part in enumerate(message["content"]):
            if part["type"] != "text":
                raise unsupported_value(
                    f"{param}.content[{position}].type",
                    f"`{param}.content[{position}]` is no text, and this model's tools give only "
                    "text: send it in a user's message.",
                )
    return {
        "role": "tool",
        "content": _join_text(message["content"]),
        "tool_name": function_names.get(call_id) or message["name"],
        "tool_call_id": call_id,
    }


def _build_input(
    message: Message, param: str, capabilities: Capabilities, dropped: dict[str, None]
) -> Message:
    role = "system" if message["role"] == "developer" else message["role"]
    content = message["content"]
    translated: Message = {"role": role, "content": _join_text(content)}
    if isinstance(content, str):
        return translated
    media = [
        _read_media(part, f"{param}.content[{position}]", capabilities)
        for position, part in enumerate(content)
        if part["type"] != "text"
    ]
    if any(_asks_for_detail(part) for part in content):
        dropped["messages.content.image_url.detail"] = None
    if media:
        translated["images"] = media
    return translated


def _read_media(part: dict[str, Any], param: str, capabilities: Capabilities) -> str:
    if part["type"] == "image_url":
        capabilities.require("vision", "messages", "images")
        return read_image_url(part["image_url"]["url"], f"{param}.image_url.url")
    if part["type"] == "input_audio":
        capabilities.require("audio", "messages", "audio")
        return read_base64(part["input_audio"]["data"], f"{param}.input_audio.data")
    raise unsupported_value(
        f"{param}.type", f"`{param}` is a file, which this model can't read: send its text."
    )


def _asks_for_detail(part: dict[str, Any]) -> bool:
    return part["type"] == "image_url" and part["image_url"].get("detail") in (
        "low",
        "high",
        "original",
    )


def _join_text(content: Any) -> str:
    """Return a string, or the texts of a list of parts, in order; ``""`` for None."""
    if content is None or isinstance(content, str):
        return content or ""
    texts = (part.get("text") or part.get("refusal") for part in content)
    return _BETWEEN_PARTS.join(text for text in texts if text)
