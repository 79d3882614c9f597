"""Shared state in Redis, for gateways on several machines.

Knows Redis and its time limits. Must not know what is counted, nor what to do
while Redis is away (see ``gateway.state.policy``).

Redis' own clock measures the windows.
"""

from __future__ import annotations

import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.errors import ConfigurationError
from gateway.state.base import Counter, StateUnavailableError

TIME_LIMIT = 0.05
"""Seconds that an operation may take, connecting included."""

_PREFIX = "gateway:counter:"
_INCREMENT = """
local value = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = redis.call('PTTL', KEYS[1])
local amount, window, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local is_running = left > 0
if not is_running then
  value, left = 0, window
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
_READ = "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}"


class RedisState:
    """A ``State`` in the Redis at ``url``; an operation takes at most ``time_limit`` seconds."""

    def __init__(self, url: str, *, time_limit: float = TIME_LIMIT) -> None:
        self._time_limit = time_limit
        try:
            self._pool = redis.ConnectionPool.from_url(
                url,
                socket_connect_timeout=time_limit,
                socket_timeout=time_limit,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                driver_info=None,
            )
        except ValueError as error:
            raise ConfigurationError(f"REDIS_URL: {error}") from None

    def increment(
        self, key: str, window: float, amount: int = 1, limit: int | None = None
    ) -> Counter:
        """See ``State.increment``."""
        milliseconds = max(1, round(window * 1000))
        value, left, counted = self._command(
            "EVAL", _INCREMENT, 1, _PREFIX + key, amount, milliseconds,
            "" if limit is None else limit,
        )  # fmt: skip
        return Counter(value, left / 1000, bool(counted))

    def read(self, key: str) -> Counter | None:
        """See ``State.read``."""
        value, left = self._command("EVAL", _READ, 1, _PREFIX + key)
        return None if value is None or left <= 0 else Counter(int(value), left / 1000)

    def clear(self, key: str) -> None:
        """See ``State.clear``."""
        self._command("DEL", _PREFIX + key)

    def reset(self) -> None:
        """See ``State.reset``; each step of it is within the time limit, not the whole."""
        cursor = b"0"
        while True:
            cursor, keys = self._command("SCAN", cursor, "MATCH", f"{_PREFIX}*", "COUNT", 1000)
            if keys:
                self._command("UNLINK", *keys)
            if cursor == b"0":
                return

    def check(self) -> None:
        """See ``State.check``."""
        self._command("PING")

    def close(self) -> None:
        """See ``State.close``."""
        self._pool.disconnect()

    def _command(self, *arguments: str | bytes | int) -> Any:
        """Send one command and return the answer; StateUnavailableError if none comes in time."""
        deadline = time.monotonic() + self._time_limit
        try:
            connection = self._pool.get_connection()
            try:
                connection.send_command(*arguments)  # type: ignore[no-untyped-call]
                left = max(self._time_limit / 5, deadline - time.monotonic())
                if not connection.can_read(timeout=left):
                    raise redis.TimeoutError(f"no answer within {self._time_limit * 1000:.0f} ms")
                return connection.read_response()
            except redis.ResponseError:
                raise
            except BaseException:
                # Whatever comes later on this connection would be taken for another's answer.
                connection.disconnect()  # type: ignore[no-untyped-call]
                raise
            finally:
                self._pool.release(connection)
        except (redis.RedisError, OSError) as error:
            raise StateUnavailableError("The gateway's shared state can't be reached") from error
