"""How durations are written in headers: as OpenAI writes them, which is as Go does.

Knows that notation only.
"""

from __future__ import annotations

import math
import re

_DURATION = re.compile(r"(?=\d)(?:\d{1,9}h)?(?:\d{1,9}m)?(?:\d{1,9}(?:\.\d{1,9})?m?s)?")


def format_duration(seconds: float) -> str:
    """Return seconds as OpenAI writes them: ``120ms``, ``2.004s``, ``6m0s``, ``1h0m57.015s``.

    Rounded up to milliseconds, so that who waits that long does not come too early.
    """
    milliseconds = math.ceil(round(seconds * 1000, 3))
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, milliseconds = divmod(milliseconds, 60_000)
    whole, part = divmod(milliseconds, 1000)
    rest = f"{whole}.{part:03d}".rstrip("0") if part else str(whole)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def is_duration(text: str) -> bool:
    """Tell whether ``text`` is a duration in this notation."""
    return _DURATION.fullmatch(text) is not None
