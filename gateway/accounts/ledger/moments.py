"""Moments and durations as people write them.

``7d`` is a duration, or the moment so long ago; other moments are ``2026-11-25``,
``2026-11-25T12:00:00Z`` and Unix seconds.

Knows text only.
"""

from __future__ import annotations

import datetime
import re

_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
EXPECTED = "7d, 24h, 2026-11-25, 2026-11-25T12:00:00Z or seconds since 1970"


def parse_duration(text: str) -> int | None:
    """Return the seconds of a duration such as ``7d`` or ``12h``, None for any other text."""
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _SECONDS[match[2]] if match else None


def parse_moment(text: str, now: float) -> float:
    """Return a moment in Unix seconds; ``7d`` is so long before ``now``. Raises ValueError.

    A date without a time is its beginning, and without an offset it is in UTC.
    """
    duration = parse_duration(text)
    if duration is not None:
        return now - duration
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        return float(text)
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no moment; write e.g. {EXPECTED}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()
