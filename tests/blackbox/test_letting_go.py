"""Clients that leave: the upstream is let go at once, whatever it was doing."""

from __future__ import annotations

import queue
import time
from typing import Any

import pytest

from tests.blackbox.leaving import Patient, leave, leave_response, read_until
from tests.blackbox.wire import NDJSON, SSE, ollama_line, openai_event
from tests.gateway_process import Gateway, chat_body
from tests.upstream import Connection, Request, Upstream
from tests.waiting import least

CHAT = "/v1/chat/completions"
SOON = 0.1
"""Seconds: the promise, on an idle machine."""


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["ollama/tiny", "openai/gpt-4o-mini"])
def test_client_leaves_before_the_first_byte(
    gateway: Gateway, upstream: Upstream, model: str, streamed: bool
) -> None:
    def take() -> float:
        upstream.handler = patient = Patient()
        client = gateway.connect("POST", CHAT, chat_body(model, stream=streamed))
        assert patient.asked.acquire(timeout=5)
        left = leave(client)
        return patient.left.get(timeout=5) - left

    assert least(take, SOON) < SOON


def leave_stream(gateway: Gateway, model: str, patient: Patient) -> float:
    """Leave a stream after its first word; return after how many seconds ``patient`` is let go."""
    client = gateway.connect("POST", CHAT, chat_body(model, stream=True))
    response = client.getresponse()
    assert b"one" in read_until(response, b"one")
    left = leave_response(client, response)
    return patient.left.get(timeout=5) - left


@pytest.mark.parametrize("then", [None, ollama_line("more")], ids=["silent", "live"])
def test_client_leaves_a_stream(gateway: Gateway, upstream: Upstream, then: bytes | None) -> None:
    def take() -> float:
        upstream.handler = patient = Patient(ollama_line("one"), NDJSON, then)
        return leave_stream(gateway, "ollama/tiny", patient)

    assert least(take, SOON) < SOON


@pytest.mark.parametrize("then", [None, openai_event({"content": "more"})], ids=["silent", "live"])
def test_client_leaves_a_stream_of_openai(
    gateway: Gateway, upstream: Upstream, then: bytes | None
) -> None:
    first = openai_event({"role": "assistant", "content": "one"})

    def take() -> float:
        upstream.handler = patient = Patient(first, SSE, then)
        return leave_stream(gateway, "openai/gpt-4o-mini", patient)

    assert least(take, SOON) < SOON


def test_client_leaves_while_it_waits_for_a_whole_answer(
    gateway: Gateway, upstream: Upstream
) -> None:
    def take() -> float:
        upstream.handler = patient = Patient(ollama_line("one"), NDJSON, ollama_line("more"))
        client = gateway.connect("POST", CHAT, chat_body("ollama/tiny"))
        assert patient.asked.acquire(timeout=5)
        left = leave(client)
        return patient.left.get(timeout=5) - left

    assert least(take, SOON) < SOON


def test_client_leaves_a_stream_that_only_pings(impatient: Gateway, upstream: Upstream) -> None:
    def take() -> float:
        upstream.handler = patient = Patient()
        client = impatient.connect("POST", CHAT, chat_body("ollama/tiny", stream=True))
        response = client.getresponse()
        assert b": ping" in read_until(response, b": ping")
        left = leave_response(client, response)
        return patient.left.get(timeout=5) - left

    assert least(take, SOON) < SOON


def test_client_leaves_embeddings(gateway: Gateway, upstream: Upstream) -> None:
    def take() -> float:
        upstream.handler = patient = Patient()
        client = gateway.connect("POST", "/v1/embeddings", {"model": "ollama/tiny", "input": "a"})
        assert patient.asked.acquire(timeout=5)
        left = leave(client)
        return patient.left.get(timeout=5) - left

    assert least(take, SOON) < SOON


def test_two_hundred_clients_leave_at_once(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = patient = Patient(ollama_line("one"), NDJSON)
    body: dict[str, Any] = chat_body("ollama/tiny", stream=True)
    clients = [gateway.connect("POST", CHAT, body) for _ in range(200)]
    for _ in clients:
        assert patient.asked.acquire(timeout=10)
    left = time.monotonic()
    for client in clients:
        client.close()
    last = max(patient.left.get(timeout=5) for _ in clients)
    assert last - left < 2


def test_the_upstream_is_not_let_go_while_the_client_stays(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.handler = patient = Patient(ollama_line("one"), NDJSON)
    client = gateway.connect("POST", CHAT, chat_body("ollama/tiny", stream=True))
    response = client.getresponse()
    read_until(response, b"one")
    with pytest.raises(queue.Empty):
        patient.left.get(timeout=0.5)
    leave_response(client, response)


def test_connection_serves_on_after_a_whole_answer(gateway: Gateway, upstream: Upstream) -> None:
    def handler(request: Request, connection: Connection) -> None:
        connection.send_answer(ollama_line("one", done=True), 200, NDJSON)

    upstream.handler = handler
    client = gateway.connect("GET", "/health")
    for _ in range(3):
        assert client.getresponse().read()
        body = b'{"model": "ollama/tiny", "messages": [{"role": "user", "content": "hi"}]}'
        headers = {"Authorization": f"Bearer {gateway.key}", "Content-Type": "application/json"}
        client.request("POST", CHAT, body, headers)
    assert client.getresponse().status == 200
    client.close()
