"""Blobs in Redis, for gateways on several machines.

Knows how they are kept and counted there. Must not know what they say, nor what
to do while Redis is away.

A blob is a key that ends by itself. Beside the blobs are kept their order (a sorted
set) and their sizes (a hash, also of the sum). One that has ended is counted until
it is the oldest: what is counted is never less than what is there.
"""

from __future__ import annotations

import hashlib
import os
import struct
from typing import Any

import redis

from gateway.state.base import StateUnavailableError
from gateway.state.blobs import LARGEST_BLOB, Blob
from gateway.state.policy import Outage
from gateway.state.redis_client import TIME_LIMIT, RedisClient

_BLOB = "gateway:blob:"
_PART = "gateway:blob-part:"
_ORDER = "gateway:blobs:order"
_SIZES = "gateway:blobs:sizes"
_OVERHEAD = 512
_PIECE = 256 * 1024
_PART_LIFETIME = 10_000
_LIFETIME = struct.Struct(">q")

# KEYS: order, sizes. ARGV: name.
_FORGET = f"""
local function forget(name)
  local size = redis.call('HGET', KEYS[2], name)
  if size then
    redis.call('HINCRBY', KEYS[2], 'sum', -size)
    redis.call('HDEL', KEYS[2], name)
    redis.call('ZREM', KEYS[1], name)
  end
  redis.call('UNLINK', '{_BLOB}' .. name)
end
forget(ARGV[1])
"""

# KEYS also: the part that was sent ahead. ARGV also: the rest, milliseconds, size in all, most
# bytes of all blobs.
_PUT = f"""
{_FORGET}
if redis.call('APPEND', KEYS[3], ARGV[2]) ~= tonumber(ARGV[4]) then
  return redis.call('DEL', KEYS[3])
end
local counted = ARGV[4] + {_OVERHEAD}
local sum = tonumber(redis.call('HGET', KEYS[2], 'sum') or '0')
while sum + counted > tonumber(ARGV[5]) do
  local oldest = redis.call('ZPOPMIN', KEYS[1])
  if not oldest[1] then
    redis.call('DEL', KEYS[2])
    break
  end
  forget(oldest[1])
  sum = tonumber(redis.call('HGET', KEYS[2], 'sum') or '0')
end
redis.call('RENAME', KEYS[3], '{_BLOB}' .. ARGV[1])
redis.call('PEXPIRE', '{_BLOB}' .. ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[1], redis.call('HINCRBY', KEYS[2], 'last', 1), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], counted)
redis.call('HINCRBY', KEYS[2], 'sum', counted)
"""
_SEND = """
redis.call('APPEND', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_GET = "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}"


class RedisBlobs:
    """A ``BlobStore`` in the Redis at ``url``; a command takes at most ``time_limit`` seconds.

    ``outage`` is what all who use that Redis know of it.
    """

    def __init__(
        self,
        url: str,
        max_bytes: int,
        *,
        time_limit: float = TIME_LIMIT,
        outage: Outage | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._outage = outage or Outage()
        self._client = RedisClient(url, time_limit=time_limit)

    def get(self, key: str) -> Blob | None:
        """See ``BlobStore.get``."""
        record, left = self._run("EVAL", _GET, 1, _BLOB + _name(key))
        if record is None or left <= 0:
            return None
        (lifetime,) = _LIFETIME.unpack_from(record)
        if left > lifetime:  # Redis' clock was set back: nobody knows how old it is
            return None
        return Blob(record[_LIFETIME.size :], max(0, lifetime - left) / 1000, lifetime / 1000)

    def put(self, key: str, data: bytes, lifetime: float) -> None:
        """See ``BlobStore.put``; a large blob is sent in pieces, each within the time limit."""
        milliseconds = max(1, round(lifetime * 1000))
        part, record = _PART + os.urandom(16).hex(), _LIFETIME.pack(milliseconds) + data
        if len(data) > LARGEST_BLOB or len(record) + _OVERHEAD > self._max_bytes:
            return
        pieces = [record[start : start + _PIECE] for start in range(0, len(record), _PIECE)]
        for piece in pieces[:-1]:
            self._run("EVAL", _SEND, 1, part, piece, _PART_LIFETIME)
        self._run(
            "EVAL", _PUT, 3, _ORDER, _SIZES, part,
            _name(key), pieces[-1], milliseconds, len(record), self._max_bytes,
        )  # fmt: skip

    def delete(self, key: str) -> None:
        """See ``BlobStore.delete``."""
        self._run("EVAL", _FORGET, 2, _ORDER, _SIZES, _name(key))

    def close(self) -> None:
        """See ``BlobStore.close``."""
        self._client.close()

    def _run(self, *arguments: str | bytes | int) -> Any:
        """Send one command, unless Redis is known to be away; raises StateUnavailableError."""
        if not self._outage.may_try():
            raise StateUnavailableError(self._outage.why)
        try:
            answer = self._client.run(*arguments)
        except StateUnavailableError as error:
            if not isinstance(error.__cause__, redis.ResponseError):  # which is an answer
                self._outage.note_failure(f"{error} ({error.__cause__})")
            raise
        self._outage.note_success()
        return answer


def _name(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
