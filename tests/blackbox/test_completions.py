"""OpenAI's SDK asks for completions of prompts, over Ollama and over an OpenAI upstream."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.blackbox.wire import SSE, openai_event
from tests.gateway_process import Gateway
from tests.recordings import load
from tests.upstream import Connection, Request, Upstream, answer, replay


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    url = f"{gateway.url}/v1"
    with openai.OpenAI(base_url=url, api_key=gateway.key, max_retries=0) as client:
        yield client


def echo_chat(request: Request, connection: Connection) -> None:
    """Say what was asked."""
    text = request.json()["messages"][0]["content"]
    body = openai_event({"role": "assistant", "content": f"<{text}>"}, "stop")
    connection.send_answer(body + b"data: [DONE]\n\n", 200, SSE)


def test_a_prompt_with_a_suffix_over_ollama(client: openai.OpenAI, upstream: Upstream) -> None:
    upstream.routes["/api/generate"] = replay(load("ollama", "generate-stream"))
    whole = client.completions.create(model="ollama/tiny", prompt="hi", suffix="!", max_tokens=5)
    assert whole.choices[0].text.startswith("Hello from")
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    asked = upstream.asked("/api/generate")[-1].json()
    assert (asked["prompt"], asked["suffix"], asked["options"]["num_predict"]) == ("hi", "!", 5)


def test_several_prompts_over_a_model_that_chats(client: openai.OpenAI, upstream: Upstream) -> None:
    upstream.routes["/v1/chat/completions"] = echo_chat
    stream = client.completions.create(
        model="openai/gpt-4o-mini", prompt=["a", "b", "c"], stream=True
    )
    texts = {0: "", 1: "", 2: ""}
    for event in stream:
        texts[event.choices[0].index] += event.choices[0].text
    assert texts == {0: "<a>", 1: "<b>", 2: "<c>"}
    assert len(upstream.asked("/v1/chat/completions")) == 3


def test_a_suffix_for_a_model_that_chats_is_refused(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.completions.create(model="openai/gpt-4o-mini", prompt="a", suffix="b")
    assert raised.value.param == "suffix"
    assert not upstream.asked("/v1/chat/completions")


def test_a_stream_that_fails_at_the_second_prompt_ends_with_an_error(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    def fail_second(request: Request, connection: Connection) -> None:
        if request.json()["messages"][0]["content"] == "b":
            connection.send_json({"error": {"message": "no", "type": "server_error"}}, 500)
        else:
            echo_chat(request, connection)

    upstream.routes["/v1/chat/completions"] = fail_second
    stream = client.completions.create(model="openai/gpt-4o-mini", prompt=["a", "b"], stream=True)
    with pytest.raises(openai.APIError):
        list(stream)


def test_several_prompts_over_a_model_that_completes_are_one_stream(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    usage = (
        b'data: {"id":"u","object":"text_completion","created":1,"model":"m","choices":[],'
        b'"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n'
    )
    recorded = load("openai", "completions-stream-plain-gpt-3-5-turbo-instruct").body
    body = recorded.replace(b"data: [DONE]", usage + b"data: [DONE]")
    upstream.routes["/v1/completions"] = answer(body, 200, SSE["Content-Type"])
    events = list(
        client.completions.create(
            model="openai/gpt-3.5-turbo-instruct",
            prompt=["a", "b"],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    texts = {0: "", 1: ""}
    for event in events[:-1]:
        texts[event.choices[0].index] += event.choices[0].text
    assert texts[0] == texts[1]
    assert texts[0].startswith("The answer is")
    assert len({(event.id, event.created, event.model) for event in events}) == 1
    assert [event.usage.total_tokens for event in events if event.usage] == [14]
