"""Shared state in Redis, for gateways on several machines.

Knows how each operation is done in Redis. Must not know what is kept, nor what to
do while Redis is away (see ``gateway.state.policy``).

Redis' own clock measures windows and lifetimes.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import TypeVar
from weakref import WeakValueDictionary

from gateway.state.base import Change, Counter, StateUnavailableError
from gateway.state.heartbeat import LIFETIME, Heartbeat, beat_key
from gateway.state.held_redis import (
    COUNTER,
    OWNERS,
    cancel_command,
    parse_reserved,
    parse_settled,
    reap_command,
    reserve_command,
    settle_command,
)
from gateway.state.owner import (
    LOOKED_AT_EVERY,
    Liveness,
    is_of_this_machine,
    is_running,
    load_owner,
)
from gateway.state.policy import Outage
from gateway.state.redis_client import TIME_LIMIT, RedisClient
from gateway.state.reservation import Claim, Held, Refusal, Reservation, Unseeded

_CONTENTION_LIMIT = 2.0
_LONGEST_PAUSE = 0.002
_COUNTER = "gateway:counter:"
_VALUE = "gateway:value:"
_VERSION_SIZE = 12
_REAPED_EVERY = 1.0
_DOUBT = 1.0
"""Seconds after which a command that was given up is done or lost."""

_Result = TypeVar("_Result")

_INCREMENT = """
local value = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = redis.call('PTTL', KEYS[1])
local amount, window, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local is_running = left > 0
if not is_running then
  value, left = 0, window
elseif left > window then -- Redis' clock was set back
  left = window
  redis.call('PEXPIRE', KEYS[1], window)
end
if limit and value + amount > limit then
  return {value, left, 0}
end
if is_running then
  redis.call('INCRBY', KEYS[1], amount)
else
  redis.call('SET', KEYS[1], amount, 'PX', window)
end
return {value + amount, left, 1}
"""
# A beat that lasts longer than any does is from before the clock was set back.
_LOOK = f"""
local time, left = redis.call('TIME'), redis.call('PTTL', KEYS[1])
return {{left > 0 and left <= {round(LIFETIME * 1000)} and 1 or 0, time[1], time[2]}}
"""
_READ = "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}"

# ARGV: the version that is to be replaced ('': none), the record that replaces it ('': delete), ms.
# Returns 1, or what is there instead.
_REPLACE = f"""
if redis.call('GETRANGE', KEYS[1], 0, {_VERSION_SIZE - 1}) ~= ARGV[1] then
  return {{redis.call('GET', KEYS[1])}}
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
"""


class RedisState:
    """A ``State`` in the Redis at ``url``; a command takes at most ``time_limit`` seconds.

    A value is stored behind a random version, by which a change sees whether
    another came between. Then it is made again, of the newer value. ``outage`` is
    what all who use that Redis know of it.
    """

    def __init__(
        self, url: str, *, time_limit: float = TIME_LIMIT, outage: Outage | None = None
    ) -> None:
        self._client = RedisClient(url, time_limit=time_limit)
        self._heartbeat = Heartbeat(url, outage or Outage(), time_limit=time_limit)
        self._liveness = Liveness(self._look)
        self._locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._failures = 0
        self._numbers = itertools.count(1)
        self._reaped_at = 0.0
        self._doubtful: deque[tuple[float, str, int]] = deque(maxlen=10_000)

    def increment(
        self, key: str, window: float, amount: int = 1, limit: int | None = None
    ) -> Counter:
        """See ``State.increment``."""
        value, left, counted = self._client.run(
            "EVAL", _INCREMENT, 1, _COUNTER + key, amount, _milliseconds(window),
            "" if limit is None else limit,
        )  # fmt: skip
        return Counter(value, left / 1000, bool(counted))

    def read(self, key: str) -> Counter | None:
        """See ``State.read``."""
        value, left = self._client.run("EVAL", _READ, 1, _COUNTER + key)
        return None if value is None or left <= 0 else Counter(int(value), left / 1000)

    def clear(self, key: str) -> None:
        """See ``State.clear``."""
        self._client.run("DEL", _COUNTER + key)

    def reset(self) -> None:
        """See ``State.reset``; each step of it is within the time limit, not the whole."""
        cursor = b"0"
        while True:
            cursor, keys = self._client.run("SCAN", cursor, "MATCH", f"{_COUNTER}*", "COUNT", 1000)
            if keys:
                self._client.run("UNLINK", *keys)
            if cursor == b"0":
                return

    def update(self, key: str, change: Change[_Result], lifetime: float) -> _Result:
        """See ``State.update``.

        Within a process one change of a key follows the other, so that only
        processes contend. Who waited for one that failed fails with it, at once.
        """
        failures = self._failures
        with self._locks.setdefault(key, threading.Lock()):
            if failures != self._failures:
                raise StateUnavailableError("The gateway's shared state can't be reached")
            try:
                return self._replace(_VALUE + key, change, _milliseconds(lifetime))
            except StateUnavailableError:
                self._failures += 1
                raise

    def get(self, key: str) -> bytes | None:
        """See ``State.get``."""
        record = self._client.run("GET", _VALUE + key)
        return None if record is None else bytes(record[_VERSION_SIZE:])

    def reserve(self, claims: Sequence[Claim]) -> Reservation | Refusal | Unseeded:
        """See ``State.reserve``."""
        self._require_heartbeat()
        number, owner = next(self._numbers), self.owner
        self._reap(_REAPED_EVERY)
        outcome = self._reserve(claims, owner, number)
        if isinstance(outcome, Refusal) and self._reap(LOOKED_AT_EVERY):
            outcome = self._reserve(claims, owner, number)
        return outcome

    def settle(self, reservation: Reservation, used: Sequence[int]) -> list[Held]:
        """See ``State.settle``."""
        answer = self._client.run(*settle_command(reservation, used))
        return parse_settled(answer, reservation, used)

    def forget(self, keys: Sequence[str]) -> None:
        """See ``State.forget``."""
        self._client.run("DEL", *(COUNTER + key for key in keys))

    def now(self) -> float:
        """See ``State.now``: Unix time as Redis has it, also while Redis is away.

        A step of the clock of Redis' machine does move it, as it moves all lifetimes there.
        """
        return self._heartbeat.now()

    @property
    def owner(self) -> str:
        """See ``State.owner``; from now on this process's heart beats."""
        self._heartbeat.start()
        return load_owner()

    def is_alive(self, owner: str) -> bool:
        """See ``State.is_alive``; also True while it can't be known, after an outage of Redis."""
        return self._liveness.is_alive(owner)

    def check(self) -> bool:
        """See ``State.check``."""
        self._client.run("PING")
        return True

    def close(self) -> None:
        """See ``State.close``."""
        self._heartbeat.stop()
        self._client.close()

    def _reserve(
        self, claims: Sequence[Claim], owner: str, number: int
    ) -> Reservation | Refusal | Unseeded:
        try:
            answer = self._client.run(*reserve_command(claims, owner, number))
        except StateUnavailableError:
            self._doubtful.append((time.monotonic(), owner, number))
            raise
        return parse_reserved(answer, claims, owner, number)

    def _cancel_doubtful(self) -> None:
        """Give back what may have been reserved after all, for Redis was late to say so.

        Others may do the same meanwhile, so that each takes out what it gives back.
        """
        until = time.monotonic() - _DOUBT
        while (doubtful := self._pop_doubtful(until)) is not None:
            _, owner, number = doubtful
            try:
                self._client.run(*cancel_command(owner, number))
            except BaseException:
                self._doubtful.appendleft(doubtful)
                raise

    def _pop_doubtful(self, until: float) -> tuple[float, str, int] | None:
        try:
            doubtful = self._doubtful.popleft()
        except IndexError:
            return None
        if doubtful[0] <= until:
            return doubtful
        self._doubtful.appendleft(doubtful)
        return None

    def _reap(self, every: float) -> bool:
        """Settle what the dead hold, unless that was done within ``every`` seconds."""
        if time.monotonic() - self._reaped_at < every:
            return False
        self._reaped_at = time.monotonic()
        self._cancel_doubtful()
        for holder in self._client.run("SMEMBERS", OWNERS):
            if not self.is_alive(holder.decode()):
                self._client.run(*reap_command(holder.decode()))
        return True

    def _replace(self, name: str, change: Change[_Result], milliseconds: int) -> _Result:
        record: bytes | None = self._client.run("GET", name)
        give_up_at = time.monotonic() + _CONTENTION_LIMIT
        while True:
            version = b"" if record is None else record[:_VERSION_SIZE]
            old = None if record is None else record[_VERSION_SIZE:]
            new, result = change(old)
            if new is old:
                return result
            replacement = b"" if new is None else os.urandom(_VERSION_SIZE) + new
            answer = self._client.run("EVAL", _REPLACE, 1, name, version, replacement, milliseconds)
            if answer == 1:
                return result
            if time.monotonic() > give_up_at:
                raise StateUnavailableError("Too many change the same shared state at once")
            record = answer[0]
            time.sleep(random.uniform(0, _LONGEST_PAUSE))

    def _require_heartbeat(self) -> None:
        """Raise StateUnavailableError where a first beat has just been waited for in vain."""
        if not self._heartbeat.start():
            raise StateUnavailableError("The gateway's shared state can't be reached")

    def _look(self, owner: str) -> bool:
        if is_of_this_machine(owner):
            return is_running(owner)  # also one that is stopped, and so does not beat
        self._require_heartbeat()
        began = time.monotonic()
        is_beating, *told = self._client.run("EVAL", _LOOK, 1, beat_key(owner))
        return bool(is_beating) or not self._heartbeat.is_trusted(told, began)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
