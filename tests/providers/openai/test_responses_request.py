"""Chats as requests of OpenAI's Responses API, and native ones; by which API a model is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from openai.types.responses import response_create_params
from pydantic import TypeAdapter

from gateway.config.settings import Api, ModelSettings, ProviderSettings, Target, TargetSettings
from gateway.dialects import responses
from gateway.errors import InvalidRequestError
from gateway.providers import get_provider
from gateway.providers.openai.apis import find_other_api
from gateway.providers.openai.responses_answer import parse_response
from gateway.routing import build_target_request
from gateway.types import NativeRequest
from tests.recordings import load, names

PARAMS: TypeAdapter[Any] = TypeAdapter(response_create_params.ResponseCreateParamsNonStreaming)
PROVIDER = ProviderSettings("openai", "openai", "https://api.openai.com/v1")
OPENAI = get_provider("openai")
HELLO = [{"role": "user", "content": "hi"}]
FUNCTION = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
}


def target(model: str = "gpt-5.6", api: Api | None = "responses") -> Target:
    return Target(replace(PROVIDER, api=api), model, model)


def ask(model: str = "gpt-5.6", **fields: Any) -> Any:
    request = {"model": "public", "messages": HELLO, **fields}
    return OPENAI.build_chat(request, target(model), None)


def body_of(call: Any) -> dict[str, Any]:
    (request,) = call.requests
    assert request.method == "POST"
    assert request.path == "/responses"
    body: dict[str, Any] = json.loads(request.body)
    return body


def built(model: str = "gpt-5.6", **fields: Any) -> dict[str, Any]:
    body = body_of(ask(model, **fields))
    PARAMS.validate_python(body)
    return body


def test_a_chat_becomes_a_request_that_stores_nothing() -> None:
    assert built(
        max_completion_tokens=99,
        reasoning_effort="low",
        verbosity="low",
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
        },
        user="u",
        n=1,
        frequency_penalty=0,
        temperature=None,
    ) == {
        "model": "gpt-5.6",
        "input": HELLO,
        "store": False,
        "max_output_tokens": 99,
        "reasoning": {"effort": "low"},
        "text": {
            "verbosity": "low",
            "format": {
                "type": "json_schema",
                "name": "n",
                "schema": {"type": "object"},
                "strict": True,
            },
        },
        "include": ["reasoning.encrypted_content"],
        "user": "u",
    }


def test_functions_are_only_strict_where_the_client_says_so() -> None:
    strict = {"type": "function", "function": {"name": "g", "parameters": {}, "strict": True}}
    body = built(
        tools=[FUNCTION, strict, {"type": "custom", "custom": {"name": "c"}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        parallel_tool_calls=False,
    )
    assert [tool.get("strict") for tool in body["tools"]] == [False, True, None]
    assert body["tools"][0]["name"] == "f"
    assert body["tools"][2] == {"type": "custom", "name": "c"}
    assert body["tool_choice"] == {"type": "function", "name": "f"}
    assert body["parallel_tool_calls"] is False


def test_a_conversation_becomes_items() -> None:
    detail = {"type": "reasoning.encrypted", "format": "openai-responses-v1", "data": "gA"}
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}},
    ]
    image = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "see"}, image]},
        {
            "role": "assistant",
            "content": "Well.",
            "reasoning_details": [{**detail, "id": "rs_1"}, {"type": "reasoning.text"}],
            "reasoning_content": "told before",
            "tool_calls": calls,
        },
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "2"}]},
    ]
    assert built(messages=messages)["input"] == [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "https://a/b.png", "detail": "auto"},
            ],
        },
        {"type": "reasoning", "summary": [], "encrypted_content": "gA", "id": "rs_1"},
        {"role": "assistant", "content": "Well."},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [{"type": "input_text", "text": "2"}],
        },
    ]


@pytest.mark.parametrize(
    "name", [name for name in names("openai", "responses-whole") if "servertool" not in name]
)
def test_an_answer_sent_back_gives_the_items_it_came_as(name: str) -> None:
    recorded = load("openai", name).body
    message = parse_response(recorded)["choices"][0]["message"]
    items = built(messages=[*HELLO, message])["input"][1:]
    told = [item for item in json.loads(recorded)["output"] if item["type"] != "reasoning"]
    kinds = [item.get("type", "message") for item in items]
    assert kinds == [item["type"] for item in told]
    for item, original in zip(items, told, strict=True):
        if "call_id" in item:
            assert item.items() <= original.items()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"stop": ["x"]}, "stop"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"modalities": ["text", "audio"]}, "modalities"),
    ],
)
def test_what_responses_have_nothing_like_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ask(**fields)
    assert caught.value.param == param


def test_what_is_dropped_is_told() -> None:
    named = [{"role": "user", "content": "hi", "name": "ann"}]
    call = ask(seed=5, presence_penalty=1, store=True, messages=named)
    assert set(call.dropped_params) == {"seed", "presence_penalty", "store", "messages.name"}
    assert "seed" not in body_of(call)


@pytest.mark.parametrize(
    "messages", [[{}], [5], [{"role": "tool", "content": "x"}], [{"role": "user", "content": [5]}]]
)
def test_a_wrong_message_is_the_clients_mistake(messages: list[Any]) -> None:
    with pytest.raises(InvalidRequestError):
        ask(messages=messages)


def test_a_native_request_goes_on_as_it_came_but_for_model_and_store() -> None:
    native = {
        "model": "public",
        "input": [{"type": "web_search_call", "id": "ws_1"}],
        "tools": [{"type": "web_search"}],
        "include": ["web_search_call.action.sources"],
        "store": True,
        "stream": True,
    }
    canonical = {"model": "public", "messages": [], "stream": True}
    request = NativeRequest(canonical, "responses", native)
    call = OPENAI.build_chat(request, target("gpt-4o", None), None)
    assert body_of(call) == {**native, "model": "gpt-4o", "store": False}
    assert call.streamed
    assert OPENAI.speaks("responses", target("gpt-4o", None))
    assert not OPENAI.speaks("responses", target("gpt-4o", "chat"))
    assert not OPENAI.speaks("messages", target("gpt-4o", None))
    by_chat = OPENAI.build_chat(request, target("gpt-4o", "chat"), None)
    assert by_chat.requests[0].path == "/chat/completions"


def test_what_a_target_changes_is_changed_in_a_native_request_too() -> None:
    native = {
        "model": "public",
        "input": "hi",
        "max_output_tokens": 9,
        "reasoning": {"effort": "low", "summary": "auto"},
        "temperature": 1,
    }
    request = responses.parse_request(json.dumps(native).encode(), {})
    settings = TargetSettings(
        set={"reasoning_effort": "high", "verbosity": "low"},
        drop=("max_completion_tokens", "temperature"),
    )
    changed = replace(target("gpt-6", None), settings=settings)
    presented, _ = build_target_request(request, changed)
    assert body_of(OPENAI.build_chat(presented, changed, None)) == {
        "model": "gpt-6",
        "input": "hi",
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"verbosity": "low"},
        "store": False,
    }


def test_long_ids_of_other_models_calls_are_written_short() -> None:
    call_id = "toolu_" + "x" * 200
    function = {"name": "f", "arguments": "{}"}
    messages = [
        *HELLO,
        {"role": "assistant", "tool_calls": [{"id": call_id, "function": function}]},
        {"role": "tool", "tool_call_id": call_id, "content": "1"},
    ]
    _, call, result = built(messages=messages)["input"]
    assert call["call_id"] == result["call_id"]
    assert len(call["call_id"]) <= 40
    items = [
        {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": call_id, "output": "1"},
    ]
    request = responses.parse_request(json.dumps({"model": "m", "input": items}).encode(), {})
    sent = body_of(OPENAI.build_chat(request, target("gpt-6", None), None))["input"]
    assert [each["call_id"] for each in sent] == [call["call_id"]] * 2


TOOLS = {"tools": [FUNCTION]}
CUSTOM = {"tools": [{"type": "custom", "custom": {"name": "c"}}]}


@pytest.mark.parametrize(
    ("model", "fields", "path"),
    [
        ("gpt-5.4", TOOLS, "/chat/completions"),
        ("gpt-5.4", {**TOOLS, "reasoning_effort": "low"}, "/responses"),
        ("gpt-5.4", {**TOOLS, "reasoning_effort": "none"}, "/chat/completions"),
        ("gpt-5.4", {"reasoning_effort": "low"}, "/chat/completions"),
        ("gpt-5.4", {**CUSTOM, "reasoning_effort": "low"}, "/chat/completions"),
        ("gpt-5.4-chat-latest", {**TOOLS, "reasoning_effort": "low"}, "/chat/completions"),
        ("gpt-5.3", {**TOOLS, "reasoning_effort": "low"}, "/chat/completions"),
        ("gpt-5.6-sol", TOOLS, "/responses"),
        ("gpt-6-astra", TOOLS, "/responses"),
        ("ft:gpt-6:acme", TOOLS, "/responses"),
        ("gpt-5.6-sol", {}, "/chat/completions"),
        ("gpt-5-pro", {}, "/responses"),
        ("gpt-5.3-codex", {}, "/responses"),
        ("o3-pro", {}, "/responses"),
        ("o3", TOOLS, "/chat/completions"),
        ("gpt-4.1", TOOLS, "/chat/completions"),
        ("my-gpt-6", TOOLS, "/chat/completions"),
    ],
)
def test_by_which_api_a_chat_goes(model: str, fields: dict[str, Any], path: str) -> None:
    request = {"model": model, "messages": HELLO, **fields}
    call = OPENAI.build_chat(request, target(model, None), None)
    assert call.requests[0].path == path
    assert ask(model, **fields).requests[0].path == "/responses"
    plain = OPENAI.build_chat(request, target(model, "chat"), None)
    assert plain.requests[0].path == "/chat/completions"


def test_what_is_configured_of_a_model_goes_before_its_provider() -> None:
    models = {"x": ModelSettings(api="chat")}
    configured = replace(PROVIDER, api="responses", models=models, num_ctx=5)
    assert Target(configured, "x", "x").api == "chat"
    assert Target(configured, "y", "y").api == "responses"


def error(message: str, **fields: Any) -> bytes:
    return json.dumps({"error": {"message": message, **fields}}).encode()


TOOLS_REFUSED = (
    "Function tools with reasoning_effort are not supported for gpt-5.5 in /v1/chat/completions. "
    "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
)


@pytest.mark.parametrize(
    ("by_responses", "status", "body", "api"),
    [
        (True, 404, b"404 page not found", ("chat", False)),
        (True, 404, b"", ("chat", False)),
        (True, 404, b"<html>404 Not Found</html>", ("chat", False)),
        (True, 405, b"", ("chat", True)),
        (True, 501, error("Nothing."), ("chat", True)),
        (True, 405, error("Method Not Allowed"), ("chat", True)),
        (True, 404, b'{"detail":"Not Found"}', ("chat", True)),
        (True, 404, error("Resource not found", code="404"), ("chat", True)),
        (True, 404, error("File Not Found", code=404), ("chat", True)),
        (True, 404, b'{"message":"no Route matched with those values"}', ("chat", True)),
        (True, 404, error("Unknown request URL: POST /v1/responses."), ("chat", True)),
        (True, 404, error("Item with id 'rs_1' not found. Items are not persisted."), None),
        (True, 404, error("Container is expired."), None),
        (True, 404, error("The model 'x' does not exist.", code="model_not_found"), None),
        (True, 404, error("No such thing.", param="model"), None),
        (True, 400, error("Bad."), None),
        (True, 500, b"", None),
        (False, 400, error(TOOLS_REFUSED, param="reasoning_effort"), ("responses", True)),
        (
            False,
            404,
            error("This model is only supported in v1/responses and not in v1/chat/completions."),
            ("responses", True),
        ),
        (False, 400, error("Bad."), None),
        (False, 404, b"404 page not found", None),
    ],
)
def test_by_which_other_api_an_upstream_wants_to_be_asked(
    by_responses: bool, status: int, body: bytes, api: tuple[str, bool] | None
) -> None:
    assert find_other_api(by_responses, status, body) == api


@pytest.mark.parametrize(
    ("kind", "base_url", "path"),
    [
        ("openai", "https://api.openai.com/v1", "/responses"),
        ("azure", "https://x.openai.azure.com/openai/v1", "/responses"),
        ("azure", "https://x.openai.azure.com/openai", "/responses"),
        ("deepseek", "https://api.deepseek.com", "/responses"),
        ("groq", "https://api.groq.com/openai/v1", "/chat/completions"),
        ("mistral", "https://api.mistral.ai/v1", "/chat/completions"),
    ],
)
def test_which_kinds_take_native_requests_and_where(kind: str, base_url: str, path: str) -> None:
    settings = ProviderSettings(kind, kind, base_url, api_version="2025-04-01-preview")
    there = Target(settings, "m", "m")
    request = responses.parse_request(b'{"model":"m","input":"hi"}', {})
    assert get_provider(kind).speaks("responses", there) is (path == "/responses")
    call = get_provider(kind).build_chat(request, there, None)
    assert call.requests[0].path == path
