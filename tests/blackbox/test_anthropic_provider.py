"""The official clients of OpenAI and of Anthropic against a gateway with Anthropic behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.blackbox.leaving import Patient, leave
from tests.gateway_process import Gateway, run_gateway
from tests.recordings import load
from tests.upstream import Upstream, answer, replay, serve_upstream
from tests.waiting import least

PROVIDER_KEY = "sk-ant-0123456789-canary"
HAIKU: Any = "anthropic/claude-haiku-4-5"
HELLO: Any = [{"role": "user", "content": "hi"}]
MODELS = b'{"data":[{"type":"model","id":"claude-haiku-4-5-20251001"}],"has_more":false}'
TOOL: Any = {
    "type": "function",
    "function": {"name": "square_root", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture(scope="module")
def served() -> Iterator[Upstream]:
    with serve_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(served: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with run_gateway(
        tmp_path_factory.mktemp("anthropic"),
        ANTHROPIC_API_KEY=PROVIDER_KEY,
        ANTHROPIC_BASE_URL=served.url,
        WEB_CONCURRENCY="1",
        MAX_RETRIES="0",
    ) as it:
        yield it


@pytest.fixture
def upstream(served: Upstream) -> Upstream:
    served.reset({"/v1/models?limit=1000": answer(MODELS)})
    return served


@pytest.fixture
def client(gateway: Gateway, upstream: Upstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0) as it:
        yield it


@pytest.fixture
def native(gateway: Gateway, upstream: Upstream) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0) as it:
        yield it


def test_openais_client_is_answered_whole_and_streamed(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    upstream.handler = replay(load("anthropic", "whole-structured-claude-haiku-4-5"))
    whole = client.chat.completions.create(model=HAIKU, messages=HELLO)
    ChatCompletion.model_validate(whole.model_dump(), strict=True)
    assert whole.choices[0].message.content == '{"is_fruit": true}'
    upstream.handler = replay(load("anthropic", "stream-structured-claude-haiku-4-5"), cut=7)
    chunks = list(client.chat.completions.create(model=HAIKU, messages=HELLO, stream=True))
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.model_dump(), strict=True)
    assert "".join(each.choices[0].delta.content or "" for each in chunks) == '{"is_fruit":true}'
    assert chunks[-1].choices[0].finish_reason == "stop"
    asked = upstream.requests[-1]
    assert asked.path == "/v1/messages"
    assert asked.headers["x-api-key"] == PROVIDER_KEY
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in asked.headers


def test_a_tool_is_called_and_answered(client: openai.OpenAI, upstream: Upstream) -> None:
    upstream.handler = replay(load("anthropic", "stream-tools-claude-haiku-4-5"))
    with client.chat.completions.stream(model=HAIKU, messages=HELLO, tools=[TOOL]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls
    call = message.tool_calls[0]
    messages: Any = [
        *HELLO,
        message.to_dict(),
        {"role": "tool", "tool_call_id": call.id, "content": "363.89"},
    ]
    upstream.handler = replay(load("anthropic", "stream-toolresult-claude-haiku-4-5"))
    with client.chat.completions.stream(model=HAIKU, messages=messages, tools=[TOOL]) as stream:
        assert stream.get_final_completion().choices[0].message.content == "363.89"
    _, assistant, result = upstream.requests[-1].json()["messages"]
    assert assistant["content"][-1]["name"] == call.function.name
    assert assistant["content"][-1]["id"] == result["content"][0]["tool_use_id"]


def test_anthropics_own_client_passes_through(
    native: anthropic.Anthropic, upstream: Upstream
) -> None:
    recording = load("anthropic", "stream-reasoning-length-claude-opus-5")
    upstream.handler = replay(recording, cut=11)
    with native.messages.with_streaming_response.create(
        model=HAIKU,
        max_tokens=16,
        messages=HELLO,
        stream=True,
        extra_headers={"anthropic-beta": "b"},
    ) as response:
        assert response.read() == recording.body
    asked = upstream.requests[-1]
    assert asked.headers["anthropic-beta"] == "b"
    assert asked.json()["model"] == "claude-haiku-4-5"
    upstream.handler = replay(load("anthropic", "count-tokens-claude-sonnet-5"))
    assert native.messages.count_tokens(model=HAIKU, messages=HELLO).input_tokens == 20


def test_a_client_that_leaves_while_its_tokens_are_counted(
    gateway: Gateway, upstream: Upstream
) -> None:
    def take() -> float:
        upstream.handler = patient = Patient()
        asked = {"model": HAIKU, "messages": HELLO}
        client = gateway.connect("POST", "/v1/messages/count_tokens", asked)
        assert patient.asked.acquire(timeout=5)
        left = leave(client)
        return patient.left.get(timeout=5) - left

    assert least(take, 0.1) < 0.1


def test_an_overloaded_provider_is_a_503(client: openai.OpenAI, upstream: Upstream) -> None:
    overloaded = load("anthropic", "error-529-overloaded-error")
    upstream.handler = answer(overloaded.body, 503)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=HAIKU, messages=HELLO)
    assert caught.value.status_code == 503
    assert PROVIDER_KEY not in str(caught.value)


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["anthropic/claude-haiku-4-5-20251001"]


def test_what_is_left_out_is_told_in_a_header(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = replay(load("anthropic", "whole-structured-claude-haiku-4-5"))
    got = gateway.chat(HAIKU, seed=1, temperature=0.5, top_p=0.5)
    assert got.headers["x-gateway-dropped-params"] == "seed, top_p"
    assert got.headers["x-gateway-provider"] == "anthropic"
