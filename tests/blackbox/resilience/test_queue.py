"""The fair queue before what few may use at a time, counted at the upstream."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import time

import pytest

from tests.blackbox.resilience.acting import (
    CHAT,
    Counting,
    Gate,
    gate,
    prompt,
    prompt_of,
    say,
    seen,
)
from tests.blackbox.resilience.asking import (
    AS_ADMIN,
    at_once,
    describe_targets,
    log_field,
    log_line,
    open_chat,
    text_of,
    wait_until,
)
from tests.blackbox.resilience.conftest import OTHER_KEY, PING_AFTER, TakeRoute
from tests.blackbox.wire import assert_error, assert_promises_kept, iter_blocks, read_stream
from tests.chaos.trouble import read_client_ports
from tests.gateway_process import Gateway
from tests.upstream import Upstream

AS_OTHER = {"Authorization": f"Bearer {OTHER_KEY}"}


def queued(gateway: Gateway, name: str) -> int:
    return int(describe_targets(gateway)[name]["queued"])


@pytest.mark.parametrize("limited", ["target", "provider"])
def test_limit_is_exact_over_all_workers(
    gateway: Gateway, first: Upstream, take: TakeRoute, fresh: str, limited: str
) -> None:
    name, limit = (take("few").name, 3) if limited == "target" else (f"scarce/{fresh}", 2)
    first.handler = counting = Counting("done", 0.05)
    got = at_once(24, lambda number: gateway.chat(name, stream=bool(number % 2)))
    assert [text_of(each) for each in got] == ["done"] * 24
    assert len(first.requests) == 24
    assert counting.most == limit


def test_limit_of_a_target_holds_by_whatever_name(
    gateway: Gateway, first: Upstream, take: TakeRoute
) -> None:
    route = take("few")
    names = [route.name, f"first/{route.model}"]
    first.handler = counting = Counting("done", 0.05)
    got = at_once(16, lambda number: gateway.chat(names[number % 2]))
    assert [text_of(each) for each in got] == ["done"] * 16
    assert counting.most == 3


def test_place_is_told_in_comments_and_the_wait_in_headers_and_logs(
    gateway: Gateway, first: Upstream, take: TakeRoute
) -> None:
    route = take("single")
    with gate(first, "done") as it:
        holder = open_chat(gateway, route.name)
        it.wait_until_asked()
        whole = open_chat(gateway, route.name)
        wait_until(lambda: queued(gateway, f"first/{route.model}") == 1)
        waiting = open_chat(gateway, route.name, stream=True)
        blocks = iter_blocks(waiting.getresponse())
        assert next(blocks) == ": queued 2"
        it.open()
        assert read_status(holder) == 200
        answer = whole.getresponse()
        assert answer.status == 200
        waited = float(answer.headers["x-gateway-queued-ms"])
        assert 1000 * PING_AFTER - 100 <= waited < 20_000
        line = gateway.wait_for_log(f"request_id={answer.headers['x-request-id']} ")
        assert abs(float(log_field(line, "queued_ms")) - waited) <= 1
        stream = read_stream(blocks)
        assert stream.content == "done"
        assert_promises_kept(stream)
        for connection in (whole, waiting):
            connection.close()


def test_no_header_for_who_did_not_wait(gateway: Gateway, first: Upstream, take: TakeRoute) -> None:
    first.handler = say("done")
    got = gateway.chat(take("single").name)
    assert "x-gateway-queued-ms" not in got.headers
    assert "queued_ms" not in log_line(gateway, got)


@pytest.mark.parametrize("streamed", [False, True])
def test_full_queue_is_a_503_with_retry_after(
    gateway: Gateway, first: Upstream, take: TakeRoute, streamed: bool
) -> None:
    route = take("cramped")
    with gate(first, "done") as it:
        holder = open_chat(gateway, route.name)
        it.wait_until_asked()
        waiting = open_chat(gateway, route.name)
        wait_until(lambda: queued(gateway, f"first/{route.model}") == 1)
        refused = gateway.chat(route.name, stream=streamed)
        assert refused.status_code == 503
        assert_error(refused.text, code="queue_full")
        assert 1 <= int(refused.headers["Retry-After"]) <= 10
        it.open()
        assert [read_status(each) for each in (holder, waiting)] == [200, 200]
    assert len(seen(first, route.model)) == 2


def test_many_requests_of_one_key_do_not_delay_another_key(
    gateway: Gateway, first: Upstream, take: TakeRoute
) -> None:
    route = take("single")
    target = f"first/{route.model}"
    with gate(first, "done") as it:

        def ask(number: int) -> int:
            if number < 50:
                return gateway.chat(route.name, messages=prompt("many")).status_code
            wait_until(lambda: queued(gateway, target) == 49)
            body = {"model": route.name, "messages": prompt("one")}
            return gateway.post(CHAT, body, headers=AS_OTHER).status_code

        def open_when_all_wait(number: int) -> int:
            if number <= 50:
                return ask(number)
            wait_until(lambda: queued(gateway, target) == 50)
            it.open()
            return 200

        assert at_once(52, open_when_all_wait) == [200] * 52
    served = [prompt_of(body) for body in seen(first, route.model)]
    assert (len(served), served.index("one")) == (51, 1)


def test_key_of_higher_priority_goes_first(
    gateway: Gateway, first: Upstream, take: TakeRoute
) -> None:
    route = take("single")
    target = f"first/{route.model}"
    made = gateway.post("/admin/keys", {"name": "urgent", "priority": 5}, headers=AS_ADMIN)
    assert made.status_code == 201, made.text
    as_urgent = {"Authorization": f"Bearer {made.json()['key']}"}
    with gate(first, "done") as it:

        def ask(number: int) -> int:
            wait_until(lambda: number == 0 or queued(gateway, target) == number - 1)
            body = {"model": route.name, "messages": prompt(str(number))}
            headers = as_urgent if number == 3 else AS_OTHER
            return gateway.post(CHAT, body, headers=headers).status_code

        def open_when_all_wait(number: int) -> int:
            if number < 4:
                if number == 1:
                    it.wait_until_asked()
                return ask(number)
            wait_until(lambda: queued(gateway, target) == 3)
            it.open()
            return 200

        assert at_once(5, open_when_all_wait) == [200] * 5
    assert [prompt_of(body) for body in seen(first, route.model)] == ["0", "3", "1", "2"]


def test_client_that_leaves_the_queue_is_never_served(
    gateway: Gateway, first: Upstream, take: TakeRoute
) -> None:
    route = take("single")
    target = f"first/{route.model}"
    with gate(first, "done") as it:
        holder = open_chat(gateway, route.name)
        it.wait_until_asked()
        leaving = open_chat(gateway, route.name, messages=prompt("leaves"))
        wait_until(lambda: queued(gateway, target) == 1)
        leaving.close()
        wait_until(lambda: queued(gateway, target) == 0, 1)
        it.open()
        assert read_status(holder) == 200
    assert text_of(gateway.chat(route.name, messages=prompt("stays"))) == "done"
    assert [prompt_of(each) for each in seen(first, route.model)] == ["hi", "stays"]


def test_killed_worker_gives_its_slots_back_within_two_seconds(
    gateway: Gateway, first: Upstream, take: TakeRoute
) -> None:
    route = take("single")
    first.handler = it = Gate("never")
    holder = open_chat(gateway, route.name)
    it.wait_until_asked()
    first.handler = say("done")
    assert holder.sock is not None
    os.kill(worker_of(gateway, holder.sock), signal.SIGKILL)
    killed = time.monotonic()
    assert text_of(gateway.chat(route.name)) == "done"
    assert time.monotonic() - killed < 2
    holder.close()
    it.open()


def read_status(connection: http.client.HTTPConnection) -> int:
    """Read an answer to its end, hang up, and return its status."""
    with contextlib.closing(connection), connection.getresponse() as response:
        response.read()
        return response.status


def worker_of(gateway: Gateway, client: socket.socket) -> int:
    """Return the process that serves ``client``: the others have to be there to take over."""
    port = client.getsockname()[1]
    (pid,) = (pid for pid in gateway.worker_pids() if port in read_client_ports(pid, gateway.port))
    return pid
