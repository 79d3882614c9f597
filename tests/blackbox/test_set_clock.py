"""The wall clock is set while the gateway runs: an hour and a day, forward and back.

Python's own clocks are moved in its workers, by what a file says.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.blackbox.test_limits_and_budgets import (
    ADMIN,
    BOUND,
    MAX_TOKENS,
    build_config,
    create_key,
    upstream,
)
from tests.gateway_process import Gateway, chat_body, run_gateway
from tests.upstream import Upstream

__all__ = ["upstream"]

HOUR, DAY = 3600, 86400
STEPS = [HOUR, -HOUR, DAY, -DAY]

MOVED = """
import os, pathlib, time
_offset = pathlib.Path(os.environ["CLOCK_OFFSET"])
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + int(_offset.read_text() or 0)
time.time_ns = lambda: _time_ns() + int(_offset.read_text() or 0) * 10**9
"""


class Clock:
    """A gateway whose wall clock can be set."""

    def __init__(self, gateway: Gateway, offset: Path) -> None:
        self.gateway = gateway
        self._offset = offset

    def set(self, step: int) -> None:
        self._offset.with_suffix(".new").write_text(str(step))
        self._offset.with_suffix(".new").replace(self._offset)

    def ask(
        self, key: str, text: str = "hi", cached: str = "no-store", **headers: str
    ) -> requests.Response:
        body = chat_body("cloud/priced", max_tokens=MAX_TOKENS, temperature=0)
        body["messages"] = [{"role": "user", "content": text}]
        own = {"Authorization": f"Bearer {key}", "Cache-Control": cached}
        return self.gateway.post("/v1/chat/completions", body, headers={**own, **headers})

    def now(self) -> float:
        """Return the time of day as the gateway has it."""
        return time.time() + int(self._offset.read_text())


@pytest.fixture(scope="module")
def running(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clock]:
    directory = tmp_path_factory.mktemp("clock")
    (directory / "sitecustomize.py").write_text(MOVED)
    offset = directory / "offset"
    offset.write_text("0")
    environment = {"PYTHONPATH": str(directory), "CLOCK_OFFSET": str(offset)}
    config = {**build_config(upstream), "cache": {"ttl": 300}}
    with run_gateway(directory, config=config, WEB_CONCURRENCY="2", **environment) as gateway:
        yield Clock(gateway, offset)


@pytest.fixture
def clock(running: Clock) -> Iterator[Clock]:
    yield running
    running.set(0)


@pytest.mark.parametrize("step", STEPS)
def test_windows_go_on_and_end_in_their_time(clock: Clock, step: int) -> None:
    rate = create_key(clock.gateway, rate_limit="2/minute")
    tokens = create_key(clock.gateway, token_rate_limit=f"{2 * BOUND}/minute")
    for key in (rate, tokens):
        assert [clock.ask(key).status_code for _ in range(2)] == [200, 200]
    clock.set(step)
    for key in (rate, tokens):
        refused = clock.ask(key)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("step", STEPS)
def test_a_budget_is_that_of_the_day_the_clock_shows(clock: Clock, step: int) -> None:
    daily = create_key(clock.gateway, budget={"tokens": 2 * BOUND, "per": "day"})
    total = create_key(clock.gateway, budget={"tokens": 2 * BOUND, "per": "total"})
    began = int(clock.now()) // DAY
    for key in (daily, total):
        assert [clock.ask(key).status_code for _ in range(3)] == [200, 200, 402]
    clock.set(step)
    is_other_day = int(clock.now()) // DAY != began
    assert clock.ask(daily).status_code == (200 if is_other_day else 402)
    assert clock.ask(total).status_code == 402
    clock.set(0)
    assert clock.ask(daily).status_code == 402


def test_a_key_expires_when_the_clock_says_so(clock: Clock) -> None:
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=3)
    key = create_key(clock.gateway, expires_at=ends.strftime("%Y-%m-%dT%H:%M:%SZ"))
    for step, status in ((0, 200), (HOUR, 200), (DAY, 401), (-DAY, 200)):
        clock.set(step)
        assert clock.ask(key).status_code == status


@pytest.mark.parametrize("step", STEPS)
def test_answers_that_are_kept_are_as_old_as_they_are(
    clock: Clock, upstream: Upstream, step: int
) -> None:
    key = create_key(clock.gateway)
    assert clock.ask(key, f"cached {step}", "").headers["x-gateway-cache"] == "miss"
    again = {"Idempotency-Key": f"once{step}"}
    clock.ask(key, f"once {step}", **again)
    clock.set(step)
    before = len(upstream.requests)
    cached = clock.ask(key, f"cached {step}", "")
    assert cached.headers["x-gateway-cache"] == "hit"
    assert 0 <= int(cached.headers["Age"]) < 20
    assert clock.ask(key, f"once {step}", **again).status_code == 200
    assert len(upstream.requests) == before


@pytest.mark.parametrize("step", STEPS)
def test_the_books_have_each_request_once_at_the_time_of_the_clock(clock: Clock, step: int) -> None:
    key = create_key(clock.gateway)
    own = {"Authorization": f"Bearer {key}"}
    assert clock.ask(key).status_code == 200
    clock.set(step)
    assert clock.ask(key, **{"x-request-id": f"stepped{step}"}).status_code == 200
    path = f"/admin/requests?request_id=stepped{step}"
    (row,) = clock.gateway.get(path, headers=ADMIN).json()["data"]
    assert abs(row["created"] - clock.now()) < 20
    assert 0 <= row["duration_ms"] < 20_000
    totals: dict[str, Any] = clock.gateway.get("/stats", headers=own).json()["totals"]
    assert totals["requests"] == 2
