"""A process that is stopped while all others have to wait for it, at the file they share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.state import LocalState, State, StateUnavailableError
from gateway.state.turn import Turn
from tests.gateway_process import ROOT
from tests.state.processes import Other, another_process
from tests.waiting import wait_until


@contextmanager
def stopped_in_a_change(state: State) -> Iterator[Other]:
    """Run a process that is stopped in the middle of a change of shared state."""

    def work(state: State, say: Callable[[str], None]) -> None:
        def change(value: bytes | None) -> tuple[bytes, None]:
            say("changing")
            os.kill(os.getpid(), signal.SIGSTOP)
            return b"changed", None

        state.update("key", change, 60)
        say("changed")
        signal.pause()

    with another_process(state, work) as other:
        wait_until(lambda: _state_of(other.process_id) == "T")
        yield other


def _state_of(process_id: int) -> str:
    stat = Path(f"/proc/{process_id}/stat").read_text()
    return stat[stat.rindex(")") + 2]


def test_others_go_on_after_a_second_and_nothing_of_its_change_is_seen(
    local_state: LocalState, caplog: pytest.LogCaptureFixture
) -> None:
    local_state.increment("counter", 60)
    with stopped_in_a_change(local_state):
        began = time.monotonic()
        assert local_state.increment("counter", 60).value == 2
        assert 0.9 < time.monotonic() - began < 2
        assert local_state.get("key") is None
    assert "was stopped while all had to wait for it: it was killed" in caplog.text


def test_one_that_goes_on_within_a_second_lives(local_state: LocalState) -> None:
    with stopped_in_a_change(local_state) as other:
        script = f"import os, time; time.sleep(0.3); os.kill({other.process_id}, 18)"
        with subprocess.Popen([sys.executable, "-c", script]):
            assert local_state.increment("counter", 60).value == 1
        assert local_state.get("key") == b"changed"
        assert _state_of(other.process_id) == "S"


def test_who_is_only_slow_is_waited_for_a_second_and_not_killed(
    local_state: LocalState,
) -> None:
    def work(state: State, say: Callable[[str], None]) -> None:
        def change(value: bytes | None) -> tuple[bytes, None]:
            say("changing")
            time.sleep(1.6)
            return b"changed", None

        state.update("key", change, 60)
        signal.pause()

    local_state.increment("counter", 60)
    with another_process(local_state, work):
        began = time.monotonic()
        with pytest.raises(StateUnavailableError):
            local_state.increment("counter", 60)
        assert 0.9 < time.monotonic() - began < 1.5
        wait_until(lambda: _increment(local_state) == 2)
        assert local_state.get("key") == b"changed"


def _increment(state: State) -> int:
    try:
        return state.increment("counter", 60).value
    except StateUnavailableError:
        return 0


def test_while_one_waits_the_others_of_its_process_go_on(
    local_state: LocalState, tmp_path: Path
) -> None:
    script = """
from gevent import monkey
monkey.patch_all()
import gevent, sys, time
from pathlib import Path
from gateway.state import LocalState
state = LocalState(Path(sys.argv[1]))
ticks = 0
def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.01)
gevent.spawn(tick)
state.increment("waiting", 60)
print(ticks > 20)
"""
    local_state.increment("counter", 60)
    with stopped_in_a_change(local_state):
        command = [sys.executable, "-c", script, str(tmp_path / "state")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30)
    assert done.stdout.strip() == b"True", done.stderr.decode()


def test_whose_turn_it_is_ends_with_its_process(tmp_path: Path) -> None:
    turn = Turn(tmp_path / "turn")
    process_id = os.fork()
    if not process_id:
        turn.__enter__()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process_id, 0)
    with turn:
        pass
