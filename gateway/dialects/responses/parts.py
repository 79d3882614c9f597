"""Parts of an item's content as parts of a canonical message.

Knows texts, images, files and audio, and which of them a chat can't carry. Must not know
the items around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.validation.fields import (
    check_string,
    listed,
    require_name,
    require_object,
    require_string,
    wrong_type,
    wrong_value,
)

Part = dict[str, Any]

_KEPT = ("prompt_cache_breakpoint",)


def read_content(content: Any, role: str, path: str, native_only: list[str]) -> list[Part]:
    """Return the parts of a message's content; raises ``InvalidRequestError``.

    The paths of what a chat can't say are added to ``native_only``.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content or role != "assistant" else []
    if not isinstance(content, list):
        raise wrong_type(path, "a string or an array of content parts", content)
    readers = _SAID if role == "assistant" else _GIVEN
    parts = []
    for position, part in enumerate(content):
        where = f"{path}[{position}]"
        if not isinstance(part, dict):
            raise wrong_type(where, "an object", part)
        kind = require_name(part, "type", f"{where}.type")
        if kind not in readers:
            raise wrong_value(
                f"{where}.type",
                f"`{where}.type` must be one of {listed(tuple(readers))} here.",
            )
        read = readers[kind](part, where)
        if read is None:
            native_only.append(where)
        else:
            parts.append(read | {name: part[name] for name in _KEPT if name in part})
    return parts


def read_output(
    call_id: str, output: Any, path: str, native_only: list[str]
) -> list[dict[str, Any]]:
    """Return a call's result as a message, and another one for what only a user can show."""
    if isinstance(output, str):
        return [{"role": "tool", "tool_call_id": call_id, "content": output}]
    parts = read_content(output, "user", path, native_only)
    texts = [part["text"] for part in parts if part["type"] == "text"]
    shown = [part for part in parts if part["type"] != "text"]
    result = {"role": "tool", "tool_call_id": call_id, "content": "\n".join(texts)}
    if not shown:
        return [result]
    label: Part = {"type": "text", "text": f"Result of the tool call {call_id}:"}
    return [result, {"role": "user", "content": [label, *shown]}]


def _read_text(part: Mapping[str, Any], path: str) -> Part:
    return {"type": "text", "text": require_string(part, "text", f"{path}.text")}


def _read_refusal(part: Mapping[str, Any], path: str) -> Part:
    return {"type": "refusal", "refusal": require_string(part, "refusal", f"{path}.refusal")}


def _read_image(part: Mapping[str, Any], path: str) -> Part | None:
    if part.get("image_url") is None and part.get("file_id") is not None:
        return None
    image = {"url": require_name(part, "image_url", f"{path}.image_url")}
    check_string(part, "detail", f"{path}.detail")
    if part.get("detail") is not None:
        image["detail"] = part["detail"]
    return {"type": "image_url", "image_url": image}


def _read_file(part: Mapping[str, Any], path: str) -> Part | None:
    if part.get("file_url") is not None:
        return None
    names = ("file_data", "file_id", "filename")
    for name in names:
        check_string(part, name, f"{path}.{name}")
    file = {name: part[name] for name in names if part.get(name) is not None}
    if not file.keys() & {"file_data", "file_id"}:
        require_name(part, "file_data", f"{path}.file_data")
    return {"type": "file", "file": file}


def _read_audio(part: Mapping[str, Any], path: str) -> Part:
    audio = require_object(part, "input_audio", f"{path}.input_audio")
    return {"type": "input_audio", "input_audio": audio}


_Reader = Callable[[Mapping[str, Any], str], Part | None]
_GIVEN: dict[str, _Reader] = {
    "input_text": _read_text,
    "input_image": _read_image,
    "input_file": _read_file,
    "input_audio": _read_audio,
    "output_text": _read_text,
    "text": _read_text,
}
_SAID: dict[str, _Reader] = {
    "output_text": _read_text,
    "refusal": _read_refusal,
    "input_text": _read_text,
    "text": _read_text,
}
