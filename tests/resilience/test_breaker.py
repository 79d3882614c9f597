"""Breakers over real shared state: one process, many, dead ones, and state that is away."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.resilience.breaker import Admission, Breakers
from gateway.resilience.health import CLOSED, HALF_OPEN, OPEN
from gateway.state import LocalState, State, StateUnavailableError
from gateway.state.clock import Clock
from tests.resilience.away import AwayState
from tests.state.processes import another_process, in_processes
from tests.waiting import wait_until

PROCESSES = 4
SLACK = 0.5
"""Seconds that a machine busy with tests may add."""


class Hand:
    """The hand of a clock, moved by the test; in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> Clock:
        return Clock("this boot", lambda: int(self.now * 1_000_000_000))


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def breakers(tmp_path: Path, hand: Hand) -> Iterator[Breakers]:
    state = LocalState(tmp_path / "state", clock=hand.clock())
    yield Breakers(state)
    state.close()


@pytest.fixture
def away(tmp_path: Path) -> Iterator[AwayState]:
    state = AwayState(tmp_path / "state")
    yield state
    state.close()


@pytest.fixture
def name() -> str:
    """A target nobody has heard of, for Redis outlives a test."""
    return f"provider/{uuid4()}"


def admitted(breakers: Breakers, name: str) -> Admission:
    admission = breakers.admit(name)
    assert admission is not None
    return admission


def fail(breakers: Breakers, name: str, times: int = 10, retry_after: float | None = None) -> None:
    for admission in [admitted(breakers, name) for _ in range(times)]:
        admission.failed(retry_after)


def wait_for_probe(breakers: Breakers, name: str, seconds: float) -> Admission:
    deadline = time.monotonic() + seconds
    while (admission := breakers.admit(name)) is None:
        assert time.monotonic() < deadline, "no probe was let through"
        time.sleep(0.01)
    assert admission.probe is not None
    return admission


def test_it_opens_for_five_seconds_and_tells_how_long(breakers: Breakers, hand: Hand) -> None:
    fail(breakers, "a/b", 9)
    assert breakers.admit("a/b") is not None
    fail(breakers, "a/b", 1)
    hand.now += 2
    assert breakers.admit("a/b") is None
    assert breakers.retry_after("a/b") == pytest.approx(3.0)
    assert breakers.admit("other/b") is not None
    assert breakers.retry_after("other/b") == 0.0


def test_one_probe_decides(breakers: Breakers, hand: Hand) -> None:
    fail(breakers, "a/b")
    hand.now += 5
    probe = admitted(breakers, "a/b")
    assert breakers.admit("a/b") is None
    assert breakers.retry_after("a/b") == 1.0
    probe.failed()
    hand.now += 9
    assert breakers.admit("a/b") is None
    hand.now += 1
    admitted(breakers, "a/b").succeeded()
    for admission in [admitted(breakers, "a/b") for _ in range(3)]:
        assert admission.probe is None


def test_a_probe_whose_client_left_is_given_back(breakers: Breakers, hand: Hand) -> None:
    fail(breakers, "a/b")
    hand.now += 5
    admitted(breakers, "a/b").abandoned()
    assert admitted(breakers, "a/b").probe is not None


def test_only_the_first_word_on_an_attempt_counts(breakers: Breakers, hand: Hand) -> None:
    fail(breakers, "a/b")
    hand.now += 5
    probe = admitted(breakers, "a/b")
    probe.succeeded()
    probe.failed()
    probe.abandoned()
    assert breakers.describe("a/b")["state"] == CLOSED


def test_successes_told_together_still_count_before_a_failure(breakers: Breakers) -> None:
    for _ in range(20):
        admitted(breakers, "a/b").succeeded()
    fail(breakers, "a/b", 19)
    described = breakers.describe("a/b")
    assert (described["state"], described["successes"], described["failures"]) == (CLOSED, 20, 19)
    fail(breakers, "a/b", 1)
    assert breakers.describe("a/b")["state"] == OPEN


def test_a_busy_healthy_target_costs_four_changes_a_second(
    breakers: Breakers, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = 0
    update = LocalState.update

    def counted(*arguments: object) -> object:
        nonlocal changes
        changes += 1
        return update(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalState, "update", counted)
    for _ in range(1001):
        admitted(breakers, "a/b").succeeded()
        hand.now += 0.001
    assert changes <= 5
    admitted(breakers, "a/b").abandoned()
    assert changes <= 5


def test_retries_are_bounded_by_the_requests(breakers: Breakers, hand: Hand) -> None:
    assert [breakers.may_retry("a/b") for _ in range(11)] == [True] * 10 + [False]
    for _ in range(10):
        admitted(breakers, "a/b").succeeded()
        hand.now += 1
    for _ in range(10):
        retry = breakers.admit("a/b", is_retry=True)
        assert retry is not None
        retry.succeeded()
        hand.now += 1
    assert [breakers.may_retry("a/b") for _ in range(3)] == [True, True, False]


def test_the_time_to_first_token_is_kept_where_it_is_told(breakers: Breakers, hand: Hand) -> None:
    admitted(breakers, "a/b").succeeded()
    assert breakers.time_to_first_token("a/b") is None
    assert breakers.measured_ago("a/b") is None
    hand.now += 1
    admitted(breakers, "a/b").succeeded(0.25)
    hand.now += 2
    assert breakers.time_to_first_token("a/b") == 0.25
    assert breakers.measured_ago("a/b") == pytest.approx(2.0)
    admitted(breakers, "a/b").succeeded(0.5)
    assert breakers.time_to_first_token("a/b") == pytest.approx(0.325)
    admitted(breakers, "a/b").succeeded(1.0)
    admitted(breakers, "a/b").succeeded(2.0)
    hand.now += 1
    admitted(breakers, "a/b").succeeded()
    assert breakers.time_to_first_token("a/b") == pytest.approx(0.325 + 0.3 * (1.5 - 0.325))


def test_admins_see_all_of_it(breakers: Breakers, hand: Hand) -> None:
    nothing = {
        "state": CLOSED, "override": None, "for_ms": None, "successes": 0, "failures": 0,
        "probe_in_ms": None, "retries_left": 10, "time_to_first_token_ms": None,
    }  # fmt: skip
    assert breakers.describe("a/b") == nothing
    breakers.may_retry("a/b")
    admitted(breakers, "a/b").succeeded(0.25)
    fail(breakers, "a/b")
    hand.now += 2
    opened = {
        "state": OPEN, "for_ms": 2000, "successes": 1, "failures": 9, "probe_in_ms": 3000,
        "time_to_first_token_ms": 250.0,
    }  # fmt: skip
    assert breakers.describe("a/b") == nothing | opened
    hand.now += 3
    admitted(breakers, "a/b")
    half_open = {"state": HALF_OPEN, "for_ms": 0, "probe_in_ms": None}
    assert breakers.describe("a/b") == nothing | opened | half_open


def test_an_admin_can_force_it_either_way_and_let_go(breakers: Breakers, hand: Hand) -> None:
    breakers.override("a/b", OPEN)
    assert breakers.admit("a/b") is None
    assert breakers.retry_after("a/b") == 1.0
    hand.now += 7 * 86_400
    assert breakers.admit("a/b") is None
    breakers.override("a/b", CLOSED)
    fail(breakers, "a/b", 50, retry_after=60.0)
    assert all(breakers.may_retry("a/b") for _ in range(20))
    assert breakers.describe("a/b")["state"] == CLOSED
    breakers.override("a/b", None)
    fail(breakers, "a/b")
    assert breakers.admit("a/b") is None
    with pytest.raises(ValueError, match="not 'half_open'"):
        breakers.override("a/b", HALF_OPEN)


def test_a_target_that_nobody_asks_is_forgotten(breakers: Breakers, hand: Hand) -> None:
    fail(breakers, "a/b")
    hand.now += 600
    assert breakers.describe("a/b")["failures"] == 0
    assert admitted(breakers, "a/b").probe is None


def test_what_one_process_sees_opens_it_for_all(state: State, name: str) -> None:
    def fail_once(state: State) -> list[bool]:
        admitted(Breakers(state), name).failed()
        return [True]

    in_processes(state, fail_once, 10)
    breakers = Breakers(state)
    assert breakers.admit(name) is None
    assert 0.0 < breakers.retry_after(name) <= 5.0


def test_of_many_processes_one_gets_the_probe(state: State, name: str) -> None:
    fail(Breakers(state), name, retry_after=0.3)
    # The same for all: who ends earlier gives its probe to the others, as a dead process does.
    until = time.monotonic() + 1.5

    def ask_until_then(state: State) -> list[str | None]:
        breakers = Breakers(state)
        probes: list[str | None] = []

        def ask() -> None:
            while time.monotonic() < until:
                admission = breakers.admit(name)
                if admission is not None:
                    probes.append(admission.probe)
                time.sleep(0.005)

        _in_threads(ask, 4)
        return probes

    probes = in_processes(state, ask_until_then, PROCESSES)
    assert len(probes) == 1
    assert probes[0] is not None


def test_a_killed_process_gives_its_probe_back_within_two_seconds(state: State, name: str) -> None:
    breakers = Breakers(state)
    fail(breakers, name, retry_after=0.01)

    def probe(state: State, say: Callable[[str], None]) -> None:
        say(wait_for_probe(Breakers(state), name, 5.0).probe or "")
        time.sleep(60)

    with another_process(state, probe) as other:
        assert breakers.admit(name) is None
        os.kill(other.process_id, signal.SIGKILL)
        wait_for_probe(breakers, name, 2.0 + SLACK).succeeded()
    assert breakers.describe(name)["state"] == CLOSED


def test_retries_of_many_processes_come_from_one_budget(state: State, name: str) -> None:
    def retry(state: State) -> list[bool]:
        breakers = Breakers(state)
        return [breakers.may_retry(name) for _ in range(10)]

    assert sum(in_processes(state, retry, PROCESSES)) == 10


def test_while_the_state_is_away_all_are_admitted_and_the_log_says_so_once(
    away: AwayState, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gateway")
    breakers = Breakers(away)
    breakers.override("a/b", OPEN)
    away.is_away = True
    for _ in range(20):
        admitted(breakers, "a/b").failed()
        admitted(breakers, "a/b").succeeded()
    assert breakers.retry_after("a/b") == 0.0
    assert breakers.time_to_first_token("a/b") is None
    assert breakers.measured_ago("a/b") is None
    assert not breakers.may_retry("a/b")
    with pytest.raises(StateUnavailableError):
        breakers.describe("a/b")
    away.is_away = False
    assert breakers.admit("a/b") is None
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_probe_that_could_not_be_ended_does_not_block_the_target_for_ever(
    away: AwayState,
) -> None:
    breakers = Breakers(away)
    fail(breakers, "a/b", retry_after=0.01)
    probe = wait_for_probe(breakers, "a/b", 5.0)
    away.is_away = True
    probe.succeeded()
    away.is_away = False
    wait_until(lambda: Breakers(away).describe("a/b")["state"] == HALF_OPEN)
    wait_for_probe(breakers, "a/b", 5.0).succeeded()


def test_a_probe_of_which_the_answer_was_lost_is_given_back(away: AwayState) -> None:
    breakers = Breakers(away)
    fail(breakers, "a/b", retry_after=0.01)
    wait_until(lambda: breakers.retry_after("a/b") == 0.0)
    away.loses_answers = True
    assert admitted(breakers, "a/b").probe is None
    away.loses_answers = False
    # Another process can't know; this one gives it back without being asked.
    with another_process(away, _take_probe) as other:
        assert other.said == "probe"


def _take_probe(state: State, say: Callable[[str], None]) -> None:
    wait_for_probe(Breakers(state), "a/b", 5.0)
    say("probe")
    time.sleep(60)


def _in_threads(work: Callable[[], None], number: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
