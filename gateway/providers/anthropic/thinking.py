"""Blocks of thinking that have to come back as they were, through clients of OpenAI's API.

Within a turn that calls tools Anthropic wants its thinking back verbatim, with signatures
(its documentation of thinking). A message carries the blocks as ``thinking_blocks``. Clients that
drop what OpenAI's API doesn't know keep the ids of tool calls, so that an id carries the blocks
before its call as well: ``<id>~<base64 of the deflated JSON>``. A signature holds for one model,
which stands beside it. Must not know requests.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.serialization import dumps, loads_lenient

Block = dict[str, Any]

THINKING = ("thinking", "redacted_thinking")

MAX_CARRIED = 16 * 1024
"""Longest id in characters; blocks that need more are in ``thinking_blocks`` alone."""

MAX_INFLATED = 4 * 1024 * 1024

_MARK = "~"
_WRONG_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]")


class CallId(NamedTuple):
    """A tool call's id as Anthropic takes it, and the blocks that an id carried."""

    id: str
    blocks: list[Block]


def build_call_id(call_id: str, blocks: Sequence[Block]) -> str:
    """Return an id for clients that carries signed ``blocks``, where they are short enough."""
    if not blocks:
        return call_id
    try:
        packed = zlib.compress(dumps(list(blocks)), 6)
    except (TypeError, UnicodeEncodeError):
        return call_id
    carried = f"{call_id}{_MARK}{base64.urlsafe_b64encode(packed).decode()}"
    return carried if len(carried) <= MAX_CARRIED else call_id


def parse_call_id(carried: str, model: str) -> CallId:
    """Take an id apart; ids of other providers are written with the characters allowed here.

    ``model`` is asked now: blocks of another one are left out.
    """
    call_id, mark, packed = carried.partition(_MARK)
    found = _unpack(packed) if mark else None
    if found is None:
        call_id, found = carried, []
    blocks = read_thinking_blocks(found, model)
    if _WRONG_CHARACTERS.search(call_id):
        digest = hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:8]
        call_id = f"{_WRONG_CHARACTERS.sub('_', call_id)}_{digest}"
    return CallId(call_id, blocks)


def sign_blocks(blocks: Sequence[Block], model: str) -> list[Block]:
    """Return those of an answer's blocks that are signed thinking, with the model's name."""
    return [{**block, "model": model} for block in blocks if _is_signed(block)]


def read_thinking_blocks(blocks: Any, model: str) -> list[Block]:
    """Return those of ``blocks`` that ``model`` signed, as it sent them: others it refuses.

    Blocks that don't say whose they are count as its own.
    """
    if not isinstance(blocks, list):
        return []
    return [
        {name: value for name, value in block.items() if name != "model"}
        for block in blocks
        if _is_signed(block) and block.get("model", model) == model
    ]


def _unpack(packed: str) -> list[Block] | None:
    try:
        inflater = zlib.decompressobj()
        data = inflater.decompress(base64.urlsafe_b64decode(packed), MAX_INFLATED)
        parsed = loads_lenient(data) if inflater.eof else None
    except (ValueError, zlib.error):
        return None
    if not isinstance(parsed, list) or not all(map(_is_signed, parsed)):
        return None
    return parsed


def _is_signed(block: Any) -> bool:
    if not isinstance(block, dict):
        return False
    if block.get("type") == "redacted_thinking":
        return isinstance(block.get("data"), str)
    signature = block.get("signature")
    return (
        block.get("type") == "thinking"
        and isinstance(block.get("thinking"), str)
        and isinstance(signature, str)
        and bool(signature)
    )
