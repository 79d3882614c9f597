"""State in Redis, when Redis is away, hung or back; and the two policies for that time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.state import LocalState, State, StateUnavailableError, open_state
from gateway.state.policy import StateWithPolicy
from gateway.state.redis import RedisState
from gateway.state.redis_client import TIME_LIMIT
from tests.gateway_process import ROOT, find_free_port
from tests.state.conftest import RedisServer, hung
from tests.state.processes import another_process

SLACK = 0.9
"""Seconds that a machine busy with tests may add to the 50 ms; twenty times those are more."""

PATIENCE = 0.25
"""Seconds that a command may take where its time is not what is shown."""


@pytest.fixture
def nobody() -> str:
    return f"redis://127.0.0.1:{find_free_port()}/0"


@pytest.fixture
def denying(redis_server: RedisServer, redis_state: RedisState) -> Iterator[State]:
    state = StateWithPolicy(_connect(redis_server, PATIENCE), None)
    yield state
    state.close()


@pytest.fixture
def counting_locally(
    redis_server: RedisServer, redis_state: RedisState, tmp_path: Path
) -> Iterator[State]:
    state = StateWithPolicy(_connect(redis_server, PATIENCE), LocalState(tmp_path / "state"))
    yield state
    state.close()


def test_a_hung_redis_costs_50_ms_once_and_then_requests_are_refused_at_once(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.policy.RETRY_AFTER", 60.0)
    state = StateWithPolicy(_connect(redis_server), None)
    with hung(redis_server):
        assert 0.05 <= _refused_after(state) < 0.05 + SLACK
        assert sum(_refused_after(state) for _ in range(20)) < SLACK
    state.close()


def test_a_hung_redis_also_costs_50_ms_when_there_is_no_connection_yet(
    redis_server: RedisServer,
) -> None:
    state = RedisState(redis_server.url)
    with hung(redis_server):
        assert 0.05 <= _refused_after(state) < 0.05 + SLACK
    state.close()


def test_a_redis_that_is_not_there_is_refused_at_once(nobody: str) -> None:
    assert _refused_after(RedisState(nobody)) < SLACK


def test_while_redis_hangs_this_machine_counts_if_told_to(
    redis_server: RedisServer, counting_locally: State
) -> None:
    with hung(redis_server):
        counted = [counting_locally.increment("key", 60, limit=10).counted for _ in range(30)]
        counting_locally.check()
    assert counted == [True] * 10 + [False] * 20


def test_a_redis_that_is_back_is_used_again_and_both_changes_are_logged_once(
    redis_server: RedisServer,
    denying: State,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("gateway.state.policy.RETRY_AFTER", 0.01)
    with hung(redis_server):
        for _ in range(3):
            _refused_after(denying)
            time.sleep(0.02)
        with pytest.raises(StateUnavailableError):
            denying.check()
    _wait_until_counting(denying)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_only_one_request_at_a_time_tries_a_redis_that_was_away(nobody: str) -> None:
    attempts = 0

    class Counting(RedisState):
        def read(self, key: str) -> None:
            nonlocal attempts
            attempts += 1
            raise StateUnavailableError("away")

    state = StateWithPolicy(Counting(nobody), None)
    for _ in range(10):
        with pytest.raises(StateUnavailableError):
            state.read("key")
    assert attempts == 1


def test_an_answer_that_came_counts_although_this_process_was_too_busy_to_look(
    redis_server: RedisServer, redis_state: RedisState
) -> None:
    script = """
from gevent import monkey
monkey.patch_all()
import gevent, sys, time
from gateway.state.redis import RedisState
from gateway.state.redis_client import TIME_LIMIT
state = RedisState(sys.argv[1], time_limit=1.0)
state.increment("busy", 60)
def be_busy():
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        pass
gevent.spawn(be_busy)
print(state.increment("busy", 60).value)
"""
    command = [sys.executable, "-c", script, redis_server.url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30)
    assert done.stdout.strip() == b"2", done.stderr.decode()


def test_a_late_answer_is_not_taken_for_that_of_the_next_request(
    redis_server: RedisServer, redis_state: RedisState
) -> None:
    state = RedisState(redis_server.url, time_limit=0.5)
    state.increment("one", 60, 5)
    with hung(redis_server):
        _refused_after(state)
    assert redis_state.increment("other", 60).value == 1
    _wait_until_counting(state)
    other = state.read("other")
    assert other is not None
    assert other.value == 1
    state.close()


def test_values_are_refused_while_redis_is_away_and_the_clock_goes_on(
    redis_server: RedisServer, denying: State
) -> None:
    began = denying.now()
    with hung(redis_server):
        for _ in range(2):
            with pytest.raises(StateUnavailableError):
                denying.update("key", lambda old: (b"value", None), 60)
            with pytest.raises(StateUnavailableError):
                denying.get("key")
        assert 0 <= denying.now() - began < 5
    _wait_until_counting(denying)
    assert denying.get("key") is None


def test_while_redis_hangs_values_are_this_machines_if_told_to(
    redis_server: RedisServer, counting_locally: State
) -> None:
    counting_locally.update("key", lambda old: (b"shared", None), 60)
    owner = counting_locally.owner
    with hung(redis_server):
        assert counting_locally.update("key", lambda old: (b"local", old), 60) is None
        assert counting_locally.get("key") == b"local"
        assert counting_locally.is_alive(owner)
        assert not counting_locally.is_alive(owner.replace("/", "/1", 1))
        assert counting_locally.is_alive(owner.replace(":", ":another machine"))
    _wait_until_counting(counting_locally)
    _wait_until(lambda: counting_locally.get("key") == b"shared")


def test_changes_that_wait_for_one_that_fails_fail_with_it(redis_server: RedisServer) -> None:
    state = _connect(redis_server)
    outcomes: list[float] = []

    def change() -> None:
        start = time.monotonic()
        with pytest.raises(StateUnavailableError):
            state.update("key", lambda old: (b"value", None), 60)
        outcomes.append(time.monotonic() - start)

    with hung(redis_server):
        threads = [threading.Thread(target=change) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(outcomes) == 30
    assert max(outcomes) < 0.05 + SLACK
    state.close()


def test_nobody_is_taken_for_dead_because_redis_hung(
    redis_server: RedisServer, redis_state: RedisState, elsewhere: None
) -> None:
    with another_process(redis_state, _live) as other:
        assert redis_state.is_alive(other.said)
        os.kill(other.process_id, signal.SIGSTOP)
        with hung(redis_server):
            time.sleep(2.0)
        _assert_alive_for(0.3, redis_state, other.said)
        os.kill(other.process_id, signal.SIGCONT)  # it finds Redis again a little later than we
        _assert_alive_for(1.5, redis_state, other.said)
        os.kill(other.process_id, signal.SIGKILL)
        _wait_until(lambda: not redis_state.is_alive(other.said))


def test_a_process_that_computes_is_alive_and_its_greenlets_change_one_by_one(
    redis_server: RedisServer, redis_state: RedisState, elsewhere: None
) -> None:
    script = """
from gevent import monkey
monkey.patch_all()
import gevent, sys, time
from gateway.state.redis import RedisState
from gateway.state.redis_client import TIME_LIMIT
state = RedisState(sys.argv[1], time_limit=5.0)
def count(old):
    count.calls += 1
    return b"%d" % (int(old or b"0") + 1), None
count.calls = 0
def work():
    for _ in range(20):
        state.update("count", count, 60)
gevent.joinall([gevent.spawn(work) for _ in range(50)])
print(state.get("count").decode(), count.calls, state.owner, flush=True)
sys.stdin.readline()
end = time.monotonic() + 2.5
while time.monotonic() < end:
    pass
print("done", flush=True)
"""
    command = [sys.executable, "-c", script, redis_server.url]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        counted, calls, owner = process.stdout.readline().split()
        assert (counted, calls) == ("1000", "1000")
        process.stdin.write("\n")
        process.stdin.flush()
        _assert_alive_for(2.3, redis_state, owner)
        assert process.stdout.readline() == "done\n"
    assert process.returncode == 0


def test_the_url_is_checked_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL: "):
        open_state(Path("unused"), redis_url="http://127.0.0.1")


def test_without_redis_its_library_is_not_even_imported(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from gateway.state import open_state\n"
        "open_state(pathlib.Path(sys.argv[1])).increment('key', 60)\n"
        "print('redis' in sys.modules, 'ssl' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "state")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30)
    assert done.stdout.decode().split() == ["False", "False"], done.stderr.decode()


def _connect(server: RedisServer, time_limit: float = TIME_LIMIT) -> RedisState:
    """Return state with a connection that is open and has answered."""
    state = RedisState(server.url, time_limit=time_limit)
    _wait_until_counting(state)
    return state


def _refused_after(state: State) -> float:
    """Return the seconds after which ``state`` refused to count."""
    start = time.monotonic()
    with pytest.raises(StateUnavailableError):
        state.increment("key", 60)
    return time.monotonic() - start


def _assert_alive_for(seconds: float, state: RedisState, owner: str) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert state._look(owner)
        time.sleep(0.01)


def _live(state: State, say: Callable[[str], None]) -> None:
    say(state.owner)
    while True:
        signal.pause()


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _wait_until_counting(state: State) -> None:
    deadline = time.monotonic() + 5
    while True:
        try:
            state.check()
            return
        except StateUnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
