"""Upstreams that fail: what the client is told, how soon, and what it costs the worker."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blackbox.conftest import PROVIDER_KEY
from tests.blackbox.wire import (
    NDJSON,
    SSE,
    assert_error,
    iter_blocks,
    ollama_line,
    openai_event,
    read_stream,
)
from tests.gateway_process import Gateway, chat_body, find_free_port, run_gateway
from tests.upstream import Connection, Request, Upstream, answer, stream

PROVIDERS = ["ollama", "openai"]
CHAT = "/v1/chat/completions"
SLACK = 3.0
"""Seconds that a machine busy with tests may add."""

_numbers = itertools.count()


@pytest.fixture
def provider() -> str:
    """Return the provider that is asked; a test may ask others."""
    return "ollama"


@pytest.fixture
def model(provider: str) -> str:
    """Return a model that no test has seen fail: gateways remember failures, by target."""
    return f"{provider}/model-{next(_numbers)}"


@pytest.fixture
def black_hole() -> Iterator[int]:
    """Return a port whose host neither accepts nor refuses: its queue of connections is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(address)
            waiting.append(client)
        yield address[1]
        for client in waiting:
            client.close()


@pytest.mark.parametrize("streamed", [False, True])
def test_upstreams_that_cannot_be_reached(tmp_path: Path, black_hole: int, streamed: bool) -> None:
    providers = {
        "refused": {"kind": "ollama", "base_url": f"http://127.0.0.1:{find_free_port()}"},
        "hole": {"kind": "ollama", "base_url": f"http://127.0.0.1:{black_hole}"},
        "unknown": {"kind": "ollama", "base_url": "http://no-such-host.invalid.:11434"},
    }
    settings = {
        "CONNECT_TIMEOUT": "0.5",
        "RES_OPTIONS": "timeout:1 attempts:1",  # for a machine without a name server
    }
    with run_gateway(tmp_path, config={"providers": providers}, **settings) as gateway:
        for provider, status, longest in (
            ("refused", 502, 0.0),
            ("hole", 504, 0.5),
            ("unknown", 502, 3.0),
        ):
            start = time.monotonic()
            got = gateway.chat(f"{provider}/tiny", stream=streamed)
            assert time.monotonic() - start < longest + SLACK, provider
            assert got.status_code == status, (provider, got.text)
            assert_error(got.text)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_reset_before_the_first_byte_is_a_502(
    gateway: Gateway, upstream: Upstream, model: str, streamed: bool
) -> None:
    upstream.handler = lambda request, connection: connection.reset()
    got = gateway.chat(model, stream=streamed)
    assert got.status_code == 502
    assert_error(got.text)


def test_reset_in_mid_stream_ends_with_error_event(
    gateway: Gateway, upstream: Upstream, model: str
) -> None:
    was_read = threading.Event()

    def handler(request: Request, connection: Connection) -> None:
        connection.send_head(200, NDJSON)
        connection.send_chunk(ollama_line("one"))
        # A reset discards what was not read yet.
        assert was_read.wait(10)
        connection.reset()

    upstream.handler = handler
    connection = gateway.connect("POST", CHAT, chat_body(model, stream=True))
    response = connection.getresponse()
    was_read.set()  # nothing is sent before the first content is there
    got = read_stream(iter_blocks(response))
    connection.close()
    assert got.content == "one"
    assert got.finish_reasons == []
    assert len(got.errors) == 1


def test_whole_answer_cut_by_the_upstream_is_a_502(
    gateway: Gateway, upstream: Upstream, model: str
) -> None:
    def handler(request: Request, connection: Connection) -> None:
        connection.send_head(200, NDJSON)
        connection.send_chunk(ollama_line("one"))
        connection.close()

    upstream.handler = handler
    got = gateway.chat(model)
    assert got.status_code == 502
    assert_error(got.text)


@pytest.mark.parametrize("provider", ["openai"])
def test_whole_json_shorter_than_its_length_is_a_502(
    gateway: Gateway, upstream: Upstream, model: str
) -> None:
    def handler(request: Request, connection: Connection) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        connection.send(head + b'{"id": "half')
        connection.close()

    upstream.handler = handler
    got = gateway.chat(model)
    assert got.status_code == 502
    assert_error(got.text)


def silent(request: Request, connection: Connection) -> None:
    connection.wait_closed(10)


def test_first_byte_deadline_is_a_504(impatient: Gateway, upstream: Upstream, model: str) -> None:
    upstream.handler = silent
    start = time.monotonic()
    got = impatient.chat(model)
    assert 1.4 < time.monotonic() - start < 1.5 + SLACK
    assert got.status_code == 504
    assert_error(got.text, code="upstream_timeout")


def test_first_byte_deadline_of_a_stream_is_an_error_event_after_pings(
    impatient: Gateway, upstream: Upstream, model: str
) -> None:
    upstream.handler = silent
    connection = impatient.connect("POST", CHAT, chat_body(model, stream=True))
    response = connection.getresponse()
    assert response.status == 200
    got = read_stream(iter_blocks(response))
    connection.close()
    assert len(got.comments) >= 2
    assert got.chunks == []
    assert got.errors[0]["error"]["code"] == "upstream_timeout"


def test_stall_in_mid_stream_ends_with_error_event(
    impatient: Gateway, upstream: Upstream, model: str
) -> None:
    def handler(request: Request, connection: Connection) -> None:
        connection.send_head(200, NDJSON)
        connection.send_chunk(ollama_line("one"))
        silent(request, connection)

    upstream.handler = handler
    connection = impatient.connect("POST", CHAT, chat_body(model, stream=True))
    start = time.monotonic()
    got = read_stream(iter_blocks(connection.getresponse()))
    connection.close()
    assert 1.9 < time.monotonic() - start < 2 + SLACK
    assert got.content == "one"
    assert got.finish_reasons == []
    assert got.errors[0]["error"]["code"] == "upstream_timeout"


@pytest.mark.parametrize("streamed", [False, True])
def test_drip_is_stopped_by_the_deadline_of_the_request(
    impatient: Gateway, upstream: Upstream, model: str, streamed: bool
) -> None:
    def handler(request: Request, connection: Connection) -> None:
        connection.send_head(200, NDJSON)
        while True:
            connection.send_chunk(ollama_line("drip"))
            if connection.wait_closed(0.4) is not None:
                return

    upstream.handler = handler
    connection = impatient.connect("POST", CHAT, chat_body(model, stream=streamed))
    start = time.monotonic()
    response = connection.getresponse()
    if streamed:
        got = read_stream(iter_blocks(response))
        assert got.finish_reasons == []
        assert got.errors[0]["error"]["code"] == "request_timeout"
    else:
        assert response.status == 504
        assert_error(response.read().decode(), code="request_timeout")
    connection.close()
    assert 2.9 < time.monotonic() - start < 3 + SLACK


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("status", "body", "content_type", "expected"),
    [
        (500, b"<html><h1>Oops</h1></html>", "text/html", 502),
        (503, b"upstream busy", "text/plain", 503),
        (404, b"404 page not found", "text/plain", 502),
        (403, b"", "text/plain", 502),
        (401, b'{"error":"unauthorized"}', "application/json", 502),
        (402, b'{"error":"pay"}', "application/json", 502),
        (302, b"", "text/html", 502),
        (200, b"<html>Welcome to the hotel</html>", "text/html", 502),
        (200, b"", "application/json", 502),
        (200, b'{"id": "half', "application/json", 502),
        (200, b"[]", "application/json", 502),
        (200, b'"text"', "application/json", 502),
        (204, b"", "application/json", 502),
    ],
)
def test_answers_that_are_no_answer(
    gateway: Gateway,
    upstream: Upstream,
    model: str,
    streamed: bool,
    status: int,
    body: bytes,
    content_type: str,
    expected: int,
) -> None:
    upstream.handler = answer(body, status, content_type, Location="http://127.0.0.1:1/elsewhere")
    got = gateway.chat(model, stream=streamed)
    assert got.status_code == expected, got.text
    assert_error(got.text)
    assert "elsewhere" not in got.text


def test_json_within_a_json_string_is_unwrapped(
    gateway: Gateway, upstream: Upstream, model: str
) -> None:
    inner = {
        "error": {
            "code": 400,
            "message": "the request exceeds the available context size",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 9000,
            "n_ctx": 4096,
        }
    }
    upstream.handler = answer(json.dumps({"error": json.dumps(inner)}).encode(), 400)
    got = gateway.chat(model)
    assert got.status_code == 400
    assert_error(got.text, code="context_length_exceeded")
    assert "{" not in got.json()["error"]["message"]


@pytest.mark.parametrize("provider", ["openai"])
def test_provider_key_echoed_by_the_upstream_is_redacted(
    gateway: Gateway, upstream: Upstream, model: str
) -> None:
    error = {"message": f"Incorrect API key provided: {PROVIDER_KEY}.", "type": "x", "code": "y"}
    for status in (400, 401, 500):
        upstream.handler = answer(json.dumps({"error": error}).encode(), status)
        got = gateway.chat(model)
        assert PROVIDER_KEY not in got.text + str(got.headers), status
    upstream.handler = stream(
        [
            openai_event({"role": "assistant", "content": "one"}),
            b"data: %b\n\n" % json.dumps({"error": error}).encode(),
        ],
        200,
        SSE,
    )
    got = gateway.chat(model, stream=True)
    assert '"error"' in got.text
    assert PROVIDER_KEY not in got.text


def test_a_broken_upstream_connection_is_not_used_again(
    gateway: Gateway, upstream: Upstream, model: str
) -> None:
    # The upstream closes an idle kept-alive connection: the next requests must not notice.
    def handler(request: Request, connection: Connection) -> None:
        connection.send_answer(ollama_line("one", done=True), 200, NDJSON)
        connection.close()

    upstream.handler = handler
    for _ in range(20):
        got = gateway.chat(model)
        assert got.status_code == 200, got.text
