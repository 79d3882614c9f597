"""Request limits as clients meet them: refusals, headers, several workers, restarts."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter as Tally
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_limiter import Limiter

from gateway.api.limits import parse_rate_limit
from gateway.errors import ConfigurationError
from gateway.state import LocalState, State, open_state
from tests.api.limited_app import build_app
from tests.gateway_process import ROOT, build_environment, find_free_port, stop

LIMIT = "x-ratelimit-limit-requests"
REMAINING = "x-ratelimit-remaining-requests"
RESET = "x-ratelimit-reset-requests"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = LocalState(tmp_path / "state")
    yield state
    state.close()


def build_client(rate_limit: str, state: State) -> FlaskClient:
    return build_app(rate_limit, state).test_client()


def test_requests_up_to_the_limit_pass_and_the_next_is_429(state: State) -> None:
    client = build_client("3/minute", state)
    answers = [client.post("/chat") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers[REMAINING] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert {answer.headers[LIMIT] for answer in answers} == {"3"}


def test_the_refusal_says_which_limit_and_when_to_come_again(state: State) -> None:
    client = build_client("1 per 5 minutes", state)
    client.post("/chat")
    answer = client.post("/chat")
    assert answer.json is not None
    error = answer.json["error"]
    assert (error["type"], error["code"], error["param"]) == (
        "requests",
        "rate_limit_exceeded",
        None,
    )
    assert re.fullmatch(
        r"Rate limit reached: this key may make 1 request per 5 minutes\. "
        r"Try again in (4m5[5-9](\.\d+)?s|5m0s)\.",
        error["message"],
    )
    assert 295 <= int(answer.headers["Retry-After"]) <= 300


def test_each_key_has_its_own_limit(state: State) -> None:
    client = build_client("1/minute", state)
    for name in ("alice", "bob"):
        assert client.post("/chat", headers={"x-caller": name}).status_code == 200
        assert client.post("/chat", headers={"x-caller": name}).status_code == 429


def test_the_headers_tell_of_the_limit_nearest_to_its_end(state: State) -> None:
    client = build_client("1000/hour;5/minute", state)
    assert client.post("/chat").headers[LIMIT] == "5"
    client = build_client("3/day;100/minute", state)
    answer = client.post("/chat")
    assert (answer.headers[LIMIT], answer.headers[REMAINING]) == ("3", "2")
    assert answer.headers[RESET].startswith(("23h59m", "24h0m0s"))


def test_refusals_do_not_extend_the_window(state: State) -> None:
    client = build_client("1 per 1 second", state)
    client.post("/chat")
    start = time.monotonic()
    while client.post("/chat").status_code == 429:
        assert time.monotonic() < start + 3
        time.sleep(0.01)


def test_a_request_refused_by_the_shorter_limit_is_not_counted_by_the_longer(state: State) -> None:
    client = build_client("1/minute;10/day", state)
    for _ in range(20):
        client.post("/chat")
    day = state.read("LIMITER/alice/10/1/day")
    assert day is not None
    assert day.value == 1


def test_an_error_after_counting_carries_the_headers_too(state: State) -> None:
    answer = build_client("10/minute", state).post("/chat?bad")
    assert (answer.status_code, answer.headers[REMAINING]) == (400, "9")


def test_what_is_not_limited_is_neither_counted_nor_told(state: State) -> None:
    client = build_client("1/minute", state)
    for answer in (client.get("/free"), client.get("/chat"), client.options("/chat")):
        assert answer.status_code in (200, 405)
        assert LIMIT not in answer.headers
    assert client.post("/chat").status_code == 200


def test_the_reset_time_is_that_of_the_moment_the_headers_are_written(state: State) -> None:
    app = build_app("10/hour", state)

    @app.after_request  # runs before those registered earlier
    def wait(response):  # type: ignore[no-untyped-def]
        time.sleep(0.05)
        return response

    minutes, seconds = app.test_client().post("/chat").headers[RESET].rstrip("s").split("m")
    assert 3550 < int(minutes) * 60 + float(seconds) <= 3599.95


def test_where_counting_is_impossible_requests_are_refused(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state", redis_url=f"redis://127.0.0.1:{find_free_port()}/0")
    answer = build_client("10/minute", state).post("/chat")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json is not None
    assert answer.json["error"]["code"] == "limits_unavailable"


def test_without_redis_this_machine_counts_if_told_to(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{find_free_port()}/0"
    state = open_state(tmp_path / "state", redis_url=url, when_redis_is_down="local")
    client = build_client("2/minute", state)
    assert [client.post("/chat").status_code for _ in range(4)] == [200, 200, 429, 429]
    state.close()


def test_flask_limiter_counts_and_adds_no_hooks_of_its_own(state: State) -> None:
    app = build_app("10/minute", state)
    (limiter,) = app.extensions["limiter"]
    assert isinstance(limiter, Limiter)
    assert limiter.storage.get("LIMITER/alice/10/1/minute") == 0
    app.test_client().post("/chat")
    assert limiter.storage.get("LIMITER/alice/10/1/minute") == 1
    assert _hooks_of("flask_limiter", app) == []


def test_a_blueprint_that_is_not_there_stops_the_start(state: State) -> None:
    from gateway.api.limits import init_limits
    from gateway.config.settings import Settings

    with pytest.raises(KeyError):
        init_limits(Flask("empty"), Settings({}, ""), state)


def test_rates_are_read_once_each_and_the_shortest_window_comes_first() -> None:
    limits = parse_rate_limit("100 per 2 hours; 10/minute;10/minute;3/second")
    assert [(limit.amount, limit.get_expiry()) for limit in limits] == [
        (3, 1),
        (10, 60),
        (100, 7200),
    ]


@pytest.mark.parametrize("rate", ["", "ten/minute", "10/fortnight", "10/minute;"])
def test_a_rate_that_cannot_be_read_stops_the_start(rate: str) -> None:
    with pytest.raises(ConfigurationError, match="RATE_LIMIT"):
        parse_rate_limit(rate)


def test_ten_of_a_hundred_requests_at_once_pass_four_workers_and_a_restart(tmp_path: Path) -> None:
    with run_workers(tmp_path, "10/minute") as port:
        assert Tally(_post_at_once(port, 100)) == {200: 10, 429: 90}
    with run_workers(tmp_path, "10/minute") as port:
        assert Tally(_post_at_once(port, 20)) == {429: 20}


def test_workers_killed_under_load_leave_the_others_counting_exactly(tmp_path: Path) -> None:
    with run_workers(tmp_path, "200/minute") as port:
        with ThreadPoolExecutor(8) as pool:
            loads = [pool.submit(_post_often, port, 80) for _ in range(7)]
            loads.append(pool.submit(_kill_workers, port, 4))
        statuses = Tally(status for load in loads for status in load.result())
        assert set(statuses) <= {200, 429, 0}
        # A worker that died may have counted a request that it never answered.
        assert 200 - statuses[0] <= statuses[200] <= 200
        assert _post(port)[0] == 429


@contextlib.contextmanager
def run_workers(directory: Path, rate_limit: str) -> Iterator[int]:
    """Serve the small application with four gevent workers; yields the port."""
    port = find_free_port()
    (directory / "gunicorn.conf.py").write_text("control_socket_disable = True\n")
    app = f"tests.api.limited_app:create_app({rate_limit!r}, {str(directory / 'state')!r})"
    command = [sys.executable, "-m", "gunicorn", "-k", "gevent", "-w", "4", "--log-level", "error"]
    process = subprocess.Popen(
        [*command, "-b", f"127.0.0.1:{port}", "--pythonpath", str(ROOT), app],
        cwd=directory,
        env=build_environment(HOME=str(directory)),
        start_new_session=True,  # as ``stop`` needs it: gunicorn's own workers may miss a SIGTERM
    )
    try:
        deadline = time.monotonic() + 20
        while _get_free(port) != 200:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield port
    finally:
        stop(process)


def _post(port: int) -> tuple[int, int]:
    """Return the status, 0 for an answer that did not come, and the pid of the worker."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/chat")
        response = connection.getresponse()
        body = response.read()
        return response.status, int(body) if response.status == 200 else 0
    except (ConnectionError, http.client.HTTPException):
        return 0, 0
    finally:
        connection.close()


def _get_free(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/free")
        return connection.getresponse().status
    except ConnectionError:
        return 0
    finally:
        connection.close()


def _post_at_once(port: int, requests: int) -> list[int]:
    barrier = threading.Barrier(requests)

    def post(_: int) -> int:
        barrier.wait()
        return _post(port)[0]

    with ThreadPoolExecutor(requests) as pool:
        return list(pool.map(post, range(requests)))


def _post_often(port: int, requests: int) -> list[int]:
    return [_post(port)[0] for _ in range(requests)]


def _kill_workers(port: int, workers: int) -> list[int]:
    """Kill, without warning, each worker that answers one of the next requests."""
    statuses = []
    for _ in range(workers):
        status, pid = _post(port)
        statuses.append(status)
        if pid:
            os.kill(pid, signal.SIGKILL)
    return statuses


def _hooks_of(package: str, app: Flask) -> list[object]:
    registries = (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs)
    hooks = [hook for registry in registries for each in registry.values() for hook in each]
    return [hook for hook in hooks if _module_of(hook).startswith(package)]


def _module_of(hook: object) -> str:
    function = getattr(hook, "func", hook)
    return str(getattr(function, "__module__", ""))
