"""What an upstream says of its own limits, told to clients under one set of names.

Knows OpenAI's headers, and how differently others write numbers and times. Must not know
which provider has which headers: each hands in its own names. Nothing else of what an
upstream sends in headers goes to clients, and no text of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from gateway.durations import format_duration, is_duration
from gateway.providers.retry_after import parse_retry_after

PREFIX = "x-gateway-upstream-"
_RETRY_AFTER = PREFIX + "retry-after"
_WAITS = frozenset({"retry-after", "retry-after-ms"})

_SHORT = 16
_LONGEST = 40
"""Characters of a number or time that is read."""

_FIRST_MOMENT = 1e9
"""More seconds than these are a moment in Unix time, not a wait."""

_FIRST_MILLISECOND = 1e11
"""And more than these are in milliseconds."""

_MAX_COUNT = 2.0**53

Names = Mapping[str, tuple[str, str, str]]
"""An upstream's headers of its limit, what remains of it and when it resets, by what is counted.

"" for one that it doesn't have.
"""


def ratelimit_names(counted: Mapping[str, str]) -> Names:
    """Return the names of ``x-ratelimit-*`` headers, by what is counted.

    ``counted`` are their last words, such as ``requests``; "" where they have none.
    """
    return {
        what: (
            f"x-ratelimit-limit{last and '-'}{last}",
            f"x-ratelimit-remaining{last and '-'}{last}",
            f"x-ratelimit-reset{last and '-'}{last}",
        )
        for what, last in counted.items()
    }


OPENAI_COUNTED = {"requests": "requests", "tokens": "tokens"}


_Reader = Callable[[str, float], str | None]


class RateLimits:
    """Reads the limits that one kind of upstream tells of, by ``names``."""

    def __init__(self, names: Names) -> None:
        self._readers: list[tuple[str, str, _Reader]] = []
        for what, theirs in names.items():
            for name, (kind, read) in zip(theirs, _READERS, strict=True):
                if name:
                    self._readers.append((name, f"{PREFIX}ratelimit-{kind}-{what}", read))
        self._names = frozenset([name for name, _, _ in self._readers] + [*_WAITS])

    def read(self, headers: Mapping[str, str], now: float) -> dict[str, str]:
        """Return what an answer's ``headers`` (names in lower case) tell, as clients' headers.

        Counts are whole numbers, resets durations as OpenAI writes them, a wait whole seconds.
        What can't be read is left out. ``now`` is in Unix seconds.
        """
        told: dict[str, str] = {}
        if self._names.isdisjoint(headers):
            return told
        for theirs, ours, read in self._readers:
            if theirs in headers:
                value = read(headers[theirs], now)
                if value is not None:
                    told[ours] = value
        if not _WAITS.isdisjoint(headers):
            wait = parse_retry_after(headers, now)
            if wait is not None and wait < _FIRST_MOMENT:
                told[_RETRY_AFTER] = str(math.ceil(wait))
        return told


def _read_count(value: str, now: float) -> str | None:
    """Return a count; Hugging Face's are fractions (recorded), Azure's -1 is none (documented)."""
    if len(value) < _SHORT and value.isascii() and value.isdigit():
        return value
    number = _read_number(value)
    return None if number is None or number >= _MAX_COUNT else str(int(number))


def _read_reset(value: str, now: float) -> str | None:
    """Return a duration, also of seconds, of a moment in Unix time or by RFC 3339."""
    if value.endswith(("s", "m", "h")):
        return value if is_duration(value) else None
    moment = _read_moment(value) if "T" in value else _read_number(value)
    if moment is None:
        return None
    if moment >= _FIRST_MILLISECOND:
        moment /= 1000
    seconds = moment - now if moment >= _FIRST_MOMENT else moment
    return format_duration(max(0.0, seconds)) if seconds < _FIRST_MOMENT else None


def _read_number(value: str) -> float | None:
    """Return a number that is 0 or more."""
    if len(value) > _LONGEST:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


@lru_cache(maxsize=64)
def _read_moment(value: str) -> float | None:
    """Return a moment by RFC 3339 in Unix seconds; what has no zone is in UTC.

    One answer tells the same moment several times, and those of a second do.
    """
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


_READERS: tuple[tuple[str, _Reader], ...] = (
    ("limit", _read_count),
    ("remaining", _read_count),
    ("reset", _read_reset),
)

OPENAI_LIMITS = RateLimits(ratelimit_names(OPENAI_COUNTED))
