"""When an upstream wants to be asked again, read from its headers.

Knows ``Retry-After`` (RFC 9110 10.2.3: seconds or a date) and ``retry-after-ms``,
which OpenAI and Azure add. Must not know the time: the caller tells it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds to wait, 0 or more; None where the headers don't say.

    ``now`` is in Unix seconds. Where both headers are there the longer wait
    counts: Azure sends ``retry-after-ms: 0`` beside ``retry-after: 1`` (recorded).
    """
    sent = {name.lower(): value for name, value in headers.items()}
    waits = []
    if "retry-after" in sent:
        waits.append(_parse_seconds_or_date(sent["retry-after"], now))
    if "retry-after-ms" in sent:
        milliseconds = _parse_number(sent["retry-after-ms"])
        waits.append(None if milliseconds is None else milliseconds / 1000)
    return max((wait for wait in waits if wait is not None), default=None)


def _parse_seconds_or_date(value: str, now: float) -> float | None:
    seconds = _parse_number(value)
    if seconds is not None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _parse_number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None
