"""A list of embeddings, made what OpenAI's clients read whoever sends it.

Knows both encodings of OpenAI's (numbers, and float32 in base64), and Perplexity's:
one signed byte a number, in base64 (recorded by others; asked for or not).
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.embeddings import is_vector
from gateway.providers.openai.usage import complete_usage

_LIST = "list"
_ITEM = "embedding"


def normalise_embeddings(
    answer: dict[str, Any], model: str, *, as_base64: bool, are_bytes: bool
) -> bool:
    """Put a list of embeddings right in place; tells whether anything had to change.

    ``answer["data"]`` is a list of objects. ``as_base64``: the client can read base64
    besides numbers. ``are_bytes``: text holds signed bytes. Raises ``UpstreamError``
    for an item that is no embedding.
    """
    is_changed = False
    items = answer["data"]
    for position, item in enumerate(items):
        is_changed |= _complete(item, {"object": _ITEM})
        if type(item.get("index")) is not int:
            item["index"] = position
            is_changed = True
        if isinstance(item.get("embedding"), str) and (are_bytes or not as_base64):
            item["embedding"] = _decode(item["embedding"], are_bytes, as_base64)
            is_changed = True
        elif not isinstance(item.get("embedding"), list | str):
            raise UpstreamError("The provider's answer has an item without an embedding.")
        if isinstance(item["embedding"], list) and not is_vector(item["embedding"]):
            raise UpstreamError("The provider's answer has an embedding not made of numbers.")
    ordered = sorted(items, key=lambda item: int(item["index"]))
    if ordered != items:
        answer["data"] = ordered
        is_changed = True
    told = answer.get("model")
    wanted = {"object": _LIST, "model": told if isinstance(told, str) and told else model}
    return _complete(answer, {**wanted, "usage": _read_usage(answer.get("usage"))}) or is_changed


def _complete(fields: dict[str, Any], wanted: Mapping[str, Any]) -> bool:
    missing = {name: value for name, value in wanted.items() if fields.get(name) != value}
    fields.update(missing)
    return bool(missing)


def _read_usage(told: Any) -> Any:
    if isinstance(told, dict) and all(
        type(told.get(name)) is int for name in ("prompt_tokens", "total_tokens")
    ):
        return told
    usage = complete_usage(told) or {"prompt_tokens": 0, "total_tokens": 0}
    return {name: usage[name] for name in ("prompt_tokens", "total_tokens")}


def _decode(text: str, are_bytes: bool, as_base64: bool) -> list[float] | str:
    try:
        packed = base64.b64decode(text, validate=True)
        count = len(packed) if are_bytes else len(packed) // 4
        numbers = struct.unpack(f"{count}b" if are_bytes else f"<{count}f", packed)
    except (binascii.Error, ValueError, struct.error):
        raise UpstreamError("The provider's answer has an embedding that is no base64.") from None
    if as_base64:
        return base64.b64encode(struct.pack(f"<{count}f", *numbers)).decode("ascii")
    return [float(number) for number in numbers]
