"""Restarts: what is open is finished or told of the end, what is new goes elsewhere."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.blackbox.conftest import build_config
from tests.blackbox.holding import Held, OpenStream, wait_for_other_workers
from tests.blackbox.wire import (
    NDJSON,
    assert_promises_kept,
    ollama_line,
)
from tests.gateway_process import Gateway, chat_body, run_gateway
from tests.upstream import Connection, Request, Upstream
from tests.waiting import wait_until

CHAT = "/v1/chat/completions"
GRACE = 4.0
SOON = 3.0
"""Seconds from the last answer to the end of the process. The promise is 1 on an idle machine."""


@pytest.fixture
def held(upstream: Upstream) -> Iterator[Held]:
    upstream.handler = held = Held()
    yield held
    held.end.set()


@pytest.fixture
def mortal(tmp_path: Path, upstream: Upstream) -> Iterator[Gateway]:
    """Return a gateway of one worker that a test may end."""
    with run_gateway(
        tmp_path,
        config=build_config(upstream),
        GRACEFUL_TIMEOUT=f"{GRACE:g}",
    ) as gateway:
        yield gateway


BeginStream = Callable[[Gateway], OpenStream]


@pytest.fixture
def begin_stream() -> Iterator[BeginStream]:
    """Return what asks for a stream, and waits for its first event."""
    with contextlib.ExitStack() as stack:

        def begin(gateway: Gateway) -> OpenStream:
            return stack.enter_context(contextlib.closing(OpenStream(gateway)))

        yield begin


def wait_until_refused(gateway: Gateway) -> None:
    """Return when nobody listens any more."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", gateway.port), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    raise AssertionError("the gateway still listens")


def test_a_stream_that_ends_in_time_is_finished_and_then_the_process_ends(
    mortal: Gateway, held: Held, begin_stream: BeginStream
) -> None:
    stream = begin_stream(mortal)
    mortal.process.send_signal(signal.SIGTERM)
    wait_until_refused(mortal)
    held.end.set()
    answer = stream.read()
    ended = time.monotonic()
    assert_promises_kept(answer)
    assert answer.content == "onetwo"
    assert mortal.process.wait(5) == 0
    assert time.monotonic() - ended < SOON
    assert "status=200" in mortal.wait_for_log("path=/v1/chat/completions")


def test_a_stream_that_does_not_end_is_told_before_the_grace_period_is_over(
    mortal: Gateway, held: Held, begin_stream: BeginStream
) -> None:
    stream = begin_stream(mortal)
    began = time.monotonic()
    mortal.process.send_signal(signal.SIGTERM)
    answer = stream.read()
    assert GRACE - 2.5 < time.monotonic() - began < GRACE
    assert answer.content == "one"
    assert (answer.finish_reasons, answer.is_done) == ([], False)
    assert answer.errors == [
        {
            "error": {
                "message": "The gateway is restarting; ask again.",
                "type": "server_error",
                "param": None,
                "code": "restarting",
            }
        }
    ]
    assert mortal.process.wait(5) == 0
    assert time.monotonic() - began < GRACE
    line = mortal.wait_for_log("path=/v1/chat/completions")
    assert "status=503" in line
    assert "error=restarting" in line
    assert "completion_tokens=1" in line


def test_a_whole_answer_that_does_not_come_is_a_503_before_the_grace_period_is_over(
    mortal: Gateway, held: Held, begin_stream: BeginStream
) -> None:
    with contextlib.closing(mortal.connect("POST", CHAT, chat_body("ollama/tiny"))) as client:
        assert held.asked.acquire(timeout=5)
        mortal.process.send_signal(signal.SIGTERM)
        response = client.getresponse()
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert json.loads(response.read())["error"]["code"] == "restarting"
    assert mortal.process.wait(5) == 0


def test_a_client_that_reads_nothing_does_not_delay_the_end(
    mortal: Gateway, upstream: Upstream, begin_stream: BeginStream
) -> None:
    def flood(request: Request, connection: Connection) -> None:
        connection.send_head(200, NDJSON)
        while True:
            connection.send_chunk(ollama_line("x" * 60000))

    upstream.handler = flood
    begin_stream(mortal)
    time.sleep(0.5)  # until every buffer on the way is full
    began = time.monotonic()
    mortal.process.send_signal(signal.SIGTERM)
    assert mortal.process.wait(8) == 0
    assert time.monotonic() - began < GRACE + SOON
    assert "path=/v1/chat/completions" in mortal.log


def test_idle_connections_are_closed_at_once(mortal: Gateway) -> None:
    with mortal.open_socket() as silent, requests.Session() as session:
        assert session.get(mortal.url + "/health").ok  # on a connection accepted after the other
        began = time.monotonic()
        mortal.process.send_signal(signal.SIGTERM)
        assert mortal.process.wait(8) == 0
        assert time.monotonic() - began < SOON
        assert silent.recv(1) == b""


def test_a_request_on_a_kept_connection_is_refused_after_the_signal(
    mortal: Gateway, held: Held, begin_stream: BeginStream
) -> None:
    with mortal.open_socket() as client, client.makefile("rb") as reader:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: gateway\r\n\r\n")
        head = reader.readline()
        assert head == b"HTTP/1.1 200 OK\r\n"
        while reader.readline() != b"\r\n":
            pass
        assert reader.read(len('{"status":"ok"}')) == b'{"status":"ok"}'
        # Half of a request is under way when the signal comes.
        client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: gateway\r\n")
        stream = begin_stream(mortal)
        mortal.process.send_signal(signal.SIGTERM)
        wait_until_refused(mortal)
        client.sendall(b"\r\n")
        answer = reader.read()
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        assert lines[0] == b"http/1.1 503 service unavailable"
        assert b"connection: close" in lines
        assert b"retry-after: 1" in lines
        assert json.loads(body)["error"]["code"] == "restarting"
    held.end.set()
    assert stream.read().is_done


def test_health_is_503_on_a_connection_that_was_there_before(
    mortal: Gateway, held: Held, begin_stream: BeginStream
) -> None:
    with mortal.open_socket() as client, client.makefile("rb") as reader:
        client.sendall(b"GET /health HTTP/1.1\r\n")
        stream = begin_stream(mortal)  # which was accepted later
        mortal.process.send_signal(signal.SIGTERM)
        wait_until_refused(mortal)
        client.sendall(b"Host: gateway\r\n\r\n")
        assert reader.readline() == b"HTTP/1.1 503 SERVICE UNAVAILABLE\r\n"
    held.end.set()
    assert stream.read().is_done


def test_ctrl_c_ends_streams_with_an_error_and_at_once(
    mortal: Gateway, held: Held, begin_stream: BeginStream
) -> None:
    stream = begin_stream(mortal)
    began = time.monotonic()
    mortal.process.send_signal(signal.SIGINT)
    assert [error["error"]["code"] for error in stream.read().errors] == ["restarting"]
    assert mortal.process.wait(5) == 0
    assert time.monotonic() - began < SOON
    assert "error=restarting" in mortal.wait_for_log("path=/v1/chat/completions")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_workers_that_are_about_to_start_end_as_well(
    mortal: Gateway, number: signal.Signals
) -> None:
    mortal.process.send_signal(signal.SIGHUP)
    wait_until(lambda: mortal.log.count("Booting worker") == 2)
    mortal.process.send_signal(number)
    # Not by a kill, which comes 5 seconds after the grace period.
    assert mortal.process.wait(GRACE + 4) == 0


def test_sighup_cuts_no_stream_and_loses_no_request(
    tmp_path: Path, upstream: Upstream, held: Held, begin_stream: BeginStream
) -> None:
    with run_gateway(
        tmp_path, config=build_config(upstream), WEB_CONCURRENCY="2", GRACEFUL_TIMEOUT="10"
    ) as gateway:
        old = gateway.worker_pids()
        streams = [begin_stream(gateway) for _ in range(6)]
        stop = threading.Event()
        statuses: list[Any] = []

        def ask_on_and_on() -> None:
            while not stop.is_set():
                try:
                    statuses.append(gateway.get("/v1/models").status_code)
                except requests.RequestException as error:
                    statuses.append(error)

        askers = [threading.Thread(target=ask_on_and_on) for _ in range(3)]
        for asker in askers:
            asker.start()
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_for_log("Handling signal: hup")
        deadline = time.monotonic() + 10
        while gateway.log.count("Booting worker") < 4:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(1.5)  # old workers are told to end, with streams open
        held.end.set()
        for stream in streams:
            answer = stream.read()
            assert_promises_kept(answer)
            assert answer.content == "onetwo"
        wait_for_other_workers(gateway, old)
        # Each asks new workers, too. How fast they start is the machine's affair.
        enough = len(statuses) + 2 * len(askers)
        wait_until(lambda: len(statuses) >= enough, 20)
        stop.set()
        for asker in askers:
            asker.join()
        assert set(statuses) == {200}
