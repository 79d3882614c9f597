"""OpenAI's own SDK as a client, every answer checked strictly against its types."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from tests.blackbox.wire import NDJSON, SSE, ollama_line
from tests.gateway_process import Gateway, chat_body
from tests.recordings import load, names
from tests.upstream import Upstream, answer, replay, stream

HI: Any = [{"role": "user", "content": "hi"}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
OLLAMA_CHATS = [
    name
    for name in names("ollama")
    if load("ollama", name).request.get("path") == "/api/chat"
    and load("ollama", name).status == 200
    and name not in ("error-runner-killed-stream", "load")
]


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("name", OLLAMA_CHATS)
def test_answers_over_ollama_are_strictly_openais(
    gateway: Gateway, upstream: Upstream, name: str
) -> None:
    recording = load("ollama", name)
    upstream.handler = replay(recording)
    model = "ollama/" + json.loads(recording.body.split(b"\n")[0])["model"]
    got = gateway.chat(model)
    completion = ChatCompletion.model_validate_json(got.content, strict=True)
    assert completion.object == "chat.completion"
    assert completion.id.startswith("chatcmpl-")
    assert completion.model == model
    (choice,) = completion.choices
    assert choice.finish_reason in ("stop", "length", "tool_calls")
    assert (choice.finish_reason == "tool_calls") == bool(choice.message.tool_calls)
    assert completion.usage is not None
    streamed = gateway.chat(model, stream=True, stream_options={"include_usage": True})
    for chunk in iter_chunks(streamed.text):
        ChatCompletionChunk.model_validate_json(chunk, strict=True)


def iter_chunks(text: str) -> Iterator[str]:
    *events, end = text.removesuffix("\n\n").split("\n\n")
    assert end == "data: [DONE]"
    for event in events:
        yield event.removeprefix("data: ")


@pytest.mark.parametrize("name", names("openai", "whole-"))
def test_whole_answers_of_openai_pass_unchanged(
    gateway: Gateway, upstream: Upstream, name: str
) -> None:
    recording = load("openai", name)
    upstream.handler = answer(recording.body)
    sent = {"temperature": 0.5, "a_field_of_tomorrow": {"x": [1, None]}, "metadata": {"a": "b"}}
    got = gateway.chat("openai/gpt-4o-mini", **sent)
    assert got.json() == json.loads(recording.body)
    (asked,) = upstream.asked("/v1/chat/completions")
    assert asked.json() == chat_body("gpt-4o-mini", **sent)


def test_chat(client: OpenAI, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "chat-stream"))
    completion = client.chat.completions.create(model="ollama/tiny", messages=HI)
    assert completion.choices[0].message.content == "Hello from a tiny model."


def test_chat_streamed(client: OpenAI, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "chat-utf8-stream"), cut=3)
    with client.chat.completions.create(model="ollama/tiny-utf8", messages=HI, stream=True) as got:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in got)
    assert text == json.loads(load("ollama", "chat-utf8-whole").body)["message"]["content"]


def test_async_chat_whole_and_streamed(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "chat-stream"))

    async def ask() -> list[str]:
        url = gateway.url + "/v1"
        async with AsyncOpenAI(base_url=url, api_key=gateway.key, max_retries=0) as client:
            whole = await client.chat.completions.create(model="ollama/tiny", messages=HI)
            chunks = await client.chat.completions.create(
                model="ollama/tiny", messages=HI, stream=True
            )
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
            return [whole.choices[0].message.content or "", text]

    assert asyncio.run(ask()) == ["Hello from a tiny model."] * 2


def test_stream_helper_gathers_tool_calls(client: OpenAI, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "tools-parallel-stream"))
    with client.chat.completions.stream(
        model="ollama/tiny-tools2", messages=HI, tools=TOOLS
    ) as got:
        kinds = {event.type for event in got}
        completion = got.get_final_completion()
    (choice,) = completion.choices
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls or []
    assert len(calls) == 2
    assert len({call.id for call in calls}) == 2
    assert {call.type for call in calls} == {"function"}
    assert "tool_calls.function.arguments.done" in kinds


def test_tool_calls_and_their_results_make_a_round(client: OpenAI, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "tools-one-stream"))
    first = client.chat.completions.create(model="ollama/tiny-tools", messages=HI, tools=TOOLS)
    (call,) = first.choices[0].message.tool_calls or []
    assert call.type == "function"
    arguments = json.loads(call.function.arguments)
    upstream.handler = replay(load("ollama", "chat-stream"))
    history = [
        *HI,
        first.choices[0].message,
        {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"},
    ]
    client.chat.completions.create(model="ollama/tiny-tools", messages=history, tools=TOOLS)
    _, assistant, tool = upstream.asked("/api/chat")[-1].json()["messages"]
    assert assistant["tool_calls"][0]["function"]["arguments"] == arguments
    assert tool["tool_name"] == call.function.name
    assert tool["content"] == "18 degrees"


class Verdict(BaseModel):
    is_fruit: bool


class Person(BaseModel):
    name: str
    city: str


def test_parse_helper_returns_the_clients_type(client: OpenAI, upstream: Upstream) -> None:
    pieces = [ollama_line('{"is_fruit": '), ollama_line("true}"), ollama_line(done=True)]
    upstream.handler = stream(pieces, 200, NDJSON)
    got = client.chat.completions.parse(model="ollama/tiny", messages=HI, response_format=Verdict)
    assert got.choices[0].message.parsed == Verdict(is_fruit=True)
    (asked,) = upstream.asked("/api/chat")
    assert asked.json()["format"]["properties"]["is_fruit"]["type"] == "boolean"


def test_parse_helper_over_openai(client: OpenAI, upstream: Upstream) -> None:
    upstream.handler = replay(load("openai", "whole-structured-gpt-5-nano"))
    got = client.chat.completions.parse(
        model="openai/gpt-5-nano", messages=HI, response_format=Person
    )
    assert got.choices[0].message.parsed == Person(name="Alex Smith", city="San Francisco")


def test_stream_helper_parses_too(client: OpenAI, upstream: Upstream) -> None:
    recording = load("openai", "stream-structured-usage-gpt-5-6-sol")
    upstream.handler = stream(recording.pieces, 200, SSE)
    with client.chat.completions.stream(
        model="openai/gpt-5.6-sol", messages=HI, response_format=Verdict
    ) as got:
        completion = got.get_final_completion()
    assert completion.choices[0].message.parsed == Verdict(is_fruit=True)


def test_reasoning_is_kept_apart(client: OpenAI, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "think-stream"))
    got = client.chat.completions.create(
        model="ollama/tiny-think", messages=HI, reasoning_effort="high"
    )
    message = got.choices[0].message
    assert message.content == "The answer is 42"
    assert message.model_extra is not None
    assert message.model_extra["reasoning_content"] == "Let me see."
    assert upstream.asked("/api/chat")[0].json()["think"] == "high"


def test_several_choices(client: OpenAI, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "chat-stream"))
    got = client.chat.completions.create(model="ollama/tiny", messages=HI, n=3)
    assert [choice.index for choice in got.choices] == [0, 1, 2]
    assert {choice.message.content for choice in got.choices} == {"Hello from a tiny model."}


def test_logprobs(client: OpenAI, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "logprobs-stream"))
    got = client.chat.completions.create(
        model="ollama/tiny", messages=HI, logprobs=True, top_logprobs=2
    )
    logprobs = got.choices[0].logprobs
    assert logprobs is not None
    assert [entry.token for entry in logprobs.content or []][:2] == ["Hello", " from"]
    assert all(len(entry.top_logprobs) == 2 for entry in logprobs.content or [])


def test_embeddings_as_the_sdk_asks_for_them(client: OpenAI, upstream: Upstream) -> None:
    vectors = [[0.5, -0.25], [1.0, 0.0]]
    value = {"model": "tiny", "embeddings": vectors, "prompt_eval_count": 8}
    upstream.handler = answer(json.dumps(value).encode())
    # The SDK asks for base64 by itself, and unpacks it.
    got = client.embeddings.create(model="ollama/tiny", input=["a b", "c"], dimensions=2)
    assert [item.embedding for item in got.data] == vectors
    assert [item.index for item in got.data] == [0, 1]
    assert got.usage.prompt_tokens == got.usage.total_tokens == 8
    asked = upstream.asked("/api/embed")[0].json()
    assert (asked["input"], asked["dimensions"]) == (["a b", "c"], 2)


def test_embeddings_as_floats_are_strictly_openais(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "embed"))
    got = gateway.post("/v1/embeddings", {"model": "ollama/tiny", "input": ["a b", "c"]})
    response = CreateEmbeddingResponse.model_validate_json(got.content, strict=True)
    assert [len(item.embedding) for item in response.data] == [8, 8]


def test_models(client: OpenAI) -> None:
    models = list(client.models.list())
    for model in models:
        Model.model_validate(model.model_dump(), strict=True)
    ids = [model.id for model in models]
    assert len(ids) == len(set(ids))
    assert {"fast", "openai/gpt-4o-mini"} <= set(ids)
    assert client.models.retrieve("openai/gpt-4o-mini").id == "openai/gpt-4o-mini"


def test_failures_are_the_sdks_own_exceptions(client: OpenAI, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "error-model-not-found"))
    with pytest.raises(openai.NotFoundError) as not_found:
        client.chat.completions.create(model="ollama/nope", messages=HI)
    assert not_found.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as bad_request:
        client.chat.completions.create(model="ollama/tiny", messages=HI, temperature=3)
    assert bad_request.value.param == "temperature"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()
    upstream.handler = answer(b"<html>", 500, "text/html")
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="ollama/tiny", messages=HI)


def test_failure_in_mid_stream_is_raised_by_the_sdk(client: OpenAI, upstream: Upstream) -> None:
    upstream.handler = stream([ollama_line("one")], 200, NDJSON)
    received = []
    with client.chat.completions.create(model="ollama/tiny", messages=HI, stream=True) as got:
        chunks = iter(got)
        received.append(next(chunks).choices[0].delta.content)
        with pytest.raises(openai.APIError):
            received += [chunk.choices[0].delta.content for chunk in chunks]
    assert "one" in received
