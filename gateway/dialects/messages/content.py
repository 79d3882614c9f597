"""Anthropic's system prompt and messages as canonical ones.

Knows content blocks. Must not know what else a request has.

Results of tools stand in a user's message there and are messages of their own here, which
come first. What a tool result has beside text (images) follows in the user's message.
Thinking goes back as ``reasoning_content``, and with its signatures as ``thinking_blocks``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.dialects.tool_arguments import write_arguments
from gateway.validation.fields import wrong_type, wrong_value

_ATTRIBUTION = "x-anthropic-billing-header"
"""How the line begins that an agent puts first into the system prompt, for Anthropic alone."""

_THINKING = ("thinking", "redacted_thinking")
Block = dict[str, Any]
Part = dict[str, Any]


def build_system(system: Any) -> list[dict[str, Any]]:
    """Return the system message, none where there is no system prompt."""
    if system is None:
        return []
    texts = [
        block["text"]
        for block in _read_blocks(system, "system")
        if isinstance(block.get("text"), str) and not block["text"].startswith(_ATTRIBUTION)
    ]
    text = "\n\n".join(filter(None, texts))
    return [{"role": "system", "content": text}] if text else []


def build_messages(messages: list[Any]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return canonical messages, and where blocks stand that have no canonical form.

    Raises ``InvalidRequestError`` with ``param``.
    """
    built: list[dict[str, Any]] = []
    lost: list[str] = []
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        if not isinstance(message, dict):
            raise wrong_type(where, "an object", message)
        builder = _BUILDERS.get(str(message.get("role")))
        if builder is None:
            raise wrong_value(f"{where}.role", f"`{where}.role` must be 'user' or 'assistant'.")
        blocks = _read_blocks(message.get("content"), f"{where}.content")
        built += builder(blocks, f"{where}.content", lost)
    return built, tuple(lost)


def _build_user(blocks: list[Block], where: str, lost: list[str]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    parts: list[Part] = []
    for place, block in enumerate(blocks):
        here = f"{where}[{place}]"
        if block["type"] == "tool_result":
            result, more = _build_result(block, here, lost)
            results.append(result)
            parts += more
        else:
            parts += _build_parts(block, here, lost)
    return results + ([{"role": "user", "content": _simplified(parts)}] if parts else [])


def _build_assistant(blocks: list[Block], where: str, lost: list[str]) -> list[dict[str, Any]]:
    message: dict[str, Any] = {"role": "assistant"}
    parts: list[Part] = []
    calls = []
    thinking = [block for block in blocks if block["type"] in _THINKING]
    for place, block in enumerate(blocks):
        if block["type"] == "tool_use":
            calls.append(_build_call(block, f"{where}[{place}]"))
        elif block["type"] not in _THINKING:
            parts += _build_parts(block, f"{where}[{place}]", lost)
    message["content"] = _simplified(parts) if parts else ("" if not calls else None)
    if calls:
        message["tool_calls"] = calls
    if thinking:
        message["thinking_blocks"] = thinking
        text = "".join(str(block.get("thinking") or "") for block in thinking)
        if text:
            message["reasoning_content"] = text
    return [message]


def _build_later_system(blocks: list[Block], where: str, lost: list[str]) -> list[dict[str, Any]]:
    return build_system(blocks)


_BUILDERS: dict[str, Callable[[list[Block], str, list[str]], list[dict[str, Any]]]] = {
    "user": _build_user,
    "assistant": _build_assistant,
    "system": _build_later_system,
}


def _build_result(block: Block, where: str, lost: list[str]) -> tuple[dict[str, Any], list[Part]]:
    """Return a tool's result as a message, and the parts of it that such a message can't hold."""
    if not isinstance(block.get("tool_use_id"), str):
        raise wrong_type(f"{where}.tool_use_id", "a string", block.get("tool_use_id"))
    parts: list[Part] = []
    if block.get("content") is not None:
        for place, inner in enumerate(_read_blocks(block["content"], f"{where}.content")):
            parts += _build_parts(inner, f"{where}.content[{place}]", lost)
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    if block.get("is_error"):
        text = f"Error: {text}" if text else "Error"
    others = [part for part in parts if part["type"] != "text"]
    if others and not text:
        text = "The result follows."
    return {"role": "tool", "tool_call_id": block["tool_use_id"], "content": text}, others


def _build_parts(block: Block, where: str, lost: list[str]) -> list[Part]:
    kind = block["type"]
    if kind == "text":
        if not isinstance(block.get("text"), str):
            raise wrong_type(f"{where}.text", "a string", block.get("text"))
        return [{"type": "text", "text": block["text"]}] if block["text"] else []
    if kind == "document" and _source_kind(block) == "content":
        return _build_parts_of_all(block["source"].get("content"), f"{where}.source", lost)
    if kind in ("image", "document"):
        part = _build_media(block, where)
        if part is not None:
            return [part]
    if kind == "search_result":
        return _build_parts_of_all(block.get("content"), where, lost)
    lost.append(where)
    return []


def _build_parts_of_all(blocks: Any, where: str, lost: list[str]) -> list[Part]:
    return [
        part
        for place, block in enumerate(_read_blocks(blocks, f"{where}.content"))
        for part in _build_parts(block, f"{where}.content[{place}]", lost)
    ]


def _source_kind(block: Block) -> Any:
    source = block.get("source")
    return source.get("type") if isinstance(source, dict) else None


def _build_media(block: Block, where: str) -> Part | None:
    """Return an image or document as a part; None for one that Anthropic keeps."""
    source = block.get("source")
    if not isinstance(source, dict):
        raise wrong_type(f"{where}.source", "an object", source)
    kind = source.get("type")
    if kind == "text" and isinstance(source.get("data"), str):
        return {"type": "text", "text": source["data"]}
    if kind == "base64" and isinstance(source.get("data"), str):
        url = f"data:{source.get('media_type')};base64,{source['data']}"
    elif kind == "url" and isinstance(source.get("url"), str):
        url = source["url"]
    elif kind == "file":
        return None
    else:
        raise wrong_value(
            f"{where}.source", f"`{where}.source` must be of type base64, url, text or file."
        )
    if block["type"] == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    name = block.get("title") if isinstance(block.get("title"), str) else "document.pdf"
    return {"type": "file", "file": {"filename": name, "file_data": url}}


def _build_call(block: Block, where: str) -> dict[str, Any]:
    for name in ("id", "name"):
        if not isinstance(block.get(name), str) or not block[name]:
            raise wrong_type(f"{where}.{name}", "a string", block.get(name))
    arguments = write_arguments(block.get("input"), f"{where}.input")
    function = {"name": block["name"], "arguments": arguments}
    return {"id": block["id"], "type": "function", "function": function}


def _read_blocks(content: Any, where: str) -> list[Block]:
    """Return content as blocks, each of which has a type; a string is one of text."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise wrong_type(where, "a string or an array of content blocks", content)
    for place, block in enumerate(content):
        if not isinstance(block, dict):
            raise wrong_type(f"{where}[{place}]", "an object", block)
        if not isinstance(block.get("type"), str):
            raise wrong_type(f"{where}[{place}].type", "a string", block.get("type"))
    return content


def _simplified(parts: list[Part]) -> str | list[Part]:
    """Return one text as a string, which every provider takes."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        text: str = parts[0]["text"]
        return text
    return parts
