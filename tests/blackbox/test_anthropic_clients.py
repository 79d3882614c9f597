"""Anthropic's own SDK against the gateway, over Ollama and over an OpenAI upstream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
import requests

from tests.blackbox.wire import NDJSON, SSE, ollama_line, openai_event
from tests.gateway_process import Gateway
from tests.recordings import load
from tests.upstream import Connection, Request, Upstream, replay

MODELS = ["ollama/tiny", "openai/gpt-4o-mini"]
HELLO: Any = [{"role": "user", "content": "hi"}]
TOOL: Any = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}


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
def client(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
def test_messages(client: anthropic.Anthropic, upstream: Upstream, model: str) -> None:
    upstream.handler = answer_chat
    whole = client.messages.create(model=model, max_tokens=9, messages=HELLO)
    assert whole.content[0].type == "text"
    assert whole.stop_reason == "end_turn"
    assert whole.model == model
    with client.messages.stream(model=model, max_tokens=9, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text.startswith("Hello from")
    assert final.content[0].type == "text"
    assert final.content[0].text == text
    assert final.stop_reason == "end_turn"


def test_tools(client: anthropic.Anthropic, upstream: Upstream) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", "tools-parallel-stream"))
    with client.messages.stream(
        model="ollama/tiny-tools", max_tokens=99, messages=HELLO, tools=[TOOL]
    ) as stream:
        final = stream.get_final_message()
    calls = [block for block in final.content if block.type == "tool_use"]
    assert len(calls) == 2
    assert all(isinstance(each.input, dict) for each in calls)
    assert final.stop_reason == "tool_use"
    assert final.usage.output_tokens > 0


def test_thinking_is_no_obstacle(client: anthropic.Anthropic, upstream: Upstream) -> None:
    """Agents ask for it whatever the model; one that can't think answers all the same."""
    upstream.handler = answer_chat
    raw = client.messages.with_raw_response.create(
        model="ollama/seeing",
        max_tokens=2000,
        messages=HELLO,
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    assert raw.headers["x-gateway-dropped-params"] == "reasoning_effort"
    assert "think" not in upstream.asked("/api/chat")[-1].json()


def test_tokens_are_counted_without_asking_a_model(
    client: anthropic.Anthropic, upstream: Upstream
) -> None:
    few = client.messages.count_tokens(model="ollama/tiny", messages=HELLO)
    many: Any = [{"role": "user", "content": "hi " * 1000}]
    counted = client.messages.count_tokens(model="ollama/tiny", messages=many)
    assert 0 < few.input_tokens < counted.input_tokens
    assert not upstream.asked("/api/chat")


def test_models(client: anthropic.Anthropic) -> None:
    models = list(client.models.list())
    assert "openai/gpt-4o-mini" in [model.id for model in models]
    assert client.models.retrieve("openai/gpt-4o-mini").type == "model"


def test_both_ways_to_send_a_key(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = answer_chat
    body = {"model": "ollama/tiny", "max_tokens": 9, "messages": HELLO}
    for headers in ({"x-api-key": gateway.key}, {"Authorization": f"Bearer {gateway.key}"}):
        got = requests.post(f"{gateway.url}/v1/messages", json=body, headers=headers, timeout=30)
        assert got.status_code == 200, headers


def test_errors_have_anthropics_shape(
    client: anthropic.Anthropic, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.routes["/api/chat"] = replay(load("ollama", "error-model-not-found"))
    with pytest.raises(anthropic.BadRequestError) as raised:
        client.messages.create(model="ollama/tiny", max_tokens=9, messages=[])
    assert raised.value.body is not None
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="ollama/nothing-here", max_tokens=9, messages=HELLO)
    got = gateway.post("/v1/messages", {}, headers={"Authorization": "Bearer wrong-key"})
    assert got.status_code == 401
    assert got.json()["error"]["type"] == "authentication_error"


def test_a_stream_cut_by_the_upstream_ends_with_an_error_event(
    client: anthropic.Anthropic, upstream: Upstream
) -> None:
    def cut(request: Request, connection: Connection) -> None:
        connection.send_head(200, NDJSON)
        connection.send_chunk(ollama_line("Hello"))
        connection.close()

    upstream.routes["/api/chat"] = cut
    with (
        pytest.raises(anthropic.APIStatusError),
        client.messages.stream(model="ollama/tiny", max_tokens=9, messages=HELLO) as stream,
    ):
        stream.get_final_message()
