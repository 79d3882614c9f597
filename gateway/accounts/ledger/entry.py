"""One request in the books: reserved, and ended.

Knows the fields of a row and how they lie in a line of the journal. Must not know
files or tables.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

RESERVED = "r"
ENDED = "e"
WARNED = "w"

_OVERFLOW = 2**63

LOST_STATUS = 500
LOST_ERROR = "worker_died"
"""What is told of a request whose process died."""


class Opening(NamedTuple):
    """A request that was let in: the most it can use. ``created`` is in Unix milliseconds.

    ``cost`` is in nano-dollars, None where the price is not known.
    """

    number: int
    created: int
    request_id: str
    key_id: str
    owner: str
    model: str
    operation: str
    stream: int
    client_user: str
    prompt_tokens: int
    completion_tokens: int
    cost: int | None


class Row(NamedTuple):
    """A request that has ended, with the columns of ``usage_requests``."""

    created: int
    request_id: str
    key_id: str
    owner: str
    model: str
    provider: str
    upstream_model: str
    attempts: int
    status: int
    stream: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost: int | None
    cache: str
    ttft_ms: int | None
    duration_ms: int | None
    error: str
    operation: str
    client_user: str


def charge_lost(opening: Opening) -> Row:
    """Return the row of a request whose end nobody knows: it has used all that was reserved."""
    return Row(
        created=opening.created,
        request_id=opening.request_id,
        key_id=opening.key_id,
        owner=opening.owner,
        model=opening.model,
        provider="",
        upstream_model="",
        attempts=0,
        status=LOST_STATUS,
        stream=opening.stream,
        prompt_tokens=opening.prompt_tokens,
        completion_tokens=opening.completion_tokens,
        cached_tokens=0,
        reasoning_tokens=0,
        cost=opening.cost,
        cache="",
        ttft_ms=None,
        duration_ms=None,
        error=LOST_ERROR,
        operation=opening.operation,
        client_user=opening.client_user,
    )


def encode_line(kind: str, number: int, values: Sequence[Any]) -> bytes:
    """Return a line of the journal: JSON, in ASCII; no NUL, which PostgreSQL can't store."""
    try:
        line = orjson.dumps([kind, number, *values], option=orjson.OPT_APPEND_NEWLINE)
        if line.isascii() and b"\\u0000" not in line:
            return line
    except TypeError:  # half characters, or a number beyond 64 bits
        pass
    values = [_storable(value) if isinstance(value, str) else value for value in values]
    return json.dumps([kind, number, *values], separators=(",", ":")).encode("ascii") + b"\n"


def check_storable(values: Sequence[Any]) -> None:
    """Raise ValueError for a number that has no room in a table: all lines after it would wait."""
    for value in values:
        if type(value) is int and not -_OVERFLOW <= value < _OVERFLOW:
            raise ValueError(f"{value} is no number of 64 bits")


def _storable(text: str) -> str:
    """Return text without NUL and half characters, which a client may have sent."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
