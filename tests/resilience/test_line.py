"""Lines over real shared state: threads of many processes, dead ones, and state that is away."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.resilience.line import Lines, Ticket
from gateway.state import LocalState, State, StateUnavailableError
from gateway.state.clock import Clock
from tests.resilience.away import AwayState
from tests.state.processes import another_process, in_processes
from tests.waiting import wait_until

PROCESSES = 4
THREADS = 12
LIMIT = 3
MANY = 10_000
SLACK = 0.5
"""Seconds that a machine busy with tests may add."""


@pytest.fixture
def away(tmp_path: Path) -> Iterator[AwayState]:
    state = AwayState(tmp_path / "state")
    yield state
    state.close()


@pytest.fixture
def name() -> str:
    """A line nobody has entered, for Redis outlives a test."""
    return str(uuid4())


def enter(lines: Lines, name: str, key: str = "key", *, limit: int = 1) -> Ticket:
    ticket = lines.enter(name, key, 0, limit, MANY)
    assert ticket is not None
    return ticket


def wait_for_slot(ticket: Ticket, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while ticket.place():
        assert time.monotonic() < deadline, "no slot came free"
        time.sleep(ticket.poll_seconds)


def test_slots_are_given_places_told_and_moved_up(state: State, name: str) -> None:
    lines = Lines(state)
    tickets = [enter(lines, name, limit=2) for _ in range(4)]
    assert [ticket.place() for ticket in tickets] == [0, 0, 1, 2]
    assert lines.counts(name) == (2, 2)
    tickets[0].leave()
    assert [ticket.place() for ticket in tickets[1:]] == [0, 0, 1]
    tickets[2].leave()
    tickets[2].leave()
    assert tickets[3].place() == 0
    for ticket in tickets:
        ticket.leave()
    assert lines.counts(name) == (0, 0)


def test_a_full_line_is_told_by_none(state: State, name: str) -> None:
    lines = Lines(state)
    assert [lines.enter(name, "key", 0, 1, 1) is None for _ in range(3)] == [False, False, True]
    assert lines.counts(name) == (1, 1)


def test_a_key_with_one_request_and_a_higher_class_do_not_wait_for_fifty(
    state: State, name: str
) -> None:
    lines = Lines(state)
    many = [enter(lines, name, "many") for _ in range(50)]
    one = enter(lines, name, "one")
    assert one.place() == 1
    urgent = lines.enter(name, "many", 7, 1, MANY)
    assert urgent is not None
    assert [urgent.place(), one.place(), many[1].place(), many[2].place()] == [1, 2, 3, 4]


def test_at_most_so_many_are_inside_at_once_over_all_processes_and_all_are_served(
    state: State, name: str
) -> None:
    inside = multiprocessing.get_context("fork").Array("i", [0, 0])

    def work(state: State) -> list[int]:
        lines = Lines(state)
        served: list[int] = []

        def pass_through(number: int) -> None:
            for turn in range(3):
                ticket = enter(lines, name, f"key {number % 4}", limit=LIMIT)
                wait_for_slot(ticket)
                with inside.get_lock():
                    inside[0] += 1
                    inside[1] = max(inside[1], inside[0])
                time.sleep(0.001)
                with inside.get_lock():
                    inside[0] -= 1
                ticket.leave()
                served.append(turn)

        _in_threads(pass_through, THREADS)
        return served

    assert len(in_processes(state, work, PROCESSES)) == PROCESSES * THREADS * 3
    assert inside[1] == LIMIT
    assert Lines(state).counts(name) == (0, 0)


def test_slots_of_a_killed_process_are_given_out_within_two_seconds(
    state: State, name: str
) -> None:
    def hold(state: State, say: Callable[[str], None]) -> None:
        lines = Lines(state)
        tickets = [enter(lines, name, limit=2) for _ in range(5)]
        say("".join(str(ticket.place()) for ticket in tickets))
        time.sleep(60)

    lines = Lines(state)
    with another_process(state, hold) as other:
        assert other.said == "00123"
        ticket = enter(lines, name, limit=2)
        assert ticket.place() == 4
        os.kill(other.process_id, signal.SIGKILL)
        wait_for_slot(ticket, 2.0 + SLACK)
        assert lines.counts(name) == (1, 0)


def test_slots_of_a_dead_process_are_not_counted_although_nobody_waits(
    local_state: LocalState, name: str
) -> None:
    def hold(state: State, say: Callable[[str], None]) -> None:
        enter(Lines(state), name)
        say("in")
        time.sleep(60)

    lines = Lines(local_state)
    with another_process(local_state, hold) as other:
        assert lines.counts(name) == (1, 0)
        os.kill(other.process_id, signal.SIGKILL)
        wait_until(lambda: lines.counts(name) == (0, 0))


def test_whoever_waits_when_the_state_is_emptied_comes_in_again_in_the_old_order(
    local_state: LocalState, name: str
) -> None:
    lines = Lines(local_state)
    holder, *waiting = [enter(lines, name) for _ in range(4)]
    assert [ticket.place() for ticket in waiting] == [1, 2, 3]
    local_state.update(f"line:{name}", lambda data: (None, None), 1.0)
    wait_until(lambda: lines.counts(name) == (0, 0))
    assert waiting[2].place() == 0
    assert [waiting[1].place(), waiting[0].place()] == [1, 1]
    waiting[2].leave()
    assert waiting[0].place() == 0
    holder.leave()
    assert lines.counts(name) == (1, 1)


def test_the_wait_until_there_is_room_is_estimated_and_at_least_a_second(tmp_path: Path) -> None:
    now = 1000.0
    state = LocalState(
        tmp_path / "state", clock=Clock("this boot", lambda: int(now * 1_000_000_000))
    )
    lines = Lines(state)
    assert lines.retry_after("line") == 1.0
    first, second = enter(lines, "line", limit=2), enter(lines, "line", limit=2)
    now += 12
    assert lines.retry_after("line") == pytest.approx(6.0)
    first.leave()
    second.leave()
    enter(lines, "line", limit=2)
    assert lines.retry_after("line") == pytest.approx(6.0)
    state.close()


def test_tickets_of_a_process_share_their_looks(
    local_state: LocalState, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Lines(local_state)
    tickets = [enter(lines, name) for _ in range(200)]
    looks = 0
    get = LocalState.get

    def counted(self: LocalState, key: str) -> bytes | None:
        nonlocal looks
        looks += 1
        return get(self, key)

    monkeypatch.setattr(LocalState, "get", counted)
    monkeypatch.setattr("gateway.resilience.line.LOOK_EVERY", 60.0)
    assert [ticket.place() for ticket in tickets] == list(range(200))
    assert looks <= 1


def test_a_slot_given_back_while_the_state_is_away_is_free_soon_after(
    away: AwayState, name: str
) -> None:
    lines = Lines(away)
    ticket = enter(lines, name)
    away.is_away = True
    ticket.leave()
    with pytest.raises(StateUnavailableError):
        lines.enter(name, "key", 0, 1, MANY)
    away.is_away = False

    # Another process can't know that nobody holds it; this one gives it back unasked.
    def wait(state: State, say: Callable[[str], None]) -> None:
        wait_for_slot(enter(Lines(state), name), 5.0)
        say("in")
        time.sleep(60)

    with another_process(away, wait) as other:
        assert other.said == "in"


def test_a_slot_of_which_the_answer_was_lost_is_given_back(away: AwayState, name: str) -> None:
    lines = Lines(away)
    away.loses_answers = True
    with pytest.raises(StateUnavailableError):
        lines.enter(name, "key", 0, 1, MANY)
    away.loses_answers = False
    assert lines.counts(name) == (0, 0)
    assert enter(lines, name).place() == 0


def test_who_waits_goes_on_waiting_while_the_state_is_away(away: AwayState, name: str) -> None:
    lines = Lines(away)
    holder, waiting = enter(lines, name), enter(lines, name)
    away.is_away = True
    assert waiting.place() == 1
    assert lines.retry_after(name) == 1.0
    with pytest.raises(StateUnavailableError):
        lines.counts(name)
    away.is_away = False
    holder.leave()
    wait_for_slot(waiting)


def _in_threads(work: Callable[[int], None], number: int) -> None:
    threads = [threading.Thread(target=work, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
