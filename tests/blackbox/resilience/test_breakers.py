"""Breakers, over all workers: counted at the upstream, which is spared while it fails."""

from __future__ import annotations

import time

import requests

from tests.blackbox.resilience.acting import (
    CHAT,
    fail,
    gate,
    in_turn,
    say,
    seen,
)
from tests.blackbox.resilience.asking import (
    AS_ADMIN,
    at_once,
    describe_targets,
    open_chat,
    text_of,
    wait_until,
)
from tests.blackbox.resilience.conftest import TakeRoute
from tests.gateway_process import Gateway
from tests.upstream import Upstream

MIN_ATTEMPTS = 10
MIN_OPEN = 5


def ask(gateway: Gateway, model: str, times: int) -> list[requests.Response]:
    """Ask one after the other, so that each worker gets some."""
    return [gateway.chat(model) for _ in range(times)]


def force(gateway: Gateway, name: str, state: str) -> None:
    forced = gateway.post(f"/admin/targets/{name}", {"state": state}, headers=AS_ADMIN)
    assert forced.status_code == 200, forced.text


def code_of(response: requests.Response) -> str:
    return str(response.json()["error"]["code"])


def test_failures_open_it_over_all_workers(gateway: Gateway, first: Upstream, fresh: str) -> None:
    first.handler = fail(500)
    got = ask(gateway, f"once/{fresh}", 20)
    assert len(seen(first, fresh)) == MIN_ATTEMPTS
    assert [answer.status_code for answer in got] == [502] * MIN_ATTEMPTS + [503] * 10
    assert code_of(got[-1]) == "circuit_open"
    assert 1 <= int(got[-1].headers["Retry-After"]) <= MIN_OPEN


def test_failures_below_the_rate_do_not_open_it(
    gateway: Gateway, first: Upstream, fresh: str
) -> None:
    first.handler = say("here")
    for _ in range(2):
        at_once(20, lambda number: gateway.chat(f"once/{fresh}"))
        time.sleep(0.3)  # each worker tells of successes with the next one, four times a second
    first.handler = fail(500)
    ask(gateway, f"once/{fresh}", 6)
    assert len(seen(first, fresh)) == 46


def test_clients_own_faults_do_not_open_it(gateway: Gateway, first: Upstream, fresh: str) -> None:
    first.handler = fail(400)
    assert {each.status_code for each in ask(gateway, f"once/{fresh}", 20)} == {400}
    assert len(seen(first, fresh)) == 20


def test_retry_after_cools_the_target_down(gateway: Gateway, first: Upstream, fresh: str) -> None:
    first.handler = fail(429, Retry_After="30")
    assert gateway.chat(f"once/{fresh}").status_code == 429
    first.handler = say("too soon")
    got = at_once(12, lambda number: gateway.chat(f"once/{fresh}"))
    assert {(each.status_code, code_of(each)) for each in got} == {(503, "circuit_open")}
    assert all(25 <= int(each.headers["Retry-After"]) <= 30 for each in got)
    assert len(seen(first, fresh)) == 1


def test_short_retry_after_is_waited_out_where_nobody_else_can_answer(
    gateway: Gateway, first: Upstream, fresh: str
) -> None:
    first.handler = in_turn(fail(429, Retry_After="1"), say("later"))
    began = time.monotonic()
    opening = open_chat(gateway, f"first/{fresh}")
    wait_until(lambda: len(seen(first, fresh)) == 1)
    got = at_once(4, lambda number: gateway.chat(f"first/{fresh}", stream=number % 2 == 0))
    assert [text_of(each) for each in got] == ["later"] * 4
    assert 1 <= time.monotonic() - began < 4
    assert opening.getresponse().status == 200
    opening.close()
    assert len(seen(first, fresh)) == 6


def test_one_probe_at_a_time_and_recovery(gateway: Gateway, first: Upstream, fresh: str) -> None:
    first.handler = fail(429, Retry_After="1")
    gateway.chat(f"once/{fresh}")
    time.sleep(1.05)
    refused: list[requests.Response] = []
    with gate(first, "recovered") as probe:

        def ask_and_open_when_all_others_are_refused(number: int) -> int:
            answer = gateway.chat(f"once/{fresh}")
            if answer.status_code == 503:
                refused.append(answer)
            if len(refused) == 19:
                probe.open()
            return answer.status_code

        assert sorted(at_once(20, ask_and_open_when_all_others_are_refused)) == [200] + [503] * 19
    assert len(seen(first, fresh)) == 2
    got = at_once(8, lambda number: gateway.chat(f"once/{fresh}"))
    assert [text_of(each) for each in got] == ["recovered"] * 8


def test_failed_probe_opens_it_for_longer(gateway: Gateway, first: Upstream, fresh: str) -> None:
    first.handler = fail(429, Retry_After="1")
    gateway.chat(f"once/{fresh}")
    time.sleep(1.05)
    first.handler = fail(500)
    assert gateway.chat(f"once/{fresh}").status_code == 502
    refused = gateway.chat(f"once/{fresh}")
    assert code_of(refused) == "circuit_open"
    assert MIN_OPEN < int(refused.headers["Retry-After"]) <= 2 * MIN_OPEN
    assert len(seen(first, fresh)) == 2


def test_probe_whose_client_leaves_is_free_again(
    gateway: Gateway, first: Upstream, fresh: str
) -> None:
    first.handler = fail(429, Retry_After="1")
    gateway.chat(f"once/{fresh}")
    time.sleep(1.05)
    with gate(first, "never") as it:
        body = {"model": f"once/{fresh}", "messages": [{"role": "user", "content": "hi"}]}
        client = gateway.connect("POST", CHAT, body)
        it.wait_until_asked()
        assert gateway.chat(f"once/{fresh}").status_code == 503
        client.close()
        first.handler = say("recovered")
        wait_until(lambda: gateway.chat(f"once/{fresh}").status_code == 200, 2)


def test_admins_see_it_and_override_it(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute
) -> None:
    route = take("pair")
    first.handler = say("the first")
    second.handler = say("the second")
    name = f"first/{route.model}"
    assert describe_targets(gateway)[name]["breaker"]["state"] == "closed"
    force(gateway, name, "open")
    assert describe_targets(gateway)[name]["breaker"]["state"] == "open"
    assert [text_of(each) for each in ask(gateway, route.name, 8)] == ["the second"] * 8
    force(gateway, name, "closed")
    first.handler = fail(500)
    ask(gateway, route.name, 8)
    assert len(seen(first, route.model)) == 8, "forced closed, it lets everything through"
    force(gateway, name, "automatic")
    first.handler = say("the first")
    assert [text_of(each) for each in ask(gateway, route.name, 4)] == ["the first"] * 4


def test_looking_at_health_generates_nothing(
    gateway: Gateway, first: Upstream, second: Upstream, third: Upstream
) -> None:
    describe_targets(gateway)
    for path in ("/health", "/health/ready"):
        gateway.get(path)
    assert [
        each.method for up in (first, second, third) for each in up.requests if each.method != "GET"
    ] == []
