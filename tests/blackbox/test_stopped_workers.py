"""A worker that is stopped (SIGSTOP), and workers that are all killed at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.holding import Held, OpenStream
from tests.blackbox.wire import NDJSON, ollama_line
from tests.gateway_process import ADMIN_KEY, Gateway, run_gateway, wait_until_healthy
from tests.state.conftest import RedisServer, redis_server
from tests.upstream import Connection, Request, Upstream
from tests.waiting import wait_until

__all__ = ["redis_server"]

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
STOPPED_FOR = 2.5
"""Seconds, after which a process that does not beat is dead to others."""
MAX_TOKENS = 90
PATIENCE = 10.0
SETTLED_WITHIN = 5.0
"""Seconds from the first answer of a new worker until what the dead have left is charged."""


class Acting:
    """Holds the answers of the models ``held`` and ``lost``, and answers others at once.

    What is asked of ``lost`` never ends.
    """

    def __init__(self) -> None:
        self.held = Held()
        self.asked = 0

    def __call__(self, request: Request, connection: Connection) -> None:
        if request.path != "/api/chat":
            connection.send_json({"models": []})
        elif request.json()["model"] == "lost":
            connection.send_head(200, NDJSON)
            connection.send_chunk(ollama_line("one"))
            connection.wait_closed(20)
        elif request.json()["model"] == "held":
            self.asked += 1
            self.held(request, connection)
        else:
            connection.send_answer(ollama_line("one", done=True), 200, NDJSON)


@pytest.fixture
def acting(upstream: Upstream) -> Iterator[Acting]:
    upstream.routes.clear()
    upstream.handler = it = Acting()
    yield it
    it.held.end.set()


def build_config(upstream: Upstream) -> dict[str, Any]:
    return {
        "providers": {"ollama": {"kind": "ollama", "base_url": upstream.url}},
        "models": {"scarce": {"targets": [{"target": "ollama/held", "max_concurrency": 1}]}},
    }


def read_rows(gateway: Gateway) -> list[dict[str, Any]]:
    got = gateway.get("/admin/requests?limit=1000", headers=ADMIN)
    rows: list[dict[str, Any]] = got.json().get("data", [])
    return rows


def count_answered(gateway: Gateway) -> int:
    return sum(row["status"] == 200 for row in read_rows(gateway))


def ask_until_answered(gateway: Gateway, model: str) -> None:
    """Ask until there is an answer: on a busy machine Redis may be taken for hung for a second."""
    deadline = time.monotonic() + PATIENCE
    while (got := gateway.chat(model)).status_code != 200:
        assert got.status_code == 503, got.text
        assert time.monotonic() < deadline, got.text
        time.sleep(0.1)


def find_worker_asking(gateway: Gateway, upstream: Upstream) -> int:
    """Return the worker that has a connection to ``upstream``."""
    ours = f"{upstream.port:04X}"
    for pid in gateway.worker_pids():
        sockets = {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.exists()}
        for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            is_open = fields[3] == "01" and fields[2].endswith(f":{ours}")
            if is_open and f"socket:[{fields[9]}]" in sockets:
                return pid
    raise AssertionError("no worker asks the upstream")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("place", ["file", "redis"])
def test_while_one_is_stopped_others_go_on_and_its_slot_stays_its_own(
    place: str,
    acting: Acting,
    upstream: Upstream,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    environment = {"WEB_CONCURRENCY": "2", "TOKEN_RATE_LIMIT": "1000000/minute"}
    if place == "redis":
        redis: RedisServer = request.getfixturevalue("redis_server")
        environment["REDIS_URL"] = redis.url
    with run_gateway(tmp_path, config=build_config(upstream), **environment) as gateway:
        stream = OpenStream(gateway, "scarce")
        with stopped(find_worker_asking(gateway, upstream)):
            waiter = threading.Thread(target=ask_until_answered, args=(gateway, "scarce"))
            waiter.start()
            end = time.monotonic() + STOPPED_FOR
            while time.monotonic() < end:
                ask_until_answered(gateway, "ollama/free")
                time.sleep(0.1)
        time.sleep(0.3)
        assert acting.asked == 1, "its slot was given away"
        acting.held.end.set()
        assert stream.read().content == "onetwo"
        stream.close()
        waiter.join()
        asked = len(upstream.asked("/api/chat"))
        wait_until(lambda: count_answered(gateway) == asked)


@pytest.mark.parametrize("who", ["workers", "workers and master"])
def test_what_all_workers_left_when_they_were_killed_is_charged_once_one_is_there_again(
    who: str, acting: Acting, upstream: Upstream, tmp_path: Path
) -> None:
    settings = {"WEB_CONCURRENCY": "2", "TOKEN_RATE_LIMIT": "1000000/minute"}
    config = build_config(upstream)
    with run_gateway(tmp_path, config=config, **settings) as gateway:
        for _ in range(3):
            assert gateway.chat("ollama/free", max_tokens=MAX_TOKENS).status_code == 200
        streams = [OpenStream(gateway, "ollama/lost") for _ in range(3)]
        workers = gateway.worker_pids()
        if who == "workers":
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not set(workers) & set(gateway.worker_pids()))
            wait_until_healthy(gateway)
            assert_charged(gateway, 3)
        else:
            os.killpg(gateway.process.pid, signal.SIGKILL)
            gateway.process.wait()
            with run_gateway(tmp_path, config=config, **settings) as other:
                assert_charged(other, 3)
        for stream in streams:
            stream.close()


def assert_charged(gateway: Gateway, orphans: int) -> None:
    def errors() -> Counter[str]:
        return Counter(row["error"] for row in read_rows(gateway))

    wait_until(lambda: errors() == {"": 3, "worker_died": orphans}, SETTLED_WITHIN)
    (whole,) = {row["completion_tokens"] for row in read_rows(gateway) if not row["error"]}
    assert whole == 1
    reserved = {row["completion_tokens"] for row in read_rows(gateway) if row["error"]}
    assert reserved == {4096}
    stats = gateway.get("/stats", headers=ADMIN).json()["totals"]
    assert stats["requests"] == 3 + orphans
