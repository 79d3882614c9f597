"""Requests for the books of tests."""

from __future__ import annotations

import itertools
import time
from typing import Any

from gateway.accounts.ledger.entry import Opening, Row
from gateway.accounts.ledger.ledger import Ledger
from gateway.accounts.ledger.usage import Scope, iter_usage

_numbers = itertools.count(1)


def build_row(**fields: Any) -> Row:
    """Return a whole answer of now, but for ``fields``."""
    usual: dict[str, Any] = {
        "created": int(time.time() * 1000),
        "request_id": f"req_{next(_numbers)}",
        "key_id": "key_a",
        "owner": "",
        "model": "fast",
        "provider": "cloud",
        "upstream_model": "gpt-4o-mini",
        "attempts": 1,
        "status": 200,
        "stream": 0,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "cost": 4500,
        "cache": "bypass",
        "ttft_ms": 20,
        "duration_ms": 100,
        "error": "",
        "operation": "chat",
        "client_user": "",
    }
    return Row(**{**usual, **fields})


def build_opening(number: int, **fields: Any) -> Opening:
    """Return the opening of a request of now, but for ``fields``."""
    usual: dict[str, Any] = {
        "created": int(time.time() * 1000),
        "request_id": f"open_{number}",
        "key_id": "key_a",
        "owner": "",
        "model": "fast",
        "operation": "chat",
        "stream": 1,
        "client_user": "",
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "cost": 45_000,
    }
    return Opening(number, **{**usual, **fields})


def total(ledger: Ledger, name: str, scope: Scope | None = None) -> int:
    """Return the sum of ``name`` over all that is in the database."""
    return sum(
        entry[name]
        for entry in ledger.database.read(
            lambda connection: list(iter_usage(connection, scope or Scope(), ["status"]))
        )
    )
