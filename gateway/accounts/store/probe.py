"""Whether the database answers, for those who can't wait long to know.

Knows how to ask once for many. Must not know what follows from the answer.
"""

from __future__ import annotations

import threading
import time

from gateway.accounts.store.database import Database, StoreUnavailableError
from gateway.errors import ConfigurationError

_PATIENCE = 0.9
"""Seconds that are waited for the answer, so that there is one within a second."""

_ABANDONED_AFTER = 10.0
"""Seconds after which nobody hopes for an answer to a question any more."""


class Probe:
    """Asks ``database`` whether it can be read, one question at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._question: _Question | None = None

    def answers(self) -> bool:
        """Return whether the database can be read; within a second, also where it hangs."""
        with self._lock:
            question = self._question
            if question is None or not question.is_pending():
                question = self._question = _Question(self._database)
                question.start()
        question.join(_PATIENCE)
        return question.is_answered


class _Question(threading.Thread):
    """A greenlet under gevent. It may hang: without gevent, a driver waits as long as it likes."""

    def __init__(self, database: Database) -> None:
        super().__init__(daemon=True)
        self.is_answered = False
        self._database = database
        self._began = time.monotonic()

    def is_pending(self) -> bool:
        return self.is_alive() and time.monotonic() - self._began < _ABANDONED_AFTER

    def run(self) -> None:
        try:
            self._database.check()
        except (StoreUnavailableError, ConfigurationError):
            return
        self.is_answered = True
