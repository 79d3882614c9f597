"""Two gateways with one Redis: limits and breakers hold across both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.blackbox.late_redis import never_more, show_while_redis_is_in_time
from tests.blackbox.resilience.acting import Counting, fail, say, seen
from tests.blackbox.resilience.asking import at_once, text_of
from tests.blackbox.resilience.conftest import Upstreams, build_provider
from tests.gateway_process import Gateway, run_gateway

LIMIT = 3
MIN_ATTEMPTS = 10


@pytest.fixture
def machines(upstreams: Upstreams, tmp_path: Path, redis_url: str) -> Iterator[list[Gateway]]:
    provider = build_provider(upstreams["first"].port, max_concurrency=LIMIT)
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                run_gateway(
                    tmp_path / name,
                    config={"providers": {"first": provider}},
                    WEB_CONCURRENCY="2",
                    REDIS_URL=redis_url,
                )
            )
            for name in ("one", "other")
        ]


def test_limit_and_breaker_hold_across_both(machines: list[Gateway], upstreams: Upstreams) -> None:
    first = upstreams["first"]

    def show_limit(attempt: int) -> None:
        first.handler = counting = Counting("done", 0.05)
        model = f"first/busy-{attempt}"
        got = at_once(24, lambda number: text_of(machines[number % 2].chat(model)))
        never_more(counting.most, LIMIT)
        assert got == ["done"] * 24
        assert counting.most == LIMIT

    def show_breaker(attempt: int) -> None:
        model = f"failing-{attempt}"
        first.handler = fail(500)
        for number in range(16):
            machines[number % 2].chat(f"first/{model}")
        assert len(seen(first, model)) == MIN_ATTEMPTS
        first.handler = say("too soon")
        codes = [machine.chat(f"first/{model}").json()["error"]["code"] for machine in machines]
        assert codes == ["circuit_open"] * 2

    show_while_redis_is_in_time(machines, show_limit)
    show_while_redis_is_in_time(machines, show_breaker)
