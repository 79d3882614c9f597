"""When two requests are the same, and whether the same answer will do for both.

Knows which fields of OpenAI's requests have no influence on an answer. Must not
know where answers are kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

import orjson

Operation = Literal["chat", "embeddings"]

_WITHOUT_INFLUENCE = {
    "model",  # the resolved name stands for it
    "stream",
    "stream_options",
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
}
_FORMAT = 1
# A float that may be a whole number, or text that looks like one.
_MAYBE_WHOLE = re.compile(rb"[0-9](?:\.0|e)")


def build_key(tenant: str, operation: str, model: str, request: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hexadecimal, of everything that an answer depends on.

    ``tenant`` is who asks, ``operation`` what for (or in which dialect), ``model`` the
    resolved public name, ``request`` the parsed body. Left out are fields without
    influence, ``null`` members of the request and of its messages (deeper ones may mean
    something, in a JSON schema for one); the order of members and the spelling of
    numbers (1, 1.0) don't count.

    Raises ``RecursionError`` for a request nested too deeply to be written.
    """
    asked = {
        name: value
        for name, value in request.items()
        if value is not None
        and name not in _WITHOUT_INFLUENCE
        and not name.startswith("prompt_cache_")
    }
    if isinstance(asked.get("messages"), list):
        asked["messages"] = [_without_nulls(message) for message in asked["messages"]]
    origin = orjson.dumps([_FORMAT, tenant, operation, model])
    return hashlib.sha256(origin + b"\n" + _canonical_json(asked)).hexdigest()


def is_deterministic(operation: Operation, request: Mapping[str, Any]) -> bool:
    """Tell whether asking again should give the same answer."""
    if operation == "embeddings" or request.get("seed") is not None:
        return True
    temperature = request.get("temperature")
    return type(temperature) in (int, float) and temperature == 0


def _without_nulls(message: Any) -> Any:
    if isinstance(message, dict) and None in message.values():
        return {name: value for name, value in message.items() if value is not None}
    return message


def _canonical_json(value: Any) -> bytes:
    try:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        if not _MAYBE_WHOLE.search(data):
            return data
        value = _with_whole_numbers(value)
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # numbers beyond 64 bits, or deep nesting
        value = _with_whole_numbers(value)
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _with_whole_numbers(value: Any) -> Any:
    """Return ``value`` with each float that is a whole number as an integer."""
    if isinstance(value, dict):
        return {name: _with_whole_numbers(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(member) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
