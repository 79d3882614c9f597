"""What every implementation of the state promises about reservations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from gateway.state import (
    Claim,
    LocalState,
    Refusal,
    Reservation,
    State,
    StateUnavailableError,
    Unseeded,
)
from gateway.state.policy import StateWithPolicy
from gateway.state.redis import RedisState
from tests.state.conftest import RedisServer, hung
from tests.state.processes import PROCESSES, another_process, in_processes
from tests.waiting import wait_until

THREADS = 20


def take(state: State, *claims: Claim) -> Reservation:
    reservation = state.reserve(claims)
    assert isinstance(reservation, Reservation), reservation
    return reservation


def values(held: Sequence[object]) -> list[int]:
    return [each.value for each in held]  # type: ignore[attr-defined]


def test_all_is_taken_or_nothing(state: State) -> None:
    plenty = Claim("plenty", 5, 100, window=60)
    take(state, plenty, Claim("scarce", 8, 10, window=60))
    refusal = state.reserve([plenty, Claim("scarce", 3, 10, window=60)])
    assert isinstance(refusal, Refusal)
    assert (refusal.claim.key, refusal.value) == ("scarce", 8)
    assert 59 < refusal.resets_in <= 60
    assert values(take(state, plenty).held) == [10]


def test_settling_returns_what_was_not_used(state: State) -> None:
    reservation = take(state, Claim("tokens", 90, 100, window=60), Claim("open", 1, 1, "slots"))
    assert isinstance(state.reserve([Claim("open", 1, 1, "slots")]), Refusal)
    assert values(state.settle(reservation, [20, 0])) == [20, 0]
    assert values(take(state, Claim("tokens", 80, 100, window=60)).held) == [100]


def test_more_than_was_reserved_can_have_been_used(state: State) -> None:
    reservation = take(state, Claim("tokens", 10, 100, window=60))
    state.settle(reservation, [150])
    refusal = state.reserve([Claim("tokens", 1, 100, window=60)])
    assert isinstance(refusal, Refusal)
    assert refusal.value == 150


def test_who_can_do_with_less_takes_all_that_is_left(state: State) -> None:
    take(state, Claim("tokens", 70, 100, window=60))
    elastic = Claim("tokens", 50, 100, window=60, least=20)
    assert take(state, elastic).held[0].amount == 30
    assert isinstance(state.reserve([elastic]), Refusal)


def test_what_is_settled_after_its_window_changes_nothing_of_the_next(state: State) -> None:
    reservation = take(state, Claim("tokens", 90, 100, window=0.05))
    time.sleep(0.1)
    take(state, Claim("tokens", 60, 100, window=60))
    state.settle(reservation, [1])
    assert values(take(state, Claim("tokens", 1, 100, window=60)).held) == [61]


def test_what_is_settled_twice_counts_once(state: State) -> None:
    claims = [Claim("tokens", 40, 100, window=60), Claim("open", 1, 5, "slots")]
    claims.append(Claim("budget", 40, 100, "account", seed=0))
    take(state, *claims)
    reservation = take(state, *claims)
    state.settle(reservation, [10, 0, 10])
    state.settle(reservation, [10, 0, 10])
    nothing = [replace(claim, amount=0) for claim in claims]
    assert values(take(state, *nothing).held) == [50, 1, 50]


def test_what_a_late_redis_reserved_after_all_is_given_back(
    redis_server: RedisServer, redis_state: RedisState
) -> None:
    hasty = RedisState(redis_server.url, time_limit=0.5)
    claim = Claim("open", 1, 1, "slots")
    hasty.settle(take(hasty, claim), [0])
    with hung(redis_server), pytest.raises(StateUnavailableError):
        hasty.reserve([claim])
    deadline = time.monotonic() + 5
    while not isinstance(hasty.reserve([claim]), Reservation):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    hasty.close()


def test_many_at_once_give_back_what_a_late_redis_reserved(
    redis_server: RedisServer, redis_state: RedisState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.redis._DOUBT", 0.3)
    hasty = RedisState(redis_server.url, time_limit=0.5)
    claim = Claim("open", 1, 2 * THREADS, "slots")
    with ThreadPoolExecutor(THREADS) as pool:

        def take_at_once(key: str) -> list[BaseException | None]:
            claims = [replace(claim, key=key) for _ in range(THREADS)]
            return [each.exception() for each in [pool.submit(take, hasty, c) for c in claims]]

        assert set(take_at_once("before")) == {None}
        take(hasty, claim)  # which looks for the dead: not again for a second
        with hung(redis_server):
            assert {type(each) for each in take_at_once("open")} == {StateUnavailableError}
        wait_until(lambda: is_answering(hasty))
        time.sleep(0.3)
        monkeypatch.setattr("gateway.state.redis._REAPED_EVERY", 0.0)
        assert set(take_at_once("after")) == {None}
    assert values(take(hasty, claim).held) == [2]
    hasty.close()


def is_answering(state: State) -> bool:
    try:
        return state.check()
    except StateUnavailableError:
        return False


def test_an_account_has_to_be_seeded_once(state: State) -> None:
    budget = Claim("budget", 10, 100, "account")
    assert state.reserve([Claim("other", 1, 9), budget]) == Unseeded(["budget"])
    take(state, Claim("budget", 10, 100, "account", seed=55))
    assert values(take(state, Claim("budget", 10, 100, "account", seed=0)).held) == [75]
    state.forget(["budget"])
    assert state.reserve([budget]) == Unseeded(["budget"])


def test_an_account_seeded_while_it_was_held_is_settled_exactly(state: State) -> None:
    reservation = take(state, Claim("budget", 40, 100, "account", seed=0))
    state.forget(["budget"])
    # Who seeds it finds 40 in the books: reserved, and not settled yet.
    take(state, Claim("budget", 1, 100, "account", seed=40))
    assert values(state.settle(reservation, [5])) == [6]


def test_money_beyond_32_bits_is_exact(state: State) -> None:
    large = 9_007_199_254_000_001
    reservation = take(state, Claim("budget", 7, large, "account", seed=large - 7))
    assert values(reservation.held) == [large]
    assert values(state.settle(reservation, [3])) == [large - 4]


def _take_one(state: State) -> bool:
    return isinstance(state.reserve([Claim("budget", 10, 100, window=60)]), Reservation)


def test_a_burst_from_many_processes_takes_no_more_than_there_is(state: State) -> None:
    def work(state: State) -> list[bool]:
        return [_take_one(state) for _ in range(25)]

    assert sum(in_processes(state, work)) == 10
    assert PROCESSES > 1


def test_what_a_dead_process_held_is_used_but_its_slots_come_back(state: State) -> None:
    claims = [Claim("open", 1, 1, "slots"), Claim("tokens", 60, 100, window=60)]

    def work(state: State, say: Callable[[str], None]) -> None:
        take(state, *claims)
        say("taken")
        time.sleep(60)

    with another_process(state, work):
        assert isinstance(state.reserve(claims[:1]), Refusal)
    deadline = time.monotonic() + 5
    while not isinstance(reservation := state.reserve(claims[:1]), Reservation):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    state.settle(reservation, [0])
    refusal = state.reserve(claims)
    assert isinstance(refusal, Refusal)
    assert (refusal.claim.key, refusal.value) == ("tokens", 60)


def test_accounts_used_apart_are_seeded_anew(redis_server: RedisServer, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
    shared = RedisState(redis_server.url, time_limit=0.5)
    state = StateWithPolicy(shared, LocalState(tmp_path / "state"))
    seeded = Claim("budget", 10, 100, "account", seed=0)
    state.settle(take(state, seeded), [10])
    with hung(redis_server):
        apart = take(state, seeded)
        assert apart.is_fallback
        assert not state.check()
    time.sleep(1.1)
    assert state.reserve([Claim("budget", 10, 100, "account")]) == Unseeded(["budget"])
    assert values(state.settle(apart, [10])) == [10]
    state.close()


def test_windows_and_slots_outlast_a_full_prune(tmp_path: Path) -> None:
    state = LocalState(tmp_path / "state")
    take(state, Claim("tokens", 60, 100, window=3600))
    for number in range(100):
        take(state, Claim(f"short {number}", 1, None, window=0.001))
    assert values(take(state, Claim("tokens", 1, 100, window=3600)).held) == [61]
    state.close()


@pytest.mark.parametrize("amount", [0, 1])
def test_a_claim_without_limit_only_counts(state: State, amount: int) -> None:
    assert values(take(state, Claim("count", amount, None, window=60)).held) == [amount]
