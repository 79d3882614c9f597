"""The ``limits`` package counts in the gateway's state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from gateway.state import Counter, LocalState, State, StateUnavailableError
from gateway.state.limits_storage import StateStorage


@pytest.fixture
def counters() -> list[Counter]:
    return []


@pytest.fixture
def storage(state: State, counters: list[Counter]) -> StateStorage:
    return StateStorage("gateway://", state=state, on_increment=counters.append)


def test_a_fixed_window_lets_exactly_its_amount_through(storage: StateStorage) -> None:
    limiter = FixedWindowRateLimiter(storage)
    limit = parse("3/minute")
    assert [limiter.hit(limit, "alice") for _ in range(5)] == [True] * 3 + [False] * 2
    assert limiter.hit(limit, "bob")
    assert not limiter.test(limit, "alice")


def test_the_window_is_told_as_limits_wants_it(storage: StateStorage) -> None:
    limiter = FixedWindowRateLimiter(storage)
    limit = parse("3/minute")
    assert limiter.get_window_stats(limit, "alice").remaining == 3
    limiter.hit(limit, "alice")
    reset_time, remaining = limiter.get_window_stats(limit, "alice")
    assert remaining == 2
    assert 55 < reset_time - time.time() <= 60


def test_each_hit_hands_on_its_counter(storage: StateStorage, counters: list[Counter]) -> None:
    FixedWindowRateLimiter(storage).hit(parse("3/minute"), "alice", cost=2)
    (counter,) = counters
    assert counter.value == 2
    assert 55 < counter.resets_in <= 60


def test_windows_are_cleared_and_reset(storage: StateStorage) -> None:
    limiter = FixedWindowRateLimiter(storage)
    limit = parse("1/minute")
    limiter.hit(limit, "alice")
    limiter.clear(limit, "alice")
    assert limiter.hit(limit, "alice")
    storage.reset()
    assert limiter.hit(limit, "alice")


def test_it_is_found_by_its_scheme(storage: StateStorage) -> None:
    options = {"state": storage.state, "on_increment": storage.on_increment}
    found = storage_from_string("gateway://", **options)  # type: ignore[arg-type]
    assert isinstance(found, StateStorage)
    assert found.check()


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[StateStorage]:
    (tmp_path / "file").touch()
    state = LocalState(tmp_path / "file" / "state")
    yield StateStorage("gateway://", state=state, on_increment=lambda counter: None)
    state.close()


def test_a_state_that_is_away_is_told(broken: StateStorage) -> None:
    assert not broken.check()
    with pytest.raises(StateUnavailableError):
        broken.incr("key", 60)
