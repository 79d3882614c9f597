"""Rates such as ``50000/minute; 1000000 per 1 day``, as amounts and windows.

Knows the grammar of the limits package, and must not import it: it is no part of
who may use how much.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_RATE = re.compile(
    r"\s*([0-9]+)\s*(?:/|per)\s*([0-9]+)?\s*(second|minute|hour|day|month|year)s?\s*", re.IGNORECASE
)
_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "month": 30 * 86400,
    "year": 365 * 86400,
}


class Rate(NamedTuple):
    """``amount`` in a window of ``seconds``, which people call ``window``."""

    amount: int
    seconds: int
    window: str


@lru_cache(maxsize=4096)
def parse_rates(text: str | None) -> tuple[Rate, ...]:
    """Return each rate of a text that was checked, the shortest window first; () for None."""
    rates: dict[Rate, None] = {}
    for part in re.split("[,;|]", text or ""):
        match = _RATE.fullmatch(part)
        if match:
            count, unit = int(match[2] or 1), match[3].lower()
            window = unit if count == 1 else f"{count} {unit}s"
            rates[Rate(int(match[1]), count * _SECONDS[unit], window)] = None
    return tuple(sorted(rates, key=lambda rate: rate.seconds))
