"""What every implementation of the state promises about values and owners."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Callable

import pytest

from gateway.state import State
from gateway.state.base import Change
from tests.state.processes import PROCESSES, another_process, in_processes
from tests.waiting import least

UPDATES = 100


def test_there_is_no_value_at_first(state: State) -> None:
    assert state.get("key") is None
    assert state.update("key", lambda old: (old, old), 60) is None
    assert state.get("key") is None


def test_a_change_sees_the_value_and_its_result_is_returned(state: State) -> None:
    assert state.update("key", lambda old: (b"one", 1), 60) == 1
    assert state.update("key", lambda old: (b"two", old), 60) == b"one"
    assert state.get("key") == b"two"


@pytest.mark.parametrize("value", [b"", b"\0\r\n\xff", os.urandom(256 * 1024)])
def test_any_bytes_up_to_256_kib_are_a_value(state: State, value: bytes) -> None:
    _set(state, "key", b"before")
    _set(state, "key", value)
    assert state.get("key") == value
    assert state.update("key", lambda old: (old, old), 60) == value


@pytest.mark.parametrize("key", ["", "k" * 2000, "schlüssel/日本/\N{PILE OF POO}", "a\0b"])
def test_any_text_is_a_key(state: State, key: str) -> None:
    _set(state, key, b"value")
    assert state.get(key) == b"value"
    assert state.get(key + "x") is None


def test_a_change_to_none_deletes(state: State) -> None:
    _set(state, "key", b"value")
    assert state.update("key", lambda old: (None, old), 60) == b"value"
    assert state.get("key") is None
    assert state.update("key", lambda old: (None, old), 60) is None


def test_a_value_is_gone_after_its_lifetime_also_for_a_change(state: State) -> None:
    state.update("key", lambda old: (b"value", None), 0.05)
    _wait_until(lambda: state.get("key") is None)
    assert state.update("key", lambda old: (b"new", old), 60) is None


def test_each_written_value_lives_for_its_own_lifetime(state: State) -> None:
    _set(state, "key", b"value", 60)
    _set(state, "key", b"value", 0.05)
    _wait_until(lambda: state.get("key") is None)


def test_a_value_handed_back_is_not_written_and_lives_no_longer(state: State) -> None:
    _set(state, "key", b"value", 0.3)
    _wait_until(lambda: state.update("key", lambda old: (old, old), 60) is None)


def test_a_change_that_fails_changes_nothing_and_says_why(
    state: State, caplog: pytest.LogCaptureFixture
) -> None:
    _set(state, "key", b"value")
    for error in (ValueError("no"), struct.error("too short"), OSError("what"), KeyError("key")):
        with pytest.raises(type(error)) as raised:
            state.update("key", _failing(error), 60)
        assert raised.value is error
    assert state.get("key") == b"value"
    assert state.update("key", lambda old: (b"new", old), 60) == b"value"
    assert not caplog.records


def test_values_and_counters_of_one_name_are_apart(state: State) -> None:
    _set(state, "key", b"value")
    assert state.increment("key", 60).value == 1
    state.reset()
    assert state.read("key") is None
    assert state.get("key") == b"value"


def test_values_are_there_after_closing(state: State) -> None:
    _set(state, "key", b"value")
    state.close()
    assert state.get("key") == b"value"


def test_changes_of_many_processes_are_all_made(state: State) -> None:
    seen = in_processes(state, _count_often)
    assert sorted(seen) == list(range(PROCESSES * UPDATES))
    assert state.get("count") == b"%d" % (PROCESSES * UPDATES)


def test_a_process_killed_in_a_change_holds_nobody_up_and_changes_nothing(state: State) -> None:
    _set(state, "key", b"value")
    with another_process(state, _never_end_a_change) as other:
        os.kill(other.process_id, signal.SIGKILL)
        assert state.update("key", lambda old: (b"new", old), 60) == b"value"
    assert state.get("key") == b"new"


def test_processes_agree_on_the_time(state: State) -> None:
    begun = state.now()
    times = in_processes(state, lambda state: [state.now()])
    ended = state.now()
    assert begun <= ended
    assert all(begun - 0.1 <= now <= ended + 0.1 for now in times)


def test_time_goes_on_by_seconds(state: State) -> None:
    state.now()
    before, began, after = time.monotonic(), state.now(), time.monotonic()
    time.sleep(0.1)
    shortest = time.monotonic() - after
    passed = state.now() - began
    longest = time.monotonic() - before
    assert shortest - 0.05 <= passed <= longest + 0.05


def test_each_process_is_its_own_owner_and_stays_so(state: State) -> None:
    owners = in_processes(state, lambda state: [state.owner])
    assert len({state.owner, *owners}) == PROCESSES + 1
    assert state.owner == state.owner
    assert state.is_alive(state.owner)


@pytest.mark.parametrize("owner", ["", "1", "x/y/z/w", "1/2/3/4/5", "\N{PILE OF POO}"])
def test_what_no_process_ever_was_called_is_not_alive(state: State, owner: str) -> None:
    assert not state.is_alive(owner)


def test_a_killed_process_is_not_alive_within_2_seconds(state: State) -> None:
    def take() -> float:
        with another_process(state, _live) as other:
            assert state.is_alive(other.said)
            os.kill(other.process_id, signal.SIGKILL)  # and nobody takes note: it stays a zombie
            killed = time.monotonic()
            _wait_until(lambda: not state.is_alive(other.said))
            taken = time.monotonic() - killed
        assert not state.is_alive(other.said)
        return taken

    assert least(take, 2.0) < 2.0


def test_a_process_that_lives_on_stays_alive_also_after_a_short_stop(state: State) -> None:
    with another_process(state, _live) as other:
        end = time.monotonic() + 2
        os.kill(other.process_id, signal.SIGSTOP)
        answers = _ask_until(time.monotonic() + 0.5, state, other.said)
        os.kill(other.process_id, signal.SIGCONT)
        answers |= _ask_until(end, state, other.said)
    assert answers == {True}


def test_a_change_may_ask_who_is_alive(state: State) -> None:
    with another_process(state, _live) as other:
        assert state.update("key", lambda old: (b"", state.is_alive(other.said)), 60)
    _wait_until(lambda: not state.update("key", lambda old: (b"", state.is_alive(other.said)), 60))


def _count_often(state: State) -> list[int]:
    def count(old: bytes | None) -> tuple[bytes, int]:
        seen = int(old or b"0")
        return b"%d" % (seen + 1), seen

    return [state.update("count", count, 600) for _ in range(UPDATES)]


def _never_end_a_change(state: State, say: Callable[[str], None]) -> None:
    def never_end(old: bytes | None) -> tuple[bytes, None]:
        say("changing")
        while True:
            signal.pause()

    state.update("key", never_end, 60)


def _live(state: State, say: Callable[[str], None]) -> None:
    say(state.owner)
    while True:
        signal.pause()


def _ask_until(end: float, state: State, owner: str) -> set[bool]:
    answers = set()
    while time.monotonic() < end:
        answers.add(state.is_alive(owner))
        time.sleep(0.02)
    return answers


def _set(state: State, key: str, value: bytes, lifetime: float = 60) -> None:
    state.update(key, lambda old: (value, None), lifetime)


def _failing(error: Exception) -> Change[None]:
    def fail(old: bytes | None) -> tuple[bytes, None]:
        raise error

    return fail


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)
