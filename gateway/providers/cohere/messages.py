"""A conversation in OpenAI's form as Cohere's ``messages`` and ``documents``.

Knows both forms of a message (cohere-python 7.3.1). Expects messages that passed
``check_messages``. Must not know the request around them.
"""

from __future__ import annotations

from typing import Any

from gateway.providers.data_uri import parse_data_uri
from gateway.providers.tool_forms import older_form
from gateway.validation.fields import unsupported_value

Message = dict[str, Any]

_BETWEEN_PARTS = "\n"


def build_messages(messages: list[Message], *, thinks: bool) -> tuple[list[Message], list[Message]]:
    """Return Cohere's messages, and the text files among them as documents.

    ``thinks`` tells that the model takes earlier thinking back as such; others take what they
    planned before a tool call. Raises ``InvalidRequestError`` for what can't be sent at all.
    """
    built: list[Message] = []
    documents: list[Message] = []
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        role = message["role"]
        if role in ("system", "developer"):
            built.append({"role": "system", "content": _join_text(message["content"])})
        elif role == "user":
            content = _build_content(message["content"], param, documents)
            built.append({"role": "user", "content": content})
        elif role == "tool":
            built.append(_build_tool_result(message, param))
        elif role == "assistant":
            said = _build_assistant(message, param, thinks)
            built += [said] if len(said) > 1 else []  # nothing but a role says nothing
        else:
            raise older_form(f"{param}.role")
    return built, documents


def _build_assistant(message: Message, param: str, thinks: bool) -> Message:
    if message.get("audio"):
        raise unsupported_value(
            f"{param}.audio", f"`{param}.audio` refers to an earlier answer, which is not stored."
        )
    if message.get("function_call"):
        raise older_form(f"{param}.function_call")
    translated: Message = {"role": "assistant"}
    text = _join_text(message.get("content")) or message.get("refusal") or ""
    thinking = message.get("reasoning_content") or message.get("reasoning")
    calls = message.get("tool_calls") or []
    if thinking and thinks:
        blocks = [{"type": "thinking", "thinking": thinking}]
        translated["content"] = blocks + ([{"type": "text", "text": text}] if text else [])
    elif text:
        translated["content"] = text
    if thinking and calls and not thinks:
        translated["tool_plan"] = thinking
    if calls:
        translated["tool_calls"] = [_build_call(call) for call in calls]
    if message.get("citations"):
        translated["citations"] = message["citations"]
    return translated


def _build_call(call: Message) -> Message:
    function = call["function"]
    return {
        "id": call["id"],
        "type": "function",
        "function": {"name": function["name"], "arguments": function["arguments"] or "{}"},
    }


def _build_tool_result(message: Message, param: str) -> Message:
    content = message["content"]
    if not isinstance(content, str):
        for position, part in enumerate(content):
            if part["type"] != "text":
                where = f"{param}.content[{position}].type"
                raise unsupported_value(where, f"`{where}` must be text in a tool's result.")
        content = [{"type": "text", "text": part["text"]} for part in content]
    return {"role": "tool", "tool_call_id": message["tool_call_id"], "content": content}


def _build_content(content: Any, param: str, documents: list[Message]) -> Any:
    """Return a user's content; its text files go to ``documents``, which the model can cite."""
    if isinstance(content, str):
        return content
    parts = []
    for position, part in enumerate(content):
        where = f"{param}.content[{position}]"
        if part["type"] == "text":
            parts.append({"type": "text", "text": part["text"]})
        elif part["type"] == "image_url":
            parts.append({"type": "image_url", "image_url": dict(part["image_url"])})
        elif part["type"] == "file":
            documents.append(_build_document(part["file"], f"{where}.file", len(documents)))
        else:
            raise unsupported_value(
                f"{where}.type", f"`{where}` is audio, which Cohere can't hear."
            )
    return parts or ""


def _build_document(file: Message, param: str, number: int) -> Message:
    data = file.get("file_data")
    if not isinstance(data, str):
        raise unsupported_value(
            param, f"`{param}` must have `file_data`: the gateway stores no files."
        )
    found = parse_data_uri(data, f"{param}.file_data")
    if not found.media_type.startswith("text/") and found.media_type != "application/json":
        raise unsupported_value(
            f"{param}.file_data",
            f"`{param}` must be text: Cohere reads no files of type "
            f"{found.media_type or 'unknown'}. Send what is written in it.",
        )
    name = file.get("filename")
    document: Message = {"text": found.content.decode("utf-8", "replace")}
    if isinstance(name, str) and name:
        document["title"] = name
    return {"id": f"doc:{number}", "data": document}


def _join_text(content: Any) -> str:
    """Return a string, or the texts of a list of parts, in order; ``""`` for None."""
    if content is None or isinstance(content, str):
        return content or ""
    texts = (part.get("text") or part.get("refusal") for part in content)
    return _BETWEEN_PARTS.join(text for text in texts if text)
