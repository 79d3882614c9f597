"""OpenAI's SDK asks for completions of prompts, over Ollama and over an OpenAI upstream."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.blackbox.wire import SSE, openai_event
from tests.gateway_process import Gateway
from tests.recordings import load
from tests.upstream import Connection, Request, Upstream, replay


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
