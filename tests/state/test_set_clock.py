"""The clock of Redis' machine is set: windows end in time, and nobody living is dead."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis

from gateway.state import Claim, Refusal, Reservation, State
from gateway.state.blob_redis import RedisBlobs
from gateway.state.redis import RedisState
from tests.state.conftest import RedisServer
from tests.state.processes import another_process

HOUR = 3600.0
WINDOW = 60.0
COUNTED = Claim("set", 1, 2, window=WINDOW)


def set_back(server: RedisServer) -> None:
    """Have everything in Redis last an hour longer, as it does when its clock is set back."""
    with redis.Redis.from_url(server.url) as client:
        for key in client.keys("gateway:*"):
            left = client.pttl(key)
            if left > 0:
                client.pexpire(key, left + round(HOUR * 1000))


def test_a_window_counts_on_and_ends_in_its_time(
    redis_server: RedisServer, redis_state: RedisState
) -> None:
    for _ in range(2):
        redis_state.increment("key", WINDOW, limit=2)
        redis_state.reserve([COUNTED])
    set_back(redis_server)
    counter = redis_state.increment("key", WINDOW, limit=2)
    refusal = redis_state.reserve([COUNTED])
    assert isinstance(refusal, Refusal)
    assert not counter.counted
    assert max(counter.resets_in, refusal.resets_in) <= WINDOW
    left = redis_state.read("key")
    assert left is not None
    assert left.resets_in <= WINDOW
    time.sleep(0.05)
    refused_again = redis_state.reserve([COUNTED])
    assert isinstance(refused_again, Refusal)
    assert refused_again.resets_in < WINDOW


def test_what_else_is_held_stays_held(redis_server: RedisServer, redis_state: RedisState) -> None:
    slot = Claim("open", 1, 1, "slots")
    held = redis_state.reserve([slot])
    assert isinstance(held, Reservation)
    set_back(redis_server)
    assert isinstance(redis_state.reserve([slot]), Refusal)
    redis_state.settle(held, [0])
    assert isinstance(redis_state.reserve([slot]), Reservation)


def test_a_blob_whose_age_nobody_knows_is_gone(
    redis_server: RedisServer, redis_state: RedisState
) -> None:
    blobs = RedisBlobs(redis_server.url, 2**20, time_limit=5.0)
    blobs.put("key", b"data", WINDOW)
    assert blobs.get("key") is not None
    set_back(redis_server)
    assert blobs.get("key") is None
    blobs.close()


def live(state: State, say: Callable[[str], None]) -> None:
    say(state.owner)
    time.sleep(30)


def test_set_forward_it_makes_nobody_dead(
    redis_server: RedisServer,
    redis_state: RedisState,
    elsewhere: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert redis_state.owner
    with another_process(redis_state, live) as other:
        assert redis_state._look(other.said)
        heartbeat = redis_state._heartbeat
        with redis.Redis.from_url(redis_server.url) as client:
            # What is known of its clock is an hour behind, and all beats are over.
            monkeypatch.setattr(heartbeat, "_offset", heartbeat._offset - HOUR)
            client.delete(*client.keys("gateway:owner:*"))
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert redis_state._look(other.said)
            time.sleep(0.005)
        assert abs(redis_state.now() - time.time()) < 5, "the new time is known at once"


def test_set_back_it_keeps_nobody_alive(
    redis_server: RedisServer, redis_state: RedisState, elsewhere: None
) -> None:
    with another_process(redis_state, live) as other:
        assert redis_state._look(other.said)
    set_back(redis_server)
    end = time.monotonic() + 3
    while redis_state._look(other.said):
        assert time.monotonic() < end
        time.sleep(0.02)
