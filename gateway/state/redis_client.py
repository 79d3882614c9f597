"""Commands to Redis, each within its time.

Knows redis-py's connections and their errors. Must not know what is asked.
"""

from __future__ import annotations

import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.errors import ConfigurationError
from gateway.state.base import StateUnavailableError

TIME_LIMIT = 0.05
"""Seconds that a command may take, connecting included."""


class RedisClient:
    """The Redis at ``url``. Raises ConfigurationError for a URL redis-py does not understand."""

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

    def run(self, *arguments: str | bytes | int) -> Any:
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

    def close(self) -> None:
        """Let go of the connections; a later command opens them again."""
        self._pool.disconnect()
