"""What an upstream said went wrong, as a client may be shown it.

Knows how long such a text may be, and what has no place in it. Must not know any provider.
"""

from __future__ import annotations

MAX_MESSAGE_LENGTH = 2000
"""Longest message passed on, in characters; what is longer ends with an ellipsis."""

_TRACEBACK = "Traceback (most recent"


def shorten(message: str) -> str:
    """Return a message without a traceback, without space around it, and not too long."""
    message = message.partition(_TRACEBACK)[0].strip()
    if len(message) <= MAX_MESSAGE_LENGTH:
        return message
    return message[: MAX_MESSAGE_LENGTH - 1] + "…"
