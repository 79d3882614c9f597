"""Every dialect in front of every kind of provider: text, a stream, a tool call.

A kind added to ``gateway.kinds`` is tested here without a test being written; a dialect with a
client of its own needs that client in ``CLIENTS``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import anthropic
import ollama
import openai
import pytest

from gateway.kinds import DEMO_KIND, KINDS
from tests.gateway_process import Gateway, run_gateway
from tests.providers.formats import Answer, find_format
from tests.upstream import Connection, Request, Upstream, serve_upstream

FORMATS = {kind: find_format(kind) for kind in KINDS if kind != DEMO_KIND}
ARGUMENTS = {"city": "Florence"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "get_weather", "description": "Tells the weather.", "parameters": SCHEMA}
ASKED: Any = [{"role": "user", "content": "Who is there?"}]


class Client(NamedTuple):
    """A client of one dialect: what it reads of an answer to ``ASKED`` (text; call: arguments)."""

    text: Callable[[Gateway, str], str]
    stream: Callable[[Gateway, str], str]
    call: Callable[[Gateway, str], Any] | None


def _openai(gateway: Gateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)


def chat_text(gateway: Gateway, model: str) -> str:
    with _openai(gateway) as client:
        answer = client.chat.completions.create(model=model, messages=ASKED)
    return answer.choices[0].message.content or ""


def chat_stream(gateway: Gateway, model: str) -> str:
    with _openai(gateway) as client:
        stream = client.chat.completions.create(model=model, messages=ASKED, stream=True)
        return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)


def chat_call(gateway: Gateway, model: str) -> Any:
    tools: Any = [{"type": "function", "function": FUNCTION}]
    with _openai(gateway) as client:
        answer: Any = client.chat.completions.create(model=model, messages=ASKED, tools=tools)
    (call,) = answer.choices[0].message.tool_calls
    return json.loads(call.function.arguments)


def prompt_text(gateway: Gateway, model: str) -> str:
    with _openai(gateway) as client:
        answer = client.completions.create(model=model, prompt="Who is there?")
    return answer.choices[0].text


def prompt_stream(gateway: Gateway, model: str) -> str:
    with _openai(gateway) as client:
        stream = client.completions.create(model=model, prompt="Who is there?", stream=True)
        return "".join(event.choices[0].text for event in stream)


def response_text(gateway: Gateway, model: str) -> str:
    with _openai(gateway) as client:
        return client.responses.create(model=model, input=ASKED).output_text


def response_stream(gateway: Gateway, model: str) -> str:
    with (
        _openai(gateway) as client,
        client.responses.stream(model=model, input=ASKED) as stream,
    ):
        return stream.get_final_response().output_text


def response_call(gateway: Gateway, model: str) -> Any:
    tools: Any = [{"type": "function", **FUNCTION}]
    with _openai(gateway) as client:
        answer: Any = client.responses.create(model=model, input=ASKED, tools=tools)
    (call,) = [item for item in answer.output if item.type == "function_call"]
    return json.loads(call.arguments)


def _anthropic(gateway: Gateway) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0)


def message_text(gateway: Gateway, model: str) -> str:
    with _anthropic(gateway) as client:
        answer = client.messages.create(model=model, max_tokens=99, messages=ASKED)
    return "".join(block.text for block in answer.content if block.type == "text")


def message_stream(gateway: Gateway, model: str) -> str:
    with (
        _anthropic(gateway) as client,
        client.messages.stream(model=model, max_tokens=99, messages=ASKED) as stream,
    ):
        return "".join(stream.text_stream)


def message_call(gateway: Gateway, model: str) -> Any:
    tools: Any = [{"name": "get_weather", "input_schema": SCHEMA}]
    with _anthropic(gateway) as client:
        answer = client.messages.create(model=model, max_tokens=99, messages=ASKED, tools=tools)
    (call,) = [block for block in answer.content if block.type == "tool_use"]
    assert answer.stop_reason == "tool_use"
    return call.input


def _ollama(gateway: Gateway) -> ollama.Client:
    headers = {"Authorization": f"Bearer {gateway.key}"}
    return ollama.Client(host=gateway.url, headers=headers)


def ollama_text(gateway: Gateway, model: str) -> str:
    with _ollama(gateway) as client:
        return client.chat(model, ASKED).message.content or ""


def ollama_stream(gateway: Gateway, model: str) -> str:
    with _ollama(gateway) as client:
        return "".join(
            part.message.content or "" for part in client.chat(model, ASKED, stream=True)
        )


def ollama_call(gateway: Gateway, model: str) -> Any:
    tools: Any = [{"type": "function", "function": FUNCTION}]
    with _ollama(gateway) as client:
        answer: Any = client.chat(model, ASKED, tools=tools)
    (call,) = answer.message.tool_calls
    return call.function.arguments


def generate_text(gateway: Gateway, model: str) -> str:
    with _ollama(gateway) as client:
        return client.generate(model, "Who is there?").response or ""


def generate_stream(gateway: Gateway, model: str) -> str:
    with _ollama(gateway) as client:
        stream = client.generate(model, "Who is there?", stream=True)
        return "".join(part.response or "" for part in stream)


CLIENTS = {
    "chat completions": Client(chat_text, chat_stream, chat_call),
    "completions": Client(prompt_text, prompt_stream, None),
    "responses": Client(response_text, response_stream, response_call),
    "messages": Client(message_text, message_stream, message_call),
    "ollama chat": Client(ollama_text, ollama_stream, ollama_call),
    "ollama generate": Client(generate_text, generate_stream, None),
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with serve_upstream() as served:
        yield served


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    providers = {
        kind: {"kind": kind, **spoken.configure(f"{upstream.url}/{kind}")}
        for kind, spoken in FORMATS.items()
    }
    directory = tmp_path_factory.mktemp("pairs")
    with run_gateway(directory, config={"providers": providers}) as running:
        yield running


@pytest.fixture(params=FORMATS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


def script(upstream: Upstream, kind: str, answer: Callable[[Any, Request], Answer]) -> None:
    spoken = FORMATS[kind]

    def handle(request: Request, connection: Connection) -> None:
        made = spoken.answer_other(request) or answer(spoken, request)
        connection.send_answer(made.body, made.status, {"Content-Type": made.content_type})

    upstream.reset()
    upstream.handler = handle


def test_text(gateway: Gateway, upstream: Upstream, kind: str, client: Client) -> None:
    script(upstream, kind, lambda spoken, request: spoken.answer_text(request, "Hello, you."))
    assert client.text(gateway, f"{kind}/some-model") == "Hello, you."


def test_a_stream(gateway: Gateway, upstream: Upstream, kind: str, client: Client) -> None:
    pieces = ["Hello", ", ", "you."]
    script(upstream, kind, lambda spoken, request: spoken.stream_text(request, pieces))
    assert client.stream(gateway, f"{kind}/some-model") == "Hello, you."


def test_a_tool_call(gateway: Gateway, upstream: Upstream, kind: str, client: Client) -> None:
    if client.call is None:
        return
    arguments = json.dumps(ARGUMENTS)
    script(
        upstream,
        kind,
        lambda spoken, request: spoken.answer_tool_call(request, "get_weather", arguments),
    )
    assert client.call(gateway, f"{kind}/some-model") == ARGUMENTS
