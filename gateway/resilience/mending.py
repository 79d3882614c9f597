"""Putting shared values right that the store's absence has left wrong.

Knows when to try again. Must not know what is put right.

What a process holds (a slot, a probe) it gives back by a change of shared state.
While the store is away that fails, or nobody can tell whether it was done, and
no other process may take from one that is alive.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from gateway.state import StateUnavailableError

EVERY = 0.5
"""Seconds between two tries."""

LASTS = 60.0
"""How long after the last trouble it goes on: a late command may still reach the store, and
with a fallback for each machine the store that matters may be back only then."""


class Mending:
    """Calls ``mend(name)`` again and again after trouble with ``name``, until that is long over.

    ``mend`` raises StateUnavailableError while the store is away. A thread (under
    gevent: a greenlet) exists only while there is something to mend.
    """

    def __init__(self, mend: Callable[[str], None]) -> None:
        self._mend = mend
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()
        self._process = 0

    def note(self, name: str) -> None:
        """Take down that there was trouble with ``name`` just now."""
        with self._lock:
            is_running = bool(self._until) and self._process == os.getpid()
            if not is_running:
                self._until.clear()  # a parent's, before the fork
                self._process = os.getpid()
            self._until[name] = time.monotonic() + LASTS
        if not is_running:
            threading.Thread(target=self._run, name="mending", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(EVERY)
            for name in list(self._until):
                self._try(name)
            with self._lock:
                now = time.monotonic()
                for name in [name for name, until in self._until.items() if until <= now]:
                    del self._until[name]
                if not self._until:
                    return

    def _try(self, name: str) -> None:
        try:
            self._mend(name)
        except StateUnavailableError:
            self._until[name] = time.monotonic() + LASTS
