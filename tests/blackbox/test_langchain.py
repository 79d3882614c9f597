"""LangChain's ``ChatOpenAI`` as a client."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tests.blackbox.wire import SSE
from tests.gateway_process import Gateway
from tests.recordings import load
from tests.upstream import Upstream, replay, stream


def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"18 degrees in {city}"


def build_client(gateway: Gateway, model: str) -> ChatOpenAI:
    return ChatOpenAI(
        model=model, base_url=gateway.url + "/v1", api_key=SecretStr(gateway.key), max_retries=0
    )


def test_invoke(gateway: Gateway, upstream: Upstream) -> None:
    upstream.handler = replay(load("ollama", "chat-stream"))
    message = build_client(gateway, "ollama/tiny").invoke("hi")
    assert message.content == "Hello from a tiny model."
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.response_metadata["token_usage"]["total_tokens"] > 0


@pytest.mark.parametrize("model", ["ollama/tiny", "openai/gpt-4.1-nano"])
def test_stream(gateway: Gateway, upstream: Upstream, model: str) -> None:
    if model.startswith("ollama/"):
        upstream.handler = replay(load("ollama", "chat-stream"), cut=7)
        expected = "Hello from a tiny model."
    else:
        recording = load("openai", "stream-no-usage-gpt-4-1-nano")
        upstream.handler = stream(recording.pieces, 200, SSE, cut=7)
        expected = "Hello"
    chunks = list(build_client(gateway, model).stream("hi"))
    assert "".join(str(chunk.content) for chunk in chunks) == expected


@pytest.mark.parametrize("streamed", [False, True])
def test_tools(gateway: Gateway, upstream: Upstream, streamed: bool) -> None:
    upstream.handler = replay(load("ollama", "tools-parallel-stream"))
    client = build_client(gateway, "ollama/tiny-tools2").bind_tools([get_weather])
    if streamed:
        message: AIMessageChunk | None = None
        for chunk in client.stream("hi"):
            assert isinstance(chunk, AIMessageChunk)
            message = chunk if message is None else message + chunk
        assert message is not None
        calls = message.tool_calls
    else:
        calls = client.invoke("hi").tool_calls
    assert [call["name"] for call in calls] == ["get_weather", "get_time"]
    assert all(isinstance(call["args"], dict) for call in calls)
    assert isinstance(calls[0]["args"]["city"], str)
    assert len({call["id"] for call in calls}) == 2


@pytest.mark.parametrize("streamed", [False, True])
def test_responses(gateway: Gateway, upstream: Upstream, streamed: bool) -> None:
    """LangChain sends an answer's reasoning, words and calls back as they came."""
    client = ChatOpenAI(
        model="ollama/tiny-tools2",
        base_url=gateway.url + "/v1",
        api_key=SecretStr(gateway.key),
        max_retries=0,
        use_responses_api=True,
        streaming=streamed,
        output_version="responses/v1",
    )
    upstream.handler = replay(load("ollama", "tools-parallel-stream"))
    asking = client.bind_tools([get_weather])
    question = HumanMessage("hi")
    message = asking.invoke([question])
    assert isinstance(message, AIMessage)
    assert len(message.tool_calls) == 2
    results = [ToolMessage("18", tool_call_id=call["id"]) for call in message.tool_calls]
    upstream.handler = replay(load("ollama", "chat-stream"))
    answer = asking.invoke([question, message, *results])
    assert answer.text == "Hello from a tiny model."
    roles = [each["role"] for each in upstream.asked("/api/chat")[-1].json()["messages"]]
    assert roles == ["user", "assistant", "tool", "tool"]
