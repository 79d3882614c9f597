"""The end of this process's work: what is new is refused, what is still open is ended in time.

Knows signals and watches. Must not know HTTP, nor why the process ends.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

from gateway.errors import RestartingError
from gateway.transport.watch import interrupt_all, is_gevent_patched

LAST_SECONDS = 2.0
"""What is left of the grace period, in seconds, when requests are ended that did not end."""

_restarting = threading.Event()


def begin_restart() -> None:
    """Refuse new requests from now on: ``is_restarting`` tells so."""
    _restarting.set()


def is_restarting() -> bool:
    """Tell whether this process is about to end."""
    return _restarting.is_set()


def end_requests() -> None:
    """Make every request under way fail with ``RestartingError``."""
    interrupt_all(RestartingError)


def patience(grace: float) -> float:
    """Return after how many seconds of a grace period of ``grace`` requests have to be ended."""
    return grace - min(LAST_SECONDS, grace / 2)


def restart_on_sigterm(grace: float) -> None:
    """Do all this on SIGTERM, in ``grace`` seconds, under a WSGI server with plain threads.

    Call it from the main thread. It comes before the server's own handler; where there
    is none, SIGTERM ends the process at once as before. Under gevent it does nothing,
    for there the worker itself sees to it.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if is_gevent_patched() or not callable(handler):
        return

    def handle(number: int, frame: FrameType | None) -> None:
        begin_restart()
        timer = threading.Timer(patience(grace), end_requests)
        timer.daemon = True
        timer.start()
        handler(number, frame)

    signal.signal(signal.SIGTERM, handle)
