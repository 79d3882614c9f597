"""How a target has been doing, and what follows from it: one value, and its transitions.

Knows when a breaker opens, half-opens and closes, and how the retry budget and
the time to first token are reckoned. Must not know where the value is kept, nor
processes. Pure: every transition returns the next value, or the same object
where nothing changes. Times are seconds of a clock that all callers share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from gateway.serialization import dumps, loads_lenient

BUCKET_SECONDS = 5.0
BUCKETS = 6
"""The sliding window: half a minute, in steps small enough that old failures leave it smoothly."""

MIN_ATTEMPTS = 10
"""Fewer attempts say nothing: one failure of one request is no rate."""

FAILURE_RATE = 0.5
"""A target that fails every other time costs its clients more than it gives."""

MIN_OPEN = 5.0
MAX_OPEN = 60.0
"""Seconds that a breaker stays open: the first doubles with each failed probe, up to the second."""

REQUESTS_FOR_RETRY = 5
RETRY_RESERVE = 10
"""A target's retries: one for every five of its requests, and so many in reserve."""

_MAX_CREDIT = REQUESTS_FOR_RETRY * RETRY_RESERVE

FIRST_TOKEN_WEIGHT = 0.3
"""How much the newest time to first token counts; about the last six are felt."""

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"

Bucket = tuple[int, int, int]
"""Its number (time divided by its length), successes, failures."""


@dataclass(frozen=True, slots=True)
class Successes:
    """Some successes that are counted together.

    ``requests`` of them were no retries. ``first_token`` is the mean of their times to
    first token in seconds, where measured; ``at`` is when the first of them came.
    """

    count: int
    requests: int
    first_token: float | None
    at: float


@dataclass(frozen=True, slots=True)
class Health:
    """What all processes know of a target; the default is one of which nothing is known.

    ``since`` is when ``circuit`` came about, ``until`` when an open one lets a probe
    through, ``openings`` how often it has opened without a success in between; ``was_asked``
    if it did because the target asked for a pause, and not because it failed too often.
    ``probe`` is the attempt that half-open waits for, ``prober`` its process.
    ``override`` is what an admin forces, ``open`` or ``closed``. ``credit`` is the number
    of requests that have not been used up by a retry.
    """

    circuit: str = CLOSED
    since: float = 0.0
    until: float = 0.0
    openings: int = 0
    was_asked: bool = False
    probe: str | None = None
    prober: str | None = None
    override: str | None = None
    buckets: tuple[Bucket, ...] = ()
    credit: int = _MAX_CREDIT
    first_token: float | None = None
    first_token_at: float = 0.0

    @property
    def retries_left(self) -> int:
        """How many retries the budget allows now."""
        return self.credit // REQUESTS_FOR_RETRY

    def is_closed(self) -> bool:
        """Whether attempts are let through and counted."""
        return (self.override or self.circuit) == CLOSED

    def opens_in(self, now: float) -> float:
        """Return the seconds until an open circuit lets a probe through; 0: it may now.

        One that would stay open for longer than any does is from before the clock was set back.
        """
        left = self.until - now
        return left if self.circuit == OPEN and 0.0 < left <= MAX_OPEN else 0.0

    def counts(self, now: float) -> tuple[int, int]:
        """Return the successes and failures within the window."""
        window = self._window(now)
        return sum(bucket[1] for bucket in window), sum(bucket[2] for bucket in window)

    def succeeded(self, successes: Successes, now: float) -> Health:
        """Count successes; those that come after the circuit has opened prove nothing."""
        if self.override is not None:
            return self
        counted = self._credited(successes.requests)
        if successes.first_token is not None:
            counted = counted._measured(successes.first_token, successes.at)
        if self.circuit != CLOSED:
            return counted
        return counted._counted(successes.count, 0, successes.at, now)

    def failed(self, requests: int, retry_after: float | None, now: float) -> Health:
        """Count a failure, and open the circuit if that makes too many, or one is asked to wait."""
        if self.override is not None:
            return self
        credited = self._credited(requests)
        if self.circuit == OPEN:  # an attempt from before
            until = max(self.until, now + min(retry_after or 0.0, MAX_OPEN))
            return credited if until == self.until else replace(credited, until=until)
        if self.circuit == HALF_OPEN:
            return credited
        counted = credited._counted(0, 1, now, now)
        if retry_after:
            return counted._paused(retry_after, now)
        successes, failures = counted.counts(now)
        attempts = successes + failures
        if attempts >= MIN_ATTEMPTS and failures >= attempts * FAILURE_RATE:
            return counted._opened(MIN_OPEN, now)
        return counted

    def probing(
        self, probe: str, prober: str, is_lost: Callable[[str, str], bool], now: float
    ) -> Health:
        """Make the attempt ``probe`` of the process ``prober`` the one probe, if there is room.

        ``is_lost(prober, probe)`` tells of the present probe that it will never end.
        """
        if self.override is not None or self.circuit == CLOSED or self.opens_in(now) > 0:
            return self
        if self.probe is not None and not is_lost(self.prober or "", self.probe):
            return self
        since = self.since if self.circuit == HALF_OPEN else now
        return replace(self, circuit=HALF_OPEN, since=since, probe=probe, prober=prober)

    def probe_succeeded(self, probe: str, first_token: float | None, now: float) -> Health:
        """Close the circuit and forget what was counted, if ``probe`` is the one probe."""
        if not self._awaits(probe):
            return self
        closed = Health(
            since=now,
            credit=self.credit,
            first_token=self.first_token,
            first_token_at=self.first_token_at,
        )
        return closed if first_token is None else closed._measured(first_token, now)

    def probe_failed(self, probe: str, retry_after: float | None, now: float) -> Health:
        """Open the circuit again, for twice as long as the last time or as long as was asked.

        A target that asked for a pause and now asks for another gets just that.
        """
        if not self._awaits(probe):
            return self
        if retry_after and self.was_asked:
            return self._paused(retry_after, now)
        seconds = min(MIN_OPEN * 2.0 ** min(self.openings, 32), MAX_OPEN)
        return self._opened(max(seconds, retry_after or 0.0), now)

    def probe_returned(self, probe: str) -> Health:
        """Let the next attempt be the probe: this one has proved nothing."""
        return replace(self, probe=None, prober=None) if self._awaits(probe) else self

    def retrying(self) -> Health:
        """Take one retry from the budget, if it has one."""
        if self.override is not None or not self.retries_left:
            return self
        return replace(self, credit=self.credit - REQUESTS_FOR_RETRY)

    def overridden(self, override: str | None) -> Health:
        """Force the circuit open or closed, or let it go on by itself from where it was.

        While it is forced, nothing is counted or measured.
        """
        return replace(self, override=override, probe=None, prober=None)

    def _awaits(self, probe: str) -> bool:
        return self.override is None and self.probe == probe

    def _opened(self, seconds: float, now: float) -> Health:
        return replace(
            self,
            circuit=OPEN,
            since=now,
            until=now + min(seconds, MAX_OPEN),
            openings=self.openings + 1,
            was_asked=False,
            probe=None,
            prober=None,
        )

    def _paused(self, seconds: float, now: float) -> Health:
        """Open it for as long as was asked; one pause after another is no growing trouble."""
        opened = self._opened(seconds, now)
        return replace(opened, openings=max(self.openings, 1), was_asked=True)

    def _credited(self, requests: int) -> Health:
        credit = min(_MAX_CREDIT, self.credit + requests)
        return self if credit == self.credit else replace(self, credit=credit)

    def _counted(self, successes: int, failures: int, at: float, now: float) -> Health:
        number = int(at // BUCKET_SECONDS)
        window = {bucket[0]: bucket for bucket in self._window(now)}
        _, succeeded, failed = window.get(number, (number, 0, 0))
        window[number] = (number, succeeded + successes, failed + failures)
        return replace(self, buckets=tuple(window.values()))

    def _measured(self, first_token: float, at: float) -> Health:
        if self.first_token is not None:
            first_token = self.first_token + FIRST_TOKEN_WEIGHT * (first_token - self.first_token)
        return replace(self, first_token=first_token, first_token_at=at)

    def _window(self, now: float) -> list[Bucket]:
        number = int(now // BUCKET_SECONDS)
        return [bucket for bucket in self.buckets if number - BUCKETS < bucket[0] <= number]


_NAMES = tuple(Health.__dataclass_fields__)


@lru_cache(maxsize=1024)
def load_health(data: bytes | None) -> Health:
    """Return the value that ``dump_health`` made; nothing is known of what can't be read."""
    if data is None:
        return Health()
    try:
        values: dict[str, Any] = loads_lenient(data)
        values["buckets"] = tuple(map(tuple, values["buckets"]))
        return Health(**values)
    except (ValueError, TypeError, KeyError):
        return Health()  # of another version of the gateway


def dump_health(health: Health) -> bytes:
    """Return the value as JSON."""
    return dumps({name: getattr(health, name) for name in _NAMES})
