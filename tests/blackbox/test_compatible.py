"""Recorded streams of many providers, through a real gateway, to a strict client."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.gateway_process import Gateway, run_gateway
from tests.providers.openai.test_compatible_recordings import STREAMS
from tests.recordings import load
from tests.strict_openai import check_stream
from tests.upstream import Upstream, replay, serve_upstream

KINDS = {
    "azure-openai": "azure",
    "openai-compat": "vllm",
    **{kind: kind for kind in ("openai", "deepseek", "groq", "mistral", "openrouter")},
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with serve_upstream() as served:
        yield served


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    providers = {
        kind: {"kind": kind, "base_url": f"{upstream.url}/x", "api_key": "k" * 20}
        for kind in KINDS.values()
    }
    old = {"kind": "azure", "base_url": upstream.url, "api_version": "2024-10-21"}
    providers |= {
        "old": {**old, "api_key": "k" * 20},
        "entra": {**old, "api_key": "k" * 20, "ad_token": "t" * 20},
    }
    directory = tmp_path_factory.mktemp("compatible")
    with run_gateway(directory, config={"providers": providers}) as running:
        yield running


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize(("provider", "name"), STREAMS)
def test_a_recorded_stream_reaches_a_strict_client(
    gateway: Gateway, upstream: Upstream, provider: str, name: str, include_usage: bool
) -> None:
    recording = load(provider, name)
    upstream.reset()
    upstream.handler = replay(recording, cut=None if include_usage else 1000)
    options = {"include_usage": include_usage}
    response = gateway.chat(f"{KINDS[provider]}/m", stream=True, stream_options=options)
    assert response.status_code == 200, response.text
    *events, done = response.text.strip().split("\n\n")
    assert done == "data: [DONE]"
    chunks = check_stream([json.loads(event[6:]) for event in events])
    has_usage = any(chunk.usage for chunk in chunks)
    assert has_usage == (include_usage and b'"prompt_tokens"' in recording.body)


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [("old", "api-key", "k" * 20), ("entra", "authorization", f"Bearer {'t' * 20}")],
)
def test_azures_classic_api_has_deployment_and_version_in_its_address(
    gateway: Gateway, upstream: Upstream, name: str, header: str, value: str
) -> None:
    upstream.reset()
    upstream.handler = replay(load("azure-openai", "whole-plain-gpt-4-1-mini"))
    response = gateway.chat(f"{name}/my gpt")
    assert response.json()["model"] == "gpt-4.1-mini-2025-04-14"
    (sent,) = upstream.requests
    assert sent.path == "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"
    credentials = {key: sent.headers.get(key) for key in ("api-key", "authorization")}
    assert credentials == {"api-key": None, "authorization": None, header: value}


def test_the_official_client_gathers_reasoning_text_and_tool_calls(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.reset()
    recording = load("groq", "stream-tools-toolresult-reasoning-gpt-oss-120b")
    upstream.handler = replay(recording)
    client = OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)
    with (
        client,
        client.chat.completions.stream(
            model="groq/m", messages=[{"role": "user", "content": "Hi"}]
        ) as stream,
    ):
        completion = stream.get_final_completion()
    (choice,) = completion.choices
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls
    assert calls is not None
    (call,) = calls
    assert call.function.name == "get_something_by_name"
    assert json.loads(call.function.arguments) == {"name": "example"}
    assert choice.message.model_dump()["reasoning_content"].startswith("We")
