"""The places where state can lie: a file, and a real Redis, where one is installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from gateway.state import LocalState, State
from gateway.state.redis import RedisState
from tests.gateway_process import find_free_port


@dataclass
class RedisServer:
    """A running redis-server that keeps nothing on the disk."""

    process: subprocess.Popen[bytes]
    url: str


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    port = find_free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(
        command, cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.DEVNULL
    )
    server = RedisServer(process, f"redis://127.0.0.1:{port}/0")
    _wait_until_it_answers(server)
    yield server
    process.kill()
    process.wait()


@contextmanager
def hung(server: RedisServer) -> Iterator[None]:
    """Stop Redis in its tracks: the system still accepts connections for it."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


@pytest.fixture
def redis_state(redis_server: RedisServer) -> Iterator[RedisState]:
    # As patient as a machine busy with tests needs; what impatience does has its own tests.
    state = RedisState(redis_server.url, time_limit=5.0)
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
    yield state
    state.close()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process look at all others as if they were on another machine."""
    monkeypatch.setattr("gateway.state.redis.is_of_this_machine", lambda owner: False)


@pytest.fixture
def local_state(tmp_path: Path) -> Iterator[LocalState]:
    state = LocalState(tmp_path / "state")
    yield state
    state.close()


@pytest.fixture(params=["local_state", "redis_state"])
def state(request: pytest.FixtureRequest) -> State:
    """Each implementation in turn."""
    implementation: State = request.getfixturevalue(request.param)
    return implementation


def _wait_until_it_answers(server: RedisServer) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with redis.Redis.from_url(server.url) as client:
                client.ping()
            return
        except redis.ConnectionError:
            assert time.monotonic() < deadline, "redis-server did not start"
            time.sleep(0.01)
