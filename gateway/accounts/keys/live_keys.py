"""Who shows a stored key, as it is now: what others change is in force here within a second.

Knows when to look for changes, and what to note of a key's use. Must not know HTTP, nor
how a request is ended.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable

from gateway.accounts.keys.key_format import is_key
from gateway.accounts.keys.key_store import KeyStore
from gateway.accounts.keys.keys import Principal, hash_key
from gateway.accounts.keys.known_keys import KnownKeys
from gateway.accounts.keys.records import format_moment
from gateway.accounts.keys.versions import Announcements
from gateway.accounts.store.database import StoreUnavailableError
from gateway.errors import AuthenticationError, GatewayError

LISTEN_SECONDS = 0.2
"""How often a process looks for an announcement; that costs microseconds."""

ASK_SECONDS = 0.7
"""How often it asks the database: for what was not announced, or not to this machine."""

USED_SECONDS = 5.0
"""How often it writes down when keys were last used."""

EndRequests = Callable[[str, Callable[[], GatewayError]], None]
"""Ends what is under way in this process with the key of that id, each with such an error."""

logger = logging.getLogger("gateway.keys")


class LiveKeys:
    """The stored keys, for one process; safe for threads and greenlets."""

    def __init__(
        self,
        known: KnownKeys,
        store: KeyStore,
        announcements: Announcements,
        end_requests: EndRequests,
    ) -> None:
        self._known = known
        self._store = store
        self._announcements = announcements
        self._end_requests = end_requests
        self._process = 0
        self._ended: set[str] = set()
        self._used: dict[str, float] = {}
        self._asked_at = self._wrote_at = time.monotonic()

    def authenticate(self, token: str) -> Principal | None:
        """Return whose stored key ``token`` is, or None.

        Raises ``AuthenticationError`` for a key that is not good any more, which says
        why, and ``StoreUnavailableError`` where only the database could tell.
        """
        digest = hash_key(token)
        found = self._known.recall(digest)
        if found is None and is_key(token):
            found = self._known.look_up(digest)
        if found is None:
            return None
        if found.refusal is not None:
            raise AuthenticationError(f"This API key {found.refusal}.")
        now = time.time()
        if found.expires_at is not None and found.expires_at <= now:
            raise AuthenticationError(f"This API key expired at {format_moment(found.expires_at)}.")
        self._used[found.principal.key_id] = now
        return found.principal

    def raise_if_ended(self, key_id: str) -> None:
        """Raise ``AuthenticationError`` if the requests of that key have been ended.

        To be called once a request can be: it may have begun before that, unnoticed.
        """
        if key_id in self._ended:
            raise _build_ended_error()

    def follow(self) -> None:
        """Look for changes from now on; to be called by every request, as a process may fork."""
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        threading.Thread(target=_follow, args=(weakref.ref(self),), daemon=True).start()

    def look(self) -> None:
        """Put in force what others have changed, and write down what was used."""
        now = time.monotonic()
        is_time_to_ask = now - self._asked_at >= ASK_SECONDS
        if is_time_to_ask or self._known.is_behind(self._announcements.hear()):
            self._asked_at = now
            self._catch_up()
        if self._used and now - self._wrote_at >= USED_SECONDS:
            self._wrote_at = now
            self._write_used()

    def _catch_up(self) -> None:
        try:
            cut = self._known.catch_up()
        except StoreUnavailableError:  # the database says so itself
            return
        self._ended.update(cut)
        for key_id in cut:
            self._end_requests(key_id, _build_ended_error)

    def _write_used(self) -> None:
        used, self._used = self._used, {}
        try:
            self._store.note_used(used)
        except StoreUnavailableError:
            self._used = {**used, **self._used}


def _build_ended_error() -> AuthenticationError:
    return AuthenticationError("This API key was revoked, and its requests were ended.")


def _follow(live_keys: weakref.ref[LiveKeys]) -> None:
    """Look again and again, for as long as there is somebody to look for."""
    while True:
        time.sleep(LISTEN_SECONDS)
        live = live_keys()
        if live is None:
            return
        try:
            live.look()
        except Exception:
            logger.exception("looking for changed keys failed")
        del live
