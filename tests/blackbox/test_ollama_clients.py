"""Ollama's own client against the gateway, over Ollama and over an OpenAI upstream."""

from __future__ import annotations

import json
from collections.abc import Iterator

import ollama
import pytest

from tests.blackbox.wire import NDJSON, SSE, openai_event
from tests.gateway_process import Gateway
from tests.recordings import load
from tests.upstream import Connection, Request, Upstream, replay

MODELS = ["ollama/tiny", "openai/gpt-4o-mini"]
HELLO = [{"role": "user", "content": "hi"}]


def answer_chat(request: Request, connection: Connection) -> None:
    """Answer as the provider whose path was asked."""
    if request.path == "/api/chat":
        replay(load("ollama", "chat-stream"))(request, connection)
    elif request.json().get("stream"):
        body = openai_event({"role": "assistant", "content": "Hello"})
        body += openai_event({"content": " from"}, "stop") + b"data: [DONE]\n\n"
        connection.send_answer(body, 200, SSE)
    else:
        connection.send_answer(load("openai", "whole-plain-gpt-5").body, 200, NDJSON)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[ollama.Client]:
    headers = {"Authorization": f"Bearer {gateway.key}"}
    with ollama.Client(host=gateway.url, headers=headers) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
def test_chats(client: ollama.Client, upstream: Upstream, model: str) -> None:
    upstream.handler = answer_chat
    parts = list(client.chat(model, HELLO, stream=True))
    assert "".join(part.message.content or "" for part in parts).startswith("Hello from")
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert {part.model for part in parts} == {model}
    if model == "openai/gpt-4o-mini":
        assert "tools" not in upstream.requests[-1].json()  # the client sent an empty list
    whole = client.chat(model, HELLO)
    assert whole.message.content
    assert whole.done
    assert whole.done_reason == "stop"


def test_completions_over_another_provider(client: ollama.Client, upstream: Upstream) -> None:
    upstream.handler = answer_chat
    parts = list(client.generate("openai/gpt-4o-mini", "hi", stream=True))
    assert "".join(part.response or "" for part in parts) == "Hello from"
    assert parts[-1].done
    assert upstream.requests[-1].json()["messages"] == HELLO


def test_completions_go_on_as_they_are(client: ollama.Client, upstream: Upstream) -> None:
    upstream.routes["/api/generate"] = replay(load("ollama", "generate-stream"))
    whole = client.generate("ollama/tiny", "hi", context=[1, 2], options={"mirostat": 1})
    assert whole.context
    assert upstream.asked("/api/generate")[-1].json()["context"] == [1, 2]


def test_what_only_ollama_can_do_is_refused_elsewhere(
    client: ollama.Client, upstream: Upstream
) -> None:
    upstream.handler = answer_chat
    with pytest.raises(ollama.ResponseError) as raised:
        client.generate("openai/gpt-4o-mini", "a", suffix="b")
    assert raised.value.status_code == 400
    assert "suffix" in raised.value.error
    assert not upstream.asked("/v1/chat/completions")


def test_a_dropped_option_is_told(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = answer_chat
    asked = {"model": "openai/gpt-4o-mini", "messages": HELLO, "options": {"num_gpu": 1}}
    got = gateway.post("/api/chat", asked)
    assert got.headers["content-type"] == "application/x-ndjson"
    assert got.headers["x-gateway-dropped-params"] == "options.num_gpu"


def test_lists_and_descriptions(client: ollama.Client, upstream: Upstream) -> None:
    names = [model.model for model in client.list().models]
    assert {"fast", "openai/gpt-4o-mini"} <= set(names)
    assert client.show("openai/gpt-4o-mini").capabilities == ["completion", "tools", "vision"]
    upstream.routes["/api/ps"] = replay(load("ollama", "ps"))
    assert "ollama/tiny:latest" in [model.model for model in client.ps().models]


def test_embeddings(client: ollama.Client, upstream: Upstream) -> None:
    upstream.routes["/api/embed"] = replay(load("ollama", "embed"))
    got = client.embed("ollama/tiny-embed", ["a", "b"])
    assert len(got.embeddings) == 2
    assert len(got.embeddings[0]) > 1


def test_loading_a_model_loads_it(client: ollama.Client, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", "load"))
    assert client.chat("ollama/tiny", []).done_reason == "load"
    assert upstream.asked("/api/chat")[-1].json()["messages"] == []
    assert client.generate("openai/gpt-4o-mini", "").done_reason == "load"
    with pytest.raises(ollama.ResponseError) as raised:
        client.chat("ollama/tiny", [], keep_alive=0)
    assert raised.value.status_code == 403


def test_errors_have_ollamas_shape(gateway: Gateway, upstream: Upstream) -> None:
    for path in ("/api/pull", "/api/delete", "/api/create", "/api/push", "/api/copy"):
        got = gateway.post(path, {"model": "tiny"})
        assert (got.status_code, list(got.json())) == (404, ["error"])
    assert isinstance(gateway.post("/api/chat", {"messages": []}).json()["error"], str)
    unauthorized = gateway.post(
        "/api/chat", {"model": "m"}, headers={"Authorization": "Bearer wrong"}
    )
    assert (unauthorized.status_code, list(unauthorized.json())) == (401, ["error"])


def test_a_stream_cut_by_the_upstream_ends_with_an_error_line(
    gateway: Gateway, upstream: Upstream
) -> None:
    def cut(request: Request, connection: Connection) -> None:
        connection.send_head(200, NDJSON)
        connection.send_chunk(load("ollama", "chat-stream").pieces[0])
        connection.close()

    upstream.routes["/api/chat"] = cut
    got = gateway.post("/api/chat", {"model": "ollama/tiny", "messages": HELLO})
    lines = [json.loads(line) for line in got.text.splitlines()]
    assert list(lines[-1]) == ["error"]
    assert not any(line.get("done") for line in lines)
