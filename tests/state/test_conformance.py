"""What every implementation of the state promises about counters."""

from __future__ import annotations

import time
from collections import Counter as Tally

import pytest

from gateway.state import Counter, State
from tests.state.processes import PROCESSES, in_processes

INCREMENTS = 200


def test_a_window_starts_with_its_first_increment(state: State) -> None:
    counter = state.increment("key", 60)
    assert (counter.value, counter.counted) == (1, True)
    assert 59.5 < counter.resets_in <= 60


def test_increments_add_up_and_do_not_extend_the_window(state: State) -> None:
    state.increment("key", 60, 3)
    counter = state.increment("key", 3600, 4)
    assert counter.value == 7
    assert counter.resets_in <= 60


def test_keys_count_apart(state: State) -> None:
    state.increment("one", 60)
    assert state.increment("other", 60).value == 1


def test_a_window_ends_by_itself_and_the_next_starts_at_zero(state: State) -> None:
    state.increment("key", 0.05, 5)
    deadline = time.monotonic() + 2
    while state.read("key") is not None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert state.increment("key", 60).value == 1


def test_refused_increments_count_nothing_and_extend_nothing(state: State) -> None:
    assert state.increment("key", 60, limit=2).counted
    assert state.increment("key", 60, limit=2) == _about(2, 60, counted=True)
    assert state.increment("key", 3600, limit=2) == _about(2, 60, counted=False)
    assert state.read("key") == _about(2, 60)


def test_an_amount_that_does_not_fit_is_refused_whole(state: State) -> None:
    state.increment("key", 60, 8, limit=10)
    assert not state.increment("key", 60, 3, limit=10).counted
    assert state.increment("key", 60, 2, limit=10) == _about(10, 60, counted=True)


def test_a_refused_first_increment_starts_no_window(state: State) -> None:
    assert state.increment("key", 60, limit=0) == _about(0, 60, counted=False)
    assert state.read("key") is None


def test_reading_counts_nothing(state: State) -> None:
    assert state.read("key") is None
    state.increment("key", 60)
    assert state.read("key") == _about(1, 60)
    assert state.read("key") == _about(1, 60)


def test_a_cleared_key_starts_anew_and_others_stay(state: State) -> None:
    state.increment("key", 60)
    state.increment("other", 60)
    state.clear("key")
    state.clear("never seen")
    assert state.read("key") is None
    assert state.read("other") == _about(1, 60)


def test_reset_ends_every_window(state: State) -> None:
    for number in range(50):
        state.increment(f"key {number}", 60)
    state.reset()
    assert [state.read(f"key {number}") for number in range(50)] == [None] * 50


@pytest.mark.parametrize("key", ["", "k" * 2000, "schlüssel/日本/\N{PILE OF POO}", "a\0b"])
def test_any_text_is_a_key(state: State, key: str) -> None:
    state.increment(key, 60)
    assert state.increment(key, 60).value == 2
    assert state.read(key + "x") is None


def test_check_passes_while_counting_works_and_counts_nothing(state: State) -> None:
    state.increment("key", 60)
    state.check()
    assert state.read("key") == _about(1, 60)


def test_a_closed_state_opens_again(state: State) -> None:
    state.increment("key", 60)
    state.close()
    assert state.increment("key", 60).value == 2


def test_increments_of_many_processes_are_all_counted(state: State) -> None:
    state.increment("before the fork", 60)
    values = in_processes(state, _increment_often)
    assert sorted(values) == list(range(1, PROCESSES * INCREMENTS + 1))


def test_a_limit_holds_across_processes(state: State) -> None:
    outcomes = in_processes(state, _increment_to_limit)
    assert Tally(outcomes) == {True: 100, False: PROCESSES * INCREMENTS - 100}


def _increment_often(state: State) -> list[int]:
    return [state.increment("key", 600).value for _ in range(INCREMENTS)]


def _increment_to_limit(state: State) -> list[bool]:
    return [state.increment("key", 600, limit=100).counted for _ in range(INCREMENTS)]


class _about:
    """Equals a counter whose window, of ``window`` seconds, began just now."""

    def __init__(self, value: int, window: float, *, counted: bool = True) -> None:
        self.expected = value, counted
        self.window = window

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Counter)
            and (other.value, other.counted) == self.expected
            and self.window - 5 < other.resets_in <= self.window
        )

    def __repr__(self) -> str:
        return f"about {self.expected} for {self.window} s"
