"""The next target takes over, and the client sees one answer and nothing of it."""

from __future__ import annotations

import re
import time

import pytest

from tests.blackbox.resilience.acting import (
    be_silent,
    begin_events,
    fail,
    gate,
    reset,
    say,
    say_role_and_reset,
    seen,
    talk_nonsense,
    tell_error_in_a_success,
)
from tests.blackbox.resilience.asking import (
    AS_ADMIN,
    at_once,
    log_field,
    log_line,
    stream_of,
    text_of,
)
from tests.blackbox.resilience.conftest import TakeRoute
from tests.blackbox.wire import SSE, assert_error
from tests.gateway_process import Gateway
from tests.upstream import Connection, Handler, Request, Upstream

REASONS = {
    "reset": reset,
    "401": fail(401),
    "402": fail(402),
    "403": fail(403),
    "model_not_found": fail(404, "model_not_found"),
    "404": fail(404),
    "408": fail(408),
    "409": fail(409),
    "429": fail(429),
    "429 for long": fail(429, Retry_After="30"),
    "insufficient_quota": fail(429, "insufficient_quota"),
    "500": fail(500),
    "503": fail(503),
    "web page": talk_nonsense,
    "error in a 200": tell_error_in_a_success,
    "role, then reset": say_role_and_reset,
}
SLACK = 2.0
"""Seconds that a machine busy with tests may add."""

both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@both
@pytest.mark.parametrize("failure", REASONS.values(), ids=REASONS)
def test_failure_before_the_first_content_moves_on_unseen(
    gateway: Gateway,
    first: Upstream,
    second: Upstream,
    take: TakeRoute,
    failure: Handler,
    streamed: bool,
) -> None:
    route = take("pair")
    first.handler = failure
    second.handler = say("the second")
    got = gateway.chat(route.name, stream=streamed)
    assert text_of(got) == "the second"
    # With another target left each gets one try.
    assert (len(seen(first, route.model)), len(seen(second, route.model))) == (1, 1)
    assert got.headers["x-gateway-attempts"] == "2"
    assert got.headers["x-gateway-provider"] == "second"


@both
@pytest.mark.parametrize("sort", ["refused", "unreachable"])
def test_target_that_cannot_be_reached(
    gateway: Gateway, second: Upstream, take: TakeRoute, sort: str, streamed: bool
) -> None:
    route = take(sort)
    second.handler = say("the second")
    got = gateway.chat(route.name, stream=streamed)
    assert text_of(got) == "the second"
    assert len(seen(second, route.model)) == 1
    assert got.headers["x-gateway-attempts"] == "2"


@both
def test_first_byte_deadline_of_the_target(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute, streamed: bool
) -> None:
    route = take("impatient")
    first.handler = be_silent
    second.handler = say("the second")
    began = time.monotonic()
    assert text_of(gateway.chat(route.name, stream=streamed)) == "the second"
    assert 0.7 <= time.monotonic() - began < 0.7 + SLACK
    assert (len(seen(first, route.model)), len(seen(second, route.model))) == (1, 1)


@both
def test_full_queue(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute, streamed: bool
) -> None:
    route = take("spilling")
    second.handler = say("the second")
    with gate(first, "the first") as it:

        def ask(number: int) -> str:
            if number:
                it.wait_until_asked()
                try:
                    return text_of(gateway.chat(route.name, stream=streamed))
                finally:
                    it.open()
            return text_of(gateway.chat(route.name, stream=streamed))

        assert at_once(2, ask) == ["the first", "the second"]
    assert (len(seen(first, route.model)), len(seen(second, route.model))) == (1, 1)


@both
def test_open_breaker(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute, streamed: bool
) -> None:
    route = take("pair")
    second.handler = say("the second")
    forced = gateway.post(
        f"/admin/targets/first/{route.model}", {"state": "open"}, headers=AS_ADMIN
    )
    assert forced.status_code == 200
    assert text_of(gateway.chat(route.name, stream=streamed)) == "the second"
    assert (len(seen(first, route.model)), len(seen(second, route.model))) == (0, 1)


@pytest.mark.parametrize("status", [400, 413, 422])
@both
def test_the_clients_own_fault_stays_with_it(
    gateway: Gateway,
    first: Upstream,
    second: Upstream,
    take: TakeRoute,
    status: int,
    streamed: bool,
) -> None:
    route = take("pair")
    first.handler = fail(status)
    got = gateway.chat(route.name, stream=streamed)
    assert got.status_code == status
    assert_error(got.text)
    assert (len(seen(first, route.model)), len(seen(second, route.model))) == (1, 0)


def test_no_fallback_after_the_first_content(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute
) -> None:
    def handler(request: Request, connection: Connection) -> None:
        connection.send_head(200, SSE)
        connection.send_chunk(begin_events("half"))
        connection.close()

    route = take("pair")
    first.handler = handler
    stream = stream_of(gateway.chat(route.name, stream=True))
    assert (stream.content, len(stream.errors), stream.finish_reasons) == ("half", 1, [])
    assert seen(second, route.model) == []


def test_whole_answer_moves_on_even_from_the_middle(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute
) -> None:
    def handler(request: Request, connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b'{"choices": [')
        connection.close()

    route = take("pair")
    first.handler = handler
    second.handler = say("the second")
    assert text_of(gateway.chat(route.name)) == "the second"


@both
def test_too_long_a_context_goes_only_to_a_longer_one(
    gateway: Gateway,
    first: Upstream,
    second: Upstream,
    third: Upstream,
    take: TakeRoute,
    streamed: bool,
) -> None:
    route = take("growing")
    first.handler = second.handler = fail(400, "context_length_exceeded")
    third.handler = say("the third")
    assert text_of(gateway.chat(route.name, stream=streamed)) == "the third"
    counts = [len(seen(each, route.model)) for each in (first, second, third)]
    assert counts == [1, 0, 1]


@both
def test_too_long_a_context_without_a_longer_one_is_the_clients(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute, streamed: bool
) -> None:
    route = take("shrinking")
    first.handler = fail(400, "context_length_exceeded")
    got = gateway.chat(route.name, stream=streamed)
    assert got.status_code == 400
    assert_error(got.text, code="context_length_exceeded")
    assert seen(second, route.model) == []


@both
def test_all_fail_and_the_last_error_is_told_after_its_retries(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute, streamed: bool
) -> None:
    route = take("pair")
    first.handler = fail(500)
    second.handler = fail(503)
    got = gateway.chat(route.name, stream=streamed)
    assert got.status_code == 503
    assert_error(got.text)
    # Backoff only begins at the last.
    assert (len(seen(first, route.model)), len(seen(second, route.model))) == (1, 3)


def test_log_names_each_attempt_with_its_target_status_and_duration(
    gateway: Gateway, first: Upstream, second: Upstream, third: Upstream, take: TakeRoute
) -> None:
    route = take("three")
    first.handler = fail(429, "insufficient_quota")
    second.handler = reset
    third.handler = say("the third", after=1.0)
    line = log_line(gateway, gateway.chat(route.name))
    assert log_field(line, "attempts") == "3"
    tried = log_field(line, "tried").split(",")
    named = [re.fullmatch(r"(.+):(\d+):([\d.]+)ms", each) for each in tried]
    assert [(each[1], each[2]) for each in named if each] == [
        (f"first/{route.model}", "429"),
        (f"second/{route.model}", "502"),
        (f"third/{route.model}", "200"),
    ]
    durations = [float(each[3]) for each in named if each]
    assert durations[0] < 1000 <= durations[2]


def test_failure_costs_no_more_time_than_the_upstream_took_for_it(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute
) -> None:
    def handler(request: Request, connection: Connection) -> None:
        time.sleep(0.3)
        connection.send_answer(b"{}", 503, {"Retry-After": "2"})

    route = take("pair")
    first.handler = handler
    second.handler = say("the second")
    began = time.monotonic()
    assert text_of(gateway.chat(route.name, stream=True)) == "the second"
    assert time.monotonic() - began < 2, "nobody waits where another can answer"


def test_pings_flow_while_targets_are_tried_and_the_answer_follows(
    gateway: Gateway, first: Upstream, second: Upstream, take: TakeRoute
) -> None:
    route = take("pinging")
    first.handler = be_silent
    second.handler = say("the second")
    got = gateway.chat(route.name, stream=True)
    assert text_of(got) == "the second"
    assert stream_of(got).comments
