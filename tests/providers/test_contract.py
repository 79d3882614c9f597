"""What every kind of provider does, each behind a real gateway and before a fake upstream.

A kind that is added to ``gateway.kinds`` is tested here without a test being written;
one with a format of its own needs that format in ``tests.providers.formats``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from gateway.kinds import DEMO_KIND, KINDS
from tests.gateway_process import Gateway, run_gateway
from tests.providers.formats import (
    COMPLETION_TOKENS,
    KEY,
    PROMPT_TOKENS,
    Answer,
    find_format,
    format_name,
)
from tests.strict_openai import check_completion, check_stream
from tests.upstream import Connection, Request, Upstream, serve_upstream

PATHS = {kind: find_format(kind) for kind in KINDS if kind != DEMO_KIND}
TESTED = [kind for kind, spoken in PATHS.items() if spoken is not None]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
ARGUMENTS = '{"city":"Florence"}'


def test_every_kind_has_a_format() -> None:
    missing = {format_name(kind) for kind, spoken in PATHS.items() if spoken is None}
    assert not missing, f"tests/providers/formats/ lacks {', '.join(sorted(missing))}"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with serve_upstream() as served:
        yield served


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    providers = {
        kind: {"kind": kind, **PATHS[kind].configure(f"{upstream.url}/{kind}")} for kind in TESTED
    }
    directory = tmp_path_factory.mktemp("contract")
    with run_gateway(directory, config={"providers": providers}) as running:
        yield running


@pytest.fixture(params=TESTED)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def script(upstream: Upstream, kind: str, answer: Callable[[Any, Request], Answer]) -> None:
    """Let the upstream answer what the provider asks for with ``answer(format, request)``."""
    spoken = PATHS[kind]

    def handle(request: Request, connection: Connection) -> None:
        made = spoken.answer_other(request) or answer(spoken, request)
        headers = {"Content-Type": made.content_type}
        connection.send_answer(made.body, made.status, headers)

    upstream.reset()
    upstream.handler = handle


def asked(upstream: Upstream, kind: str) -> Request:
    """Return the request that was answered, having seen that it is the kind's own."""
    request = upstream.requests[-1]
    assert request.path.startswith(f"/{kind}/")
    return request


def ask(gateway: Gateway, kind: str, **fields: Any) -> requests.Response:
    return gateway.chat(f"{kind}/some-model", **fields)


def test_a_whole_answer_is_openais(gateway: Gateway, upstream: Upstream, kind: str) -> None:
    script(upstream, kind, lambda spoken, request: spoken.answer_text(request, "Hello, you."))
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Who is there?"}]},
        {"role": "assistant", "content": "I am.", "refusal": None, "reasoning_content": "Hm."},
        {"role": "user", "content": "Really?"},
    ]
    response = ask(gateway, kind, messages=messages, max_completion_tokens=77)
    assert response.status_code == 200, response.text
    completion = check_completion(response.json())
    assert completion.choices[0].message.content == "Hello, you."
    assert completion.choices[0].finish_reason == "stop"
    usage = completion.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (PROMPT_TOKENS, COMPLETION_TOKENS)
    assert response.headers["x-gateway-provider"] == kind
    sent = asked(upstream, kind)
    for text in (b"Be kind.", b"Who is there?", b"I am.", b"Really?", b"77"):
        assert text in sent.body


def test_the_key_is_sent_and_only_the_providers(
    gateway: Gateway, upstream: Upstream, kind: str
) -> None:
    script(upstream, kind, lambda spoken, request: spoken.answer_text(request, "Hello."))
    ask(gateway, kind)
    sent = asked(upstream, kind)
    values = " ".join(sent.headers.values())
    assert gateway.key not in values + sent.path
    if "api_key" in PATHS[kind].configure(""):
        assert KEY in values


def test_a_tool_call(gateway: Gateway, upstream: Upstream, kind: str) -> None:
    script(
        upstream,
        kind,
        lambda spoken, request: spoken.answer_tool_call(request, "get_weather", ARGUMENTS),
    )
    earlier = [
        {"role": "user", "content": "And in Rome?"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_rome", "type": "function",
             "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}}]},
        {"role": "tool", "tool_call_id": "call_rome", "content": "It rains."},
        {"role": "user", "content": "And in Florence?"},
    ]  # fmt: skip
    response = ask(gateway, kind, messages=earlier, tools=[TOOL])
    assert response.status_code == 200, response.text
    choice = check_completion(response.json()).choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = response.json()["choices"][0]["message"]["tool_calls"]
    assert call["id"]
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == json.loads(ARGUMENTS)
    sent = asked(upstream, kind)
    for text in (b"get_weather", b"Tells the weather.", b"Rome", b"It rains."):
        assert text in sent.body


def test_a_stream_is_openais(gateway: Gateway, upstream: Upstream, kind: str) -> None:
    pieces = ["Hello", ", ", "you", "."]
    script(upstream, kind, lambda spoken, request: spoken.stream_text(request, pieces))
    response = ask(gateway, kind, stream=True, stream_options={"include_usage": True})
    assert response.status_code == 200, response.text
    events = response.text.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    chunks = check_stream([json.loads(event[6:]) for event in events[:-1]])
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "".join(pieces)
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == PROMPT_TOKENS + COMPLETION_TOKENS


def test_a_stream_that_is_cut(gateway: Gateway, upstream: Upstream, kind: str) -> None:
    def cut(spoken: Any, request: Request) -> Answer:
        made: Answer = spoken.stream_text(request, ["Hello", ", ", "you", "."])
        return made._replace(body=made.body[: len(made.body) // 2])

    script(upstream, kind, cut)
    response = ask(gateway, kind, stream=True)
    if response.status_code == 200:
        last = json.loads(response.text.strip().split("\n\n")[-1][6:])
        assert last["error"]["message"]
        assert '"finish_reason":"stop"' not in response.text
    else:
        assert response.status_code == 502


@pytest.mark.parametrize(("status", "expected"), [(400, 400), (429, 429), (401, 502), (500, 502)])
def test_an_error_has_openais_shape(
    gateway: Gateway, upstream: Upstream, kind: str, status: int, expected: int
) -> None:
    script(upstream, kind, lambda spoken, request: spoken.answer_error(status, f"Because {KEY}."))
    for stream in (False, True):
        response = ask(gateway, kind, stream=stream)
        assert response.status_code == expected, response.text
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert KEY not in response.text


def test_embeddings_are_openais(gateway: Gateway, upstream: Upstream, kind: str) -> None:
    vectors = [[0.5, -0.25], [1.0, 0.125]]
    script(upstream, kind, lambda spoken, request: spoken.answer_embeddings(request, vectors))
    body = {"model": f"{kind}/some-model", "input": ["one", "two"], "encoding_format": "float"}
    response = gateway.post("/v1/embeddings", body)
    quirks = KINDS[kind].quirks
    if not PATHS[kind].HAS_EMBEDDINGS or (quirks is not None and not quirks.embeddings):
        assert response.status_code == 400
        assert "no embeddings" in response.json()["error"]["message"]
        return
    assert response.status_code == 200, response.text
    assert [item["embedding"] for item in response.json()["data"]] == vectors
    assert b"two" in asked(upstream, kind).body


def test_a_custom_tool_is_called_whether_the_provider_has_them_or_functions_only(
    gateway: Gateway, upstream: Upstream, kind: str
) -> None:
    wrapped = json.dumps({"input": '*** Begin\n"é"'})
    script(
        upstream,
        kind,
        lambda spoken, request: spoken.answer_tool_call(request, "apply_patch", wrapped),
    )
    tool = {"type": "custom", "custom": {"name": "apply_patch", "description": "Edits files."}}
    earlier = {"id": "call_1", "type": "custom", "custom": {"name": "apply_patch", "input": "old"}}
    messages = [
        {"role": "user", "content": "Edit."},
        {"role": "assistant", "content": None, "tool_calls": [earlier]},
        {"role": "tool", "tool_call_id": "call_1", "content": "No such file."},
    ]
    response = ask(gateway, kind, messages=messages, tools=[tool])
    assert response.status_code == 200, response.text
    sent = asked(upstream, kind)
    for text in (b"apply_patch", b"Edits files.", b"old", b"No such file."):
        assert text in sent.body
    assert (b'"type":"custom"' in sent.body) == (kind in ("openai", "azure"))
    if kind not in ("openai", "azure"):
        (call,) = response.json()["choices"][0]["message"]["tool_calls"]
        assert call["type"] == "custom"
        assert call["custom"] == {"name": "apply_patch", "input": '*** Begin\n"é"'}
