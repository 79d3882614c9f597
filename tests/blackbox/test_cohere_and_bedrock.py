"""Cohere and Bedrock behind a real gateway, asked by OpenAI's own SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from tests.event_streams import encode_event
from tests.gateway_process import Gateway, run_gateway
from tests.providers.bedrock.asking import delta, end, stop_block
from tests.recordings import load
from tests.upstream import Upstream, answer, replay, serve_upstream, stream

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PATH = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
HI: Any = [{"role": "user", "content": "hi"}]
TOOLS: Any = [{"type": "function", "function": {"name": "top_song"}}]
BEDROCK_KEY = "bedrock-api-key-0123456789"
COHERE_KEY = "cohere-api-key-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    with serve_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def running(server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with run_gateway(
        tmp_path_factory.mktemp("gateway"),
        AWS_BEARER_TOKEN_BEDROCK=BEDROCK_KEY,
        BEDROCK_BASE_URL=server.url,
        COHERE_API_KEY=COHERE_KEY,
        COHERE_BASE_URL=server.url,
    ) as gateway:
        yield gateway


@pytest.fixture
def upstream(server: Upstream) -> Upstream:
    server.reset(
        {
            "/v1/models?page_size=1000": answer(b'{"models":[{"name":"command-a-03-2025"}]}'),
            "/foundation-models": answer(
                b'{"modelSummaries":[{"modelId":"amazon.nova-lite-v1:0"}]}'
            ),
        }
    )
    return server


@pytest.fixture
def client(running: Gateway, upstream: Upstream) -> Iterator[OpenAI]:
    with OpenAI(base_url=running.url + "/v1", api_key=running.key, max_retries=0) as client:
        yield client


def test_bedrock_streams_a_tool_call(client: OpenAI, upstream: Upstream) -> None:
    recording = load("bedrock", "converse-stream-tools-claude-3-haiku")
    upstream.routes[f"{PATH}/converse-stream"] = replay(recording, cut=17)
    model = f"bedrock/{SONNET}"
    with client.chat.completions.stream(model=model, messages=HI, tools=TOOLS) as events:
        completion = events.get_final_completion()
    (call,) = completion.choices[0].message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("top_song", '{"sign": "WZPZ"}')
    assert completion.choices[0].finish_reason == "tool_calls"
    (asked,) = upstream.asked(f"{PATH}/converse-stream")
    assert asked.headers["authorization"] == f"Bearer {BEDROCK_KEY}"


def test_bedrock_answers_whole_and_keeps_signatures_for_the_next_turn(
    running: Gateway, upstream: Upstream
) -> None:
    signed = {"reasoningText": {"text": "so", "signature": "sig"}}
    blocks: list[Any] = [{"reasoningContent": signed}, {"text": "42"}]
    body: Any = {"output": {"message": {"content": blocks}}, "stopReason": "end_turn", "usage": {}}

    def handler(request: Any, connection: Any) -> None:
        connection.send_json(body)

    upstream.routes[f"{PATH}/converse"] = handler
    first = running.chat(f"bedrock/{SONNET}", seed=1)
    assert first.headers["x-gateway-dropped-params"] == "seed"
    ChatCompletion.model_validate_json(first.content, strict=True)
    said = first.json()["choices"][0]["message"]
    assert (said["content"], said["reasoning_content"]) == ("42", "so")
    running.chat(f"bedrock/{SONNET}", messages=[*HI, said, *HI])
    sent = upstream.asked(f"{PATH}/converse")[1].json()["messages"]
    assert sent[1]["content"] == blocks


def test_bedrock_keeps_signatures_for_a_client_of_anthropics_api_too(
    running: Gateway, upstream: Upstream
) -> None:
    pieces = [
        encode_event("messageStart", {"role": "assistant"}),
        delta(0, reasoningContent={"text": "so"}),
        delta(0, reasoningContent={"signature": "sig"}),
        stop_block(0),
        delta(1, text="42"),
        end(),
    ]
    upstream.routes[f"{PATH}/converse-stream"] = stream(pieces)
    asked = {"model": f"bedrock/{SONNET}", "max_tokens": 9, "messages": HI, "stream": True}
    events = running.post("/v1/messages", asked).text
    assert '"type":"signature_delta","signature":"sig"' in events
    thinking = {"type": "thinking", "thinking": "so", "signature": "sig"}
    said = {"role": "assistant", "content": [thinking, {"type": "text", "text": "42"}]}
    running.post("/v1/messages", {**asked, "messages": [*HI, said, *HI]})
    sent = upstream.asked(f"{PATH}/converse-stream")[1].json()["messages"]
    assert sent[1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "so", "signature": "sig"}}},
        {"text": "42"},
    ]


def test_bedrock_gives_several_choices(client: OpenAI, upstream: Upstream) -> None:
    recording = load("bedrock", "converse-stream-toolresult-nova-micro-v1")
    upstream.routes[f"{PATH}/converse-stream"] = replay(recording)
    completion = client.chat.completions.create(model=f"bedrock/{SONNET}", messages=HI, n=2)
    texts = {choice.message.content for choice in completion.choices}
    assert texts == {"The current temperature in Paris, the capital of France, is 30°C."}
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (577, 36)


def test_bedrocks_cut_stream_is_an_error(client: OpenAI, upstream: Upstream) -> None:
    recording = load("bedrock", "converse-stream-toolresult-nova-micro-v1")
    cut = recording.body[:-40]
    upstream.routes[f"{PATH}/converse-stream"] = answer(cut, 200, "application/octet-stream")
    chunks = client.chat.completions.create(model=f"bedrock/{SONNET}", messages=HI, stream=True)
    texts: list[str] = []
    reasons: list[str | None] = []
    with pytest.raises(openai.APIError, match="in the middle of a message"):
        _read_into(chunks, texts, reasons)
    assert "".join(texts) == "The current temperature in Paris, the capital of France, is 30°C."
    assert set(reasons) == {None}


def _read_into(stream: Any, texts: list[str], reasons: list[str | None]) -> None:
    for chunk in stream:
        for choice in chunk.choices:
            texts.append(choice.delta.content or "")
            reasons.append(choice.finish_reason)


def test_bedrocks_errors_have_their_status(client: OpenAI, upstream: Upstream) -> None:
    for name, kind in (
        ("converse-error-400-the-provided-model-identifier-is-invalid", openai.NotFoundError),
        (
            "converse-error-403-the-security-token-included-in-the-request-i",
            openai.InternalServerError,
        ),
    ):
        upstream.routes[f"{PATH}/converse"] = replay(load("bedrock", name))
        with pytest.raises(kind):
            client.chat.completions.create(model=f"bedrock/{SONNET}", messages=HI)


def test_cohere_streams_and_answers_whole(client: OpenAI, upstream: Upstream) -> None:
    streamed = load("cohere", "stream-parallel-tools-command-r7b-12-2024")
    upstream.routes["/v2/chat"] = replay(streamed)
    model = "cohere/command-r7b-12-2024"
    with client.chat.completions.stream(model=model, messages=HI, tools=TOOLS) as events:
        calls = events.get_final_completion().choices[0].message.tool_calls or []
    assert [call.function.arguments for call in calls] == [
        '{"country": "USA"}',
        '{"country": "Canada"}',
    ]
    whole = load("cohere", "whole-reasoning-cache-command-a-reasoning-08-202")
    upstream.routes["/v2/chat"] = replay(whole)
    completion = client.chat.completions.create(model=model, messages=HI)
    assert completion.choices[0].message.content == "The sum of 5 and 3 is 8."
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 1394
    assert [request.headers["authorization"] for request in upstream.asked("/v2/chat")] == [
        f"Bearer {COHERE_KEY}"
    ] * 2


def test_cohere_embeds_for_the_sdk(client: OpenAI, upstream: Upstream) -> None:
    body = b'{"embeddings":{"float":[[0.5,0.25]]},"meta":{"billed_units":{"input_tokens":2}}}'
    upstream.routes["/v2/embed"] = answer(body)
    found = client.embeddings.create(model="cohere/embed-v4.0", input="hi")
    assert found.data[0].embedding == [0.5, 0.25]
    assert found.usage.total_tokens == 2


def test_bedrock_embeds_several_texts_with_the_counts_of_its_headers(
    client: OpenAI, upstream: Upstream
) -> None:
    recording = load("bedrock", "invoke-whole-plain-nova-2-multimodal-embeddin")
    model = "amazon.nova-2-multimodal-embeddings-v1:0"
    upstream.routes[f"/model/{model.replace(':', '%3A')}/invoke"] = replay(recording)
    found = client.embeddings.create(model=f"bedrock/{model}", input=["a", "b"])
    assert len(found.data) == 2
    assert found.usage.total_tokens == 20


def test_models_of_both_are_listed(client: OpenAI) -> None:
    listed = {model.id for model in client.models.list()}
    assert listed == {"bedrock/amazon.nova-lite-v1:0", "cohere/command-a-03-2025"}
