"""JSON in and out, with one rule for each direction.

Knows JSON only. What clients send is read strictly (no NaN, no lone surrogates,
bounded nesting: orjson's rules); what upstreams send is read as forgivingly as
possible, for a strange character in an answer must not lose the answer. What we
write to clients is ASCII, for some of them split lines at U+2028 or U+0085.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

JSONDecodeError = orjson.JSONDecodeError

_LARGE = 2**63
_MAX_LOOKED_AT = 100_000


def loads_strict(data: bytes) -> Any:
    """Parse a client's JSON; raises ``JSONDecodeError`` (a ``ValueError``).

    Integers of any size stay what they are.
    """
    value = orjson.loads(data)
    if _holds_large_number(value):
        # orjson reads integers beyond 64 bits as floats.
        return json.loads(data)
    return value


def loads_lenient(data: bytes | str) -> Any:
    """Parse an upstream's JSON, forgiving invalid UTF-8, lone surrogates and a byte order mark.

    Control characters inside a string are forgiven as well.

    Raises ``ValueError`` for what is not JSON, or nested too deeply to read.
    """
    try:
        return orjson.loads(data)
    except JSONDecodeError:
        text = data if isinstance(data, str) else data.decode("utf-8-sig", "replace")
        try:
            return json.loads(text, parse_constant=_without_constant, strict=False)
        except RecursionError as error:
            raise ValueError("JSON nested too deeply") from error


def dumps(value: Any) -> bytes:
    """Serialise to compact UTF-8 JSON, as sent to upstreams.

    Raises ``TypeError`` for what is nested too deeply, and ``UnicodeEncodeError`` for
    lone surrogates, neither of which ``loads_strict`` produces.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        if not _holds_large_number(value):
            raise
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def dumps_ascii(value: Any) -> bytes:
    """Serialise to compact ASCII JSON on one line, as sent to clients."""
    try:
        data = orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":"), default=str).encode("ascii")
    if data.isascii():
        return data
    return json.dumps(orjson.loads(data), separators=(",", ":")).encode("ascii")


def _without_constant(name: str) -> None:
    """Read NaN and the infinities, which JSON doesn't have, as null."""


def _holds_large_number(value: Any) -> bool:
    """Tell whether a number that doesn't fit 64 bits is in ``value``, as far as is looked at."""
    stack = [value]
    looked_at = 0
    while stack and looked_at < _MAX_LOOKED_AT:
        item = stack.pop()
        looked_at += 1
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif type(item) in (int, float) and abs(item) >= _LARGE:
            return True
    return False
