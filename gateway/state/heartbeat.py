"""This process's heartbeat in Redis, and what it tells about Redis' clock.

Knows threads that nothing in the process holds up. Must not know who listens.

A greenlet would not do: one that computes for seconds holds all others up, and
the process would be taken for dead.
"""

from __future__ import annotations

import _thread
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

from gateway.state.base import StateUnavailableError
from gateway.state.owner import load_owner
from gateway.state.policy import Outage
from gateway.state.redis_client import RedisClient

LIFETIME = 1.5
"""Seconds after its last beat for which a process counts as alive."""

INTERVAL = 0.4
"""Seconds from beat to beat, and those that one may take."""

_GAP = 0.75
"""Seconds without an answered beat after which those of others may have been lost as well."""

_GRACE = 1.0
"""Seconds after a gap in which every process that lives has beaten again."""

_OFFSET_KEPT = 60.0
_STEP = 0.5
"""Seconds by which a clock that nobody sets does not differ from what is known of it."""

_PREFIX = "gateway:owner:"
_BEAT = "redis.call('SET', KEYS[1], '', 'PX', ARGV[1]) return redis.call('TIME')"

_WAS_STOPPED = (
    "process %d was stopped for %.1f s: other machines have taken it for dead, and may have given "
    "to others what it held"
)
_log = logging.getLogger("gateway.state")


class Heartbeat:
    """Keeps this process's key in Redis alive once ``start`` was called, also after a fork."""

    def __init__(self, url: str, outage: Outage, *, time_limit: float) -> None:
        self._url = url
        self._outage = outage
        self._time_limit = time_limit
        self._starting = threading.Lock()
        self._process = 0
        self._started = 0
        self._beaten_at = 0.0
        self._trusted_from = 0.0
        self._offset = time.time() - time.monotonic()
        self._round_trip = float("inf")
        self._measured_at = 0.0
        self._stopped_for = 0.0

    def start(self) -> bool:
        """Beat once, and from now on every 0.4 s, unless this process does already.

        Nobody waits for the first beat while Redis is known to be away. Returns False if it
        was waited for in vain.
        """
        if self._process == os.getpid():
            return True
        with self._starting:
            if self._process == os.getpid():
                return True
            self._beaten_at, self._trusted_from = time.monotonic(), 0.0
            was_away = self._outage.is_down
            has_beaten = not was_away and self._beat_first()
            if not has_beaten:
                self._beaten_at = float("-inf")
            self._process = os.getpid()
            self._started += 1
            _start_native_thread(self._beat_on, self._process, self._started)
        return has_beaten or was_away

    def stop(self) -> None:
        """Beat no more, until the next start."""
        self._process = 0

    def now(self) -> float:
        """Return the seconds of Redis' clock; of this machine's while Redis was never reached."""
        self.start()
        if self._stopped_for:
            self._tell_stopped()
        return time.monotonic() + self._offset

    def is_trusted(self, told: Sequence[int | bytes], began: float) -> bool:
        """Whether a missing beat, looked for since ``began``, tells that its process is dead.

        While this process's own beats don't come through, nobody's may; and where Redis'
        clock, which ``told`` a time, was set forward, all beats are over until the next.
        """
        now = time.monotonic()
        self._measure(told, began, now)
        return now - self._beaten_at < _GAP and now >= self._trusted_from

    def _tell_stopped(self) -> None:
        """Log it, in a thread that others know of: who logs may have to wait for them."""
        stopped_for, self._stopped_for = self._stopped_for, 0.0
        _log.warning(_WAS_STOPPED, os.getpid(), stopped_for)

    def _beat_first(self) -> bool:
        client = RedisClient(self._url, time_limit=self._time_limit)
        has_beaten = self._beat(client)
        client.close()
        if not has_beaten:
            self._outage.note_failure("The gateway's shared state can't be reached (no heartbeat)")
        return has_beaten

    def _beat_on(self, process: int, started: int) -> None:
        client = RedisClient(self._url, time_limit=INTERVAL)
        while self._process == process and self._started == started:
            slept_at = time.monotonic()
            time.sleep(INTERVAL)
            slept = time.monotonic() - slept_at
            self._beat(client)
            if slept > LIFETIME:
                self._stopped_for = slept
        client.close()

    def _beat(self, client: RedisClient) -> bool:
        begun = time.monotonic()
        try:
            told = client.run("EVAL", _BEAT, 1, beat_key(load_owner()), round(LIFETIME * 1000))
        except StateUnavailableError:
            return False
        ended = time.monotonic()
        if begun - self._beaten_at > _GAP:
            self._trusted_from = ended + _GRACE
        self._beaten_at = begun
        self._measure(told, begun, ended)
        return True

    def _measure(self, told: Sequence[int | bytes], begun: float, ended: float) -> None:
        """Take the clock from the quickest answer of a minute, the most exact; and at once if it
        was set: beats that are over by that say nothing."""
        seconds, microseconds = told
        offset = int(seconds) + int(microseconds) / 1e6 - (begun + ended) / 2
        was_set = abs(offset - self._offset) > _STEP + (ended - begun) and self._measured_at > 0
        if was_set:
            self._trusted_from = ended + _GRACE
        is_quicker = ended - begun < self._round_trip
        if was_set or is_quicker or ended - self._measured_at > _OFFSET_KEPT:
            self._offset = offset
            self._round_trip = ended - begun
            self._measured_at = ended


def beat_key(owner: str) -> str:
    """Return the key that is there while the process with the token ``owner`` beats."""
    return _PREFIX + owner


def _start_native_thread(target: Callable[..., None], *arguments: int) -> None:
    """Start a thread of the system, which ends with the process, also where gevent has patched."""
    monkey = sys.modules.get("gevent.monkey")
    start = _thread.start_new_thread
    if monkey is not None:
        start = monkey.get_original("_thread", "start_new_thread")
    start(target, arguments)
