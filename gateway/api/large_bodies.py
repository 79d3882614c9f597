"""How much of large request bodies one process holds at the same time.

A small body is held for a moment; a large one with its copy on the way to the upstream for as
long as that works on it, and fifty of them would take all memory. Those for which there is no
room wait before they are read, where they are nobody's memory but the client's.

Knows Flask's responses, by whose end a body is let go. Must not know how bodies are read.
"""

from __future__ import annotations

import threading
import time

from flask import Response, after_this_request, current_app

from gateway.errors import ServiceUnavailableError

LARGE_BYTES = 1024 * 1024
"""A body of this size is not counted."""

LARGEST_AT_ONCE = 8
"""How many of the largest bodies allowed there is room for."""

WAIT_SECONDS = 30.0
_RETRY_AFTER = 5.0
_EXTENSION = "gateway.large_bodies"


def hold_room(size: int, limit: int) -> None:
    """Wait until there is room for a body of ``size`` bytes; it is let go with the response.

    ``limit`` is the size of the largest body allowed. Raises ``ServiceUnavailableError``
    where there is none in time.
    """
    if size <= LARGE_BYTES:
        return
    room: Room = current_app.extensions.setdefault(_EXTENSION, Room())
    room.take(size, LARGEST_AT_ONCE * limit)

    @after_this_request
    def let_go(response: Response) -> Response:
        response.call_on_close(lambda: room.give_back(size))
        return response


class Room:
    """Counts the bytes that are ``held``. Its waiting is gevent's, where that is in use."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.held = 0

    def take(self, size: int, allowed: int, seconds: float = WAIT_SECONDS) -> None:
        """Take ``size`` of ``allowed`` bytes; waits, and raises, as ``hold_room`` does."""
        until = time.monotonic() + seconds
        with self._changed:
            while self.held and self.held + size > allowed:
                left = until - time.monotonic()
                if left <= 0:
                    raise ServiceUnavailableError(
                        "Too many large requests are under way. Try again shortly.",
                        code="too_many_large_requests",
                        retry_after=_RETRY_AFTER,
                    )
                self._changed.wait(left)
            self.held += size

    def give_back(self, size: int) -> None:
        """Let go of ``size`` bytes that were taken."""
        with self._changed:
            self.held -= size
            self._changed.notify_all()
