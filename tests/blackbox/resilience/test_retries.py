"""Asking the same target again: when, how often, how soon, and what the upstream sees of it."""

from __future__ import annotations

import time

import pytest

from tests.blackbox.resilience.acting import (
    be_silent,
    begin_events,
    fail,
    in_turn,
    reset,
    say,
    say_role_and_reset,
    seen,
)
from tests.blackbox.resilience.asking import at_once, log_field, log_line, stream_of, text_of
from tests.blackbox.resilience.conftest import CONNECT_TIMEOUT, HASTY
from tests.blackbox.wire import SSE, assert_error
from tests.gateway_process import Gateway
from tests.upstream import Connection, Handler, Request, Upstream

MAX_RETRIES = 2
SLACK = 2.0
"""Seconds that a machine busy with tests may add."""

PASSING = {
    "reset": reset,
    "408": fail(408),
    "409": fail(409),
    "429": fail(429),
    "500": fail(500),
    "502": fail(502),
    "503": fail(503),
}
LASTING = {
    "400": (fail(400), 400),
    "401": (fail(401), 502),
    "402": (fail(402), 502),
    "403": (fail(403), 502),
    "404": (fail(404, "model_not_found"), 404),
    "413": (fail(413), 413),
    "422": (fail(422), 422),
    "insufficient_quota": (fail(429, "insufficient_quota"), 429),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("failure", PASSING.values(), ids=PASSING)
def test_what_may_pass_is_tried_again_at_the_same_target(
    gateway: Gateway, first: Upstream, fresh: str, failure: Handler, streamed: bool
) -> None:
    first.handler = in_turn(failure, say("here"))
    got = gateway.chat(f"first/{fresh}", stream=streamed)
    assert text_of(got) == "here"
    assert len(seen(first, fresh)) == 2
    assert got.headers["x-gateway-attempts"] == "2"
    assert log_field(log_line(gateway, got), "attempts") == "2"


def test_retries_are_bounded_and_the_last_error_is_the_clients(
    gateway: Gateway, first: Upstream, fresh: str
) -> None:
    first.handler = fail(503)
    began = time.monotonic()
    got = gateway.chat(f"first/{fresh}")
    assert got.status_code == 503
    assert_error(got.text)
    assert len(seen(first, fresh)) == 1 + MAX_RETRIES
    assert time.monotonic() - began < 0.75 + SLACK, "backoff is up to 0.25 s and 0.5 s"


def test_refused_connections_are_tried_again(gateway: Gateway, fresh: str) -> None:
    got = gateway.chat(f"closed/{fresh}")
    assert got.status_code == 502
    assert log_field(log_line(gateway, got), "attempts") == str(1 + MAX_RETRIES)


def test_connect_timeouts_are_tried_again(gateway: Gateway, fresh: str) -> None:
    began = time.monotonic()
    got = gateway.chat(f"hole/{fresh}")
    assert got.status_code == 504
    assert time.monotonic() - began >= (1 + MAX_RETRIES) * CONNECT_TIMEOUT
    assert log_field(log_line(gateway, got), "attempts") == str(1 + MAX_RETRIES)


@pytest.mark.parametrize(("failure", "status"), LASTING.values(), ids=LASTING)
def test_what_will_not_change_is_asked_once(
    gateway: Gateway, first: Upstream, fresh: str, failure: Handler, status: int
) -> None:
    first.handler = failure
    got = gateway.chat(f"first/{fresh}")
    assert got.status_code == status
    assert len(seen(first, fresh)) == 1


def test_no_retry_after_a_first_byte_timeout(gateway: Gateway, first: Upstream, fresh: str) -> None:
    first.handler = be_silent
    began = time.monotonic()
    got = gateway.chat(f"hasty/{fresh}")
    assert got.status_code == 504
    assert len(seen(first, fresh)) == 1
    assert time.monotonic() - began < HASTY + SLACK


@pytest.mark.parametrize("streamed", [False, True])
def test_no_retry_after_the_first_byte(
    gateway: Gateway, first: Upstream, fresh: str, streamed: bool
) -> None:
    first.handler = say_role_and_reset
    got = gateway.chat(f"first/{fresh}", stream=streamed)
    assert got.status_code == 502
    assert len(seen(first, fresh)) == 1


def test_no_retry_after_the_first_content(gateway: Gateway, first: Upstream, fresh: str) -> None:
    def handler(request: Request, connection: Connection) -> None:
        connection.send_head(200, SSE)
        connection.send_chunk(begin_events("half"))
        connection.close()

    first.handler = handler
    stream = stream_of(gateway.chat(f"first/{fresh}", stream=True))
    assert (stream.content, len(stream.errors), stream.finish_reasons) == ("half", 1, [])
    assert len(seen(first, fresh)) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry_After": "1"}, 1.0), ({"retry_after_ms": "700"}, 0.7)],
    ids=["Retry-After", "retry-after-ms"],
)
@pytest.mark.parametrize("status", [429, 503])
def test_short_retry_after_is_obeyed(
    gateway: Gateway,
    first: Upstream,
    fresh: str,
    status: int,
    headers: dict[str, str],
    seconds: float,
) -> None:
    times: list[float] = []

    def note(then: Handler) -> Handler:
        def handler(request: Request, connection: Connection) -> None:
            times.append(time.monotonic())
            then(request, connection)

        return handler

    first.handler = in_turn(note(fail(status, **headers)), note(say("later")))
    assert text_of(gateway.chat(f"first/{fresh}")) == "later"
    assert len(seen(first, fresh)) == 2
    assert seconds <= times[1] - times[0] < seconds + SLACK


def test_who_asks_for_pauses_again_and_again_is_quoted_in_the_end(
    gateway: Gateway, first: Upstream, fresh: str
) -> None:
    first.handler = fail(429, Retry_After="1")
    answer = gateway.chat(f"first/{fresh}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert len(seen(first, fresh)) == 1 + MAX_RETRIES


def test_long_retry_after_is_not_waited_for_but_passed_on(
    gateway: Gateway, first: Upstream, fresh: str
) -> None:
    first.handler = fail(429, Retry_After="7")
    began = time.monotonic()
    got = gateway.chat(f"first/{fresh}")
    assert time.monotonic() - began < SLACK
    assert (got.status_code, got.headers["Retry-After"]) == (429, "7")
    assert len(seen(first, fresh)) == 1


def test_retries_have_a_budget_so_that_an_outage_is_not_amplified(
    gateway: Gateway, first: Upstream, fresh: str
) -> None:
    """A 409 opens no breaker, so that nothing but the budget bounds the retries."""
    first.handler = fail(409)
    asked = 30
    got = at_once(asked, lambda number: gateway.chat(f"first/{fresh}"))
    assert {answer.status_code for answer in got} == {409}
    retries = len(seen(first, fresh)) - asked
    assert 10 <= retries <= 10 + asked // 5


def test_deadline_of_the_client_bounds_the_sum(
    gateway: Gateway, first: Upstream, fresh: str
) -> None:
    first.handler = fail(503, retry_after_ms="900")
    began = time.monotonic()
    got = gateway.post(
        "/v1/chat/completions",
        {"model": f"first/{fresh}", "messages": [{"role": "user", "content": "hi"}]},
        headers={"x-request-timeout": "1.7"},
    )
    assert time.monotonic() - began < 1.7, "the wait that would end too late is not begun"
    assert got.status_code == 503
    assert len(seen(first, fresh)) == 2, "a second wait of 0.9 s would have been too long"


def test_deadline_of_the_client_ends_an_attempt(
    gateway: Gateway, first: Upstream, fresh: str
) -> None:
    first.handler = be_silent
    began = time.monotonic()
    got = gateway.post(
        "/v1/chat/completions",
        {"model": f"first/{fresh}", "messages": [{"role": "user", "content": "hi"}]},
        headers={"x-request-timeout": "0.4"},
    )
    assert 0.4 <= time.monotonic() - began < 0.4 + SLACK
    assert (got.status_code, got.json()["error"]["code"]) == (504, "request_timeout")
    assert len(seen(first, fresh)) == 1
