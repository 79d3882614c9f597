"""Limits and budgets over two gateways behind one nginx, with one PostgreSQL and one Redis."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
import redis

from tests.blackbox.late_redis import never_more, show_while_redis_is_in_time
from tests.blackbox.test_limits_and_budgets import (
    BOUND,
    BURST,
    FITTING,
    WINDOW,
    build_config,
    burst,
    burst_within,
    create_key,
    statuses,
    upstream,
)
from tests.gateway_process import Gateway, run_gateway
from tests.nginx import run_nginx
from tests.postgresql import PostgresqlServer, postgresql_server
from tests.state.conftest import RedisServer, redis_server
from tests.upstream import Upstream
from tests.waiting import wait_until

__all__ = ["postgresql_server", "redis_server", "upstream"]


@pytest.fixture(scope="module")
def machines(
    upstream: Upstream,
    postgresql_server: PostgresqlServer,
    redis_server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[Gateway]]:
    """Two gateways, each with two workers."""
    directory = tmp_path_factory.mktemp("machines")
    environment = {
        "DATABASE_URL": postgresql_server.create_database(),
        "REDIS_URL": redis_server.url,
        "TRUSTED_PROXY_HOPS": "1",
        "WEB_CONCURRENCY": "2",
    }
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                run_gateway(directory / name, config=build_config(upstream), **environment)
            )
            for name in ("one", "other")
        ]


@pytest.fixture(scope="module")
def front(machines: list[Gateway], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """An nginx that asks the two in turn."""
    directory = tmp_path_factory.mktemp("front") / "nginx"
    with run_nginx(directory, [each.port for each in machines]) as port:
        yield replace(machines[0], port=port)


def count_answered(front: Gateway, key: str) -> int:
    """Return how many of a key's requests stand in the books of both as answered."""
    totals = front.get("/stats", headers={"Authorization": f"Bearer {key}"}).json()["totals"]
    return int(totals["requests"] - totals["errors"])


def check(counts: Counter[int], refused: int) -> int:
    """Check a burst's answers and return how many passed: never too many, fewer if Redis was late.

    Who asked a Redis that took longer than the 50 ms it has was told so: 503.
    """
    never_more(counts[200], FITTING)
    assert sum(counts[status] for status in (200, refused, 503)) == BURST, counts
    assert counts[200] == FITTING or counts[503], counts
    return counts[200]


def test_a_burst_over_both_gets_what_the_window_has(
    machines: list[Gateway], front: Gateway
) -> None:
    def show(attempt: int) -> None:
        key = create_key(front, token_rate_limit=f"{FITTING * BOUND} per {WINDOW} seconds")
        wait = 0.0
        for _ in range(2):
            time.sleep(wait)
            answers = burst_within(WINDOW, front, key)
            check(statuses(answers), 429)
            refused = next(answer for answer in answers if answer.status_code == 429)
            wait = float(refused.headers["retry-after-ms"]) / 1000 + 0.01

    show_while_redis_is_in_time(machines, show)


def test_a_budget_is_spent_once_and_stays_spent_when_redis_is_emptied(
    machines: list[Gateway], front: Gateway, redis_server: RedisServer
) -> None:
    def show(attempt: int) -> None:
        key = create_key(front, budget={"usd": FITTING * BOUND / 1000, "per": "month"})
        passed = check(statuses(burst(front, key)), 402)
        wait_until(lambda: count_answered(front, key) == passed)
        with redis.Redis.from_url(redis_server.url) as client:
            client.flushdb()
        never_more(passed + statuses(burst(front, key, requests_at_once=20))[200], FITTING)

    show_while_redis_is_in_time(machines, show)
