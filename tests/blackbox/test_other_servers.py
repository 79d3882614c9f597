"""The same application under a WSGI server without gevent: streams, pings, clients that leave."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.blackbox.conftest import build_config
from tests.blackbox.leaving import Patient, leave, leave_response, read_until
from tests.blackbox.test_streams import read
from tests.blackbox.wire import NDJSON, assert_promises_kept, ollama_line
from tests.gateway_process import (
    USER_KEY,
    Gateway,
    build_directory,
    build_environment,
    chat_body,
    find_free_port,
    stop,
    wait_until_healthy,
)
from tests.recordings import load
from tests.upstream import Connection, Request, Upstream, replay
from tests.waiting import least

CHAT = "/v1/chat/completions"
SOON = 0.1
"""Seconds: the promise, on an idle machine."""


@pytest.fixture(scope="module")
def threaded_server(
    shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    directory = build_directory(tmp_path_factory.mktemp("threaded"))
    (directory / "gateway.yaml").write_text(json.dumps(build_config(shared_upstream)))
    port = find_free_port()
    environment = build_environment(
        HOME=str(directory),
        PORT=str(port),
        WEB_CONCURRENCY="1",
        GATEWAY_API_KEYS=USER_KEY,
        RATE_LIMIT="1000000/minute",
        PING_AFTER="0.2",
    )
    options = ["--worker-class", "gthread", "--threads", "8"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "wsgi:app"],
            cwd=directory,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    gateway = Gateway(process, port, directory)
    try:
        wait_until_healthy(gateway)
        yield gateway
    finally:
        stop(process)


@pytest.fixture
def threaded(threaded_server: Gateway, upstream: Upstream) -> Gateway:
    return threaded_server


def test_log_says_once_what_is_lost(threaded: Gateway) -> None:
    assert threaded.log.count("gevent is not in use") == 1


def test_answers_whole_and_streamed(threaded: Gateway, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "chat-stream"))
    for _ in range(2):
        got = read(threaded, "ollama/tiny")
        assert got.content == "Hello from a tiny model."
        assert_promises_kept(got)
        assert (
            threaded.chat("ollama/tiny").json()["choices"][0]["message"]["content"] == got.content
        )


def test_pings_keep_a_silent_stream_alive(threaded: Gateway, upstream: Upstream) -> None:
    go_on = threading.Event()

    def handler(request: Request, connection: Connection) -> None:
        go_on.wait(20)
        connection.send_answer(ollama_line("late") + ollama_line(done=True), 200, NDJSON)

    upstream.handler = handler
    client = threaded.connect("POST", CHAT, chat_body("ollama/tiny", stream=True))
    response = client.getresponse()
    assert read_until(response, b": ping\n\n").startswith(b": ping\n\n")
    go_on.set()
    assert b'"content":"late"' in read_until(response, b"data: [DONE]\n\n")
    leave_response(client, response)


@pytest.mark.parametrize("streamed", [False, True])
def test_client_leaves_before_the_first_byte(
    threaded: Gateway, upstream: Upstream, streamed: bool
) -> None:
    def take() -> float:
        upstream.handler = patient = Patient()
        client = threaded.connect("POST", CHAT, chat_body("ollama/tiny", stream=streamed))
        assert patient.asked.acquire(timeout=5)
        left = leave(client)
        return patient.left.get(timeout=5) - left

    assert least(take, SOON) < SOON


def test_client_leaves_a_silent_stream(threaded: Gateway, upstream: Upstream) -> None:
    def take() -> float:
        upstream.handler = patient = Patient(ollama_line("one"), NDJSON)
        client = threaded.connect("POST", CHAT, chat_body("ollama/tiny", stream=True))
        response = client.getresponse()
        read_until(response, b"one")
        left = leave_response(client, response)
        return patient.left.get(timeout=5) - left

    assert least(take, SOON) < SOON
    threaded.wait_for_log("status=499")


@pytest.mark.parametrize("body", [b'{"model":', b"[]"])
def test_bad_input_is_refused_as_ever(threaded: Gateway, upstream: Upstream, body: bytes) -> None:
    assert threaded.post(CHAT, body).status_code == 400
    assert threaded.request("POST", CHAT, data=iter([body])).status_code == 400
    assert upstream.requests == []
