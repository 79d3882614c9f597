"""A running gateway before Google: OpenAI's SDK in front, Gemini and Vertex AI behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.gateway_process import Gateway, run_gateway
from tests.recordings import load
from tests.transport.test_google_tokens import write_key_file
from tests.upstream import Upstream, answer, replay, serve_upstream

KEY = "AIzaSyA-0123456789-canary-0123456789"
HI: Any = [{"role": "user", "content": "hi"}]
ADD: Any = [{"type": "function", "function": {"name": "add"}}]
STREAM = "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"
WHOLE = "/v1beta/models/gemini-3-flash:generateContent"
IN_PROJECT = "/v1beta1/projects/p/locations/us-east5/publishers/google/models/gemini-3-flash"
MODELS = {
    "models": [
        {
            "name": "models/gemini-3-flash",
            "inputTokenLimit": 1048576,
            "supportedGenerationMethods": ["generateContent"],
            "thinking": True,
        }
    ]
}


@pytest.fixture(scope="module")
def shared_google() -> Iterator[Upstream]:
    with serve_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def shared_gateway(
    shared_google: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    directory: Path = tmp_path_factory.mktemp("gateway")
    key_file = write_key_file(directory / "account.json", f"{shared_google.url}/token")
    config = {
        "providers": {
            "gemini": {"kind": "gemini", "base_url": shared_google.url, "api_key": KEY},
            "express": {"kind": "vertex", "base_url": shared_google.url, "api_key": KEY},
            "cloud": {
                "kind": "vertex",
                "base_url": shared_google.url,
                "project": "p",
                "region": "us-east5",
                "credentials_file": str(key_file),
            },
        }
    }
    with run_gateway(directory, config=config, IMAGE_NETWORKS="127.0.0.1", MAX_RETRIES="0") as it:
        yield it


@pytest.fixture
def google(shared_google: Upstream) -> Upstream:
    shared_google.reset({"/v1beta/models?pageSize=1000": answer(json.dumps(MODELS).encode())})
    return shared_google


@pytest.fixture
def client(shared_gateway: Gateway, google: Upstream) -> Iterator[OpenAI]:
    url = shared_gateway.url + "/v1"
    with OpenAI(base_url=url, api_key=shared_gateway.key, max_retries=0) as client:
        yield client


def test_calls_make_a_round_with_their_signatures(client: OpenAI, google: Upstream) -> None:
    recording = load("gemini", "stream-parallel-tools-gemini-2-5-flash")
    google.routes[STREAM] = replay(recording, cut=100)
    google.routes[WHOLE] = replay(load("gemini", "whole-reasoning-gemini-3-flash-preview"))
    model = "gemini/gemini-3-flash"
    with client.chat.completions.stream(
        model=model, messages=HI, tools=ADD, stream_options={"include_usage": True}
    ) as got:
        first = got.get_final_completion()
    calls = first.choices[0].message.tool_calls or []
    assert [each.function.name for each in calls] == ["add", "multiply"]
    assert first.choices[0].finish_reason == "tool_calls"
    assert first.usage is not None
    assert first.usage.total_tokens == 195
    plain = [
        {
            "id": each.id,
            "type": "function",
            "function": {"name": each.function.name, "arguments": each.function.arguments},
        }
        for each in calls
    ]
    history: Any = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": plain},
        *({"role": "tool", "tool_call_id": each.id, "content": "5"} for each in calls),
    ]
    second = client.chat.completions.create(
        model=model, messages=history, tools=ADD, reasoning_effort="low"
    )
    assert second.choices[0].message.content == "5 + 3 = 8"
    assert getattr(second.choices[0].message, "reasoning_content", "").startswith("**A Simple")
    (asked,) = google.asked(WHOLE)
    assert asked.headers["x-goog-api-key"] == KEY
    signed = json.loads(recording.pieces[0][5:])["candidates"][0]["content"]["parts"][0]
    sent = asked.json()["contents"][1]["parts"]
    assert sent[0]["thoughtSignature"] == signed["thoughtSignature"]
    assert asked.json()["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "LOW"


@pytest.mark.parametrize(
    ("model", "path", "header", "value"),
    [
        (
            "express/gemini-3-flash",
            "/v1beta1/publishers/google/models/gemini-3-flash",
            "x-goog-api-key",
            KEY,
        ),
        ("cloud/gemini-3-flash", IN_PROJECT, "authorization", "Bearer ya29.a-token"),
    ],
)
def test_vertex_takes_a_key_or_a_token(
    client: OpenAI, google: Upstream, model: str, path: str, header: str, value: str
) -> None:
    token = {"access_token": "ya29.a-token", "expires_in": 3600, "token_type": "Bearer"}
    google.routes["/token"] = answer(json.dumps(token).encode())
    recording = load("vertex", "whole-toolresult-gemini-2-5-flash")
    google.routes[f"{path}:generateContent"] = replay(recording)
    for _ in range(2):
        got = client.chat.completions.create(model=model, messages=HI)
        assert (got.choices[0].message.content or "").startswith("The weather in Berlin")
    asked = google.asked(f"{path}:generateContent")
    assert [each.headers.get(header) for each in asked] == [value] * 2


def test_linked_image_is_fetched_and_none_from_inside(client: OpenAI, google: Upstream) -> None:
    google.routes["/a.png"] = answer(b"\x89PNG", content_type="image/png")
    google.routes[STREAM] = replay(load("gemini", "stream-plain-gemini-2-5-flash"))

    def ask(url: str) -> str:
        image = {"type": "image_url", "image_url": {"url": url}}
        messages: Any = [{"role": "user", "content": [image]}]
        model = "gemini/gemini-3-flash"
        with client.chat.completions.create(model=model, messages=messages, stream=True) as got:
            return "".join(chunk.choices[0].delta.content or "" for chunk in got)

    assert ask(f"{google.url}/a.png") == "Ol\u00e1!"
    parts = google.asked(STREAM)[0].json()["contents"][0]["parts"]
    assert parts == [{"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}]
    for url in (f"http://127.0.0.2:{google.port}/a.png", "http://[::ffff:169.254.169.254]/"):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(url)
        assert caught.value.code == "invalid_image_url"
        assert caught.value.param == "messages[0].content[0].image_url.url"
    assert len(google.asked("/a.png")) == 1


def test_bad_key_is_the_gateways_fault_and_is_not_shown(
    client: OpenAI, google: Upstream, shared_gateway: Gateway
) -> None:
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    error = {"code": 400, "message": f"API key {KEY} not valid", "details": [reason]}
    google.routes[WHOLE] = answer(json.dumps({"error": error}).encode(), 400)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="gemini/gemini-3-flash", messages=HI)
    assert caught.value.status_code == 502
    assert KEY not in str(caught.value)
    assert KEY not in shared_gateway.log


def test_models_are_listed_as_they_are_asked_for(client: OpenAI, google: Upstream) -> None:
    assert "gemini/gemini-3-flash" in [model.id for model in client.models.list()]
