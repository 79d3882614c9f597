"""What is sent to Ollama for each field of a chat-completion request."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.errors import RequestTooLargeError
from gateway.providers.ollama import Ollama
from gateway.types import ModelInfo
from tests.providers.ollama.asking import PIXEL, ask, refusal, sent, target, with_capabilities
from tests.providers.tools import TIME, WEATHER

USER = {"role": "user", "content": "hi"}


def test_plain_request_is_sent_to_api_chat_with_nothing_added() -> None:
    (request,) = ask().requests
    assert (request.method, request.path) == ("POST", "/api/chat")
    assert orjson.loads(request.body or b"") == {
        "model": "tiny",
        "messages": [USER],
        "stream": True,
        "truncate": False,
    }


def test_sampling_parameters_become_options() -> None:
    fields: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.9,
        "frequency_penalty": -2,
        "presence_penalty": 2,
        "seed": 1,
        "top_k": 40,
        "min_p": 0.05,
        "typical_p": 1,
        "repeat_penalty": 1.1,
    }
    assert sent(**fields)["options"] == fields
    assert ask(**fields).dropped_params == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 2.1),
        ("temperature", -0.1),
        ("top_p", 1.1),
        ("frequency_penalty", -2.1),
        ("presence_penalty", 3),
        ("top_k", -1),
        ("top_k", 1.5),
        ("min_p", 1.1),
        ("typical_p", "1"),
        ("repeat_penalty", -1),
        ("repeat_penalty", True),
        ("num_ctx", 0),
        ("num_ctx", "8192"),
        ("options", []),
        ("seed", 2**53 + 1),
        ("top_logprobs", 21),
        ("logit_bias", {"50256": -100}),
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("modalities", ["text", "audio"]),
        ("web_search_options", {"search_context_size": "low"}),
        ("moderation", {"model": "m"}),
        ("think", "sometimes"),
        ("think", 1),
        ("reasoning", "high"),
        ("reasoning_effort", "extreme"),
        ("verbosity", "chatty"),
        ("user", 5),
        ("metadata", []),
        ("store", "yes"),
    ],
)
def test_what_is_wrong_or_impossible_is_refused_by_name(name: str, value: Any) -> None:
    fields: dict[str, Any] = {"logprobs": True} if name == "top_logprobs" else {}
    assert refusal(**fields, **{name: value}).param == name


@pytest.mark.parametrize(
    "fields",
    [
        {"logit_bias": {}},
        {"logit_bias": None},
        {"modalities": ["text"]},
        {"user": "u", "safety_identifier": "s", "metadata": {"a": "b"}},
        {"store": False},
        {"service_tier": "auto"},
        {"service_tier": "default"},
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        {"response_format": {"type": "text"}},
        {"unknown": None},
        {"parallel_tool_calls": True},
    ],
)
def test_what_asks_for_nothing_is_neither_sent_nor_reported(fields: dict[str, Any]) -> None:
    assert sent(**fields) == sent()
    assert ask(**fields).dropped_params == ()


def test_what_is_asked_and_not_honoured_is_reported() -> None:
    fields: dict[str, Any] = {
        "service_tier": "flex",
        "verbosity": "low",
        "store": True,
        "prediction": {"type": "content", "content": "x"},
        "prompt_cache_key": "k",
        "prompt_cache_options": {"ttl": "5m"},
        "prompt_cache_retention": "24h",
        "num_ctx": 512,
        "keep_alive": 0,
        "options": {"num_gpu": 1},
        "made_up": 1,
    }
    assert sent(**fields) == sent()
    assert ask(**fields).dropped_params == tuple(fields)
    call = ask(reasoning={"effort": "none", "max_tokens": 10, "exclude": None})
    assert call.dropped_params == ("reasoning.max_tokens",)


def test_detail_of_an_image_is_reported() -> None:
    url = {"url": f"data:;base64,{PIXEL}", "detail": "low"}
    message = {"role": "user", "content": [{"type": "image_url", "image_url": url}]}
    assert ask(messages=[message]).dropped_params == ("messages.content.image_url.detail",)


def test_clients_options_are_honoured_where_the_operator_allows_them() -> None:
    allowed = target(num_ctx=8192, allow_client_options=True)
    fields: dict[str, Any] = {
        "num_ctx": 512,
        "keep_alive": "5m",
        "options": {"num_ctx": 256, "top_k": 5, "temperature": 1, "stop": ["x"], "min_p": None},
        "temperature": 0,
    }
    body = sent(allowed, **fields)
    assert body["options"] == {"num_ctx": 512, "top_k": 5, "temperature": 0, "stop": ["x"]}
    assert body["keep_alive"] == "5m"
    assert ask(allowed, **fields).dropped_params == ()


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"num_gpu": 1}, "options.num_gpu"),
        ({"tempreature": 1}, "options.tempreature"),
        ({"temperature": "1"}, "options.temperature"),
        ({"num_predict": 0}, "options.num_predict"),
        ({"stop": "x"}, "options.stop"),
        ({"stop": [1]}, "options.stop"),
    ],
)
def test_clients_options_are_checked_one_by_one(options: dict[str, Any], param: str) -> None:
    assert refusal(target(allow_client_options=True), options=options).param == param


def test_logprobs_are_asked_for() -> None:
    body = sent(logprobs=True, top_logprobs=2)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)
    assert "logprobs" not in sent(logprobs=False)
    assert refusal(top_logprobs=2).param == "top_logprobs"


def test_think_may_be_a_boolean() -> None:
    assert sent(think=True)["think"] is True
    assert sent(think=False)["think"] is False


def test_contradicting_efforts_are_refused() -> None:
    assert refusal(reasoning_effort="low", think=False).param == "think"
    assert sent(reasoning_effort="none", think=False)["think"] is False


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"reasoning_effort": "low"}, "reasoning_effort"),
        ({"reasoning": {"effort": "low"}}, "reasoning.effort"),
        ({"think": True}, "think"),
    ],
)
def test_reasoning_is_refused_for_a_model_that_does_not_reason(
    fields: dict[str, Any], param: str
) -> None:
    error = refusal(with_capabilities("completion"), **fields)
    assert (error.param, error.message) == (
        param,
        "The model `my-model` does not support reasoning.",
    )
    assert sent(with_capabilities("completion"), reasoning_effort="none")["think"] is False


def test_configured_capabilities_win_over_the_providers() -> None:
    knows_tools = ModelInfo("tiny", capabilities=frozenset({"tools"}))
    assert ask(None, knows_tools, tools=[WEATHER]).requests
    knows_nothing = ModelInfo("tiny", capabilities=frozenset())
    assert ask(with_capabilities("tools"), knows_nothing, tools=[WEATHER]).requests
    assert ask(None, ModelInfo("tiny"), tools=[WEATHER]).requests


def test_model_info_is_needed_only_for_what_depends_on_it() -> None:
    def needs(**fields: Any) -> bool:
        request = {"model": "m", "messages": [USER], **fields}
        return Ollama().needs_model_info(request)

    part = {"type": "image_url", "image_url": {"url": "data:;base64,AAAA"}}
    assert not needs()
    assert not needs(temperature=1, response_format={"type": "json_object"})
    assert needs(tools=[WEATHER])
    assert needs(functions=[TIME["function"]])
    assert needs(reasoning_effort="low")
    assert needs(think=True)
    assert needs(messages=[{"role": "user", "content": [part]}])


@pytest.mark.parametrize("messages", [None, {}, [1], [{"content": [1]}], [{"content": {"a": 1}}]])
def test_wrong_request_needs_no_model_info(messages: Any) -> None:
    assert not Ollama().needs_model_info({"messages": messages, "tools": [WEATHER]})


def test_many_choices_of_a_huge_request_are_refused() -> None:
    messages = [{"role": "user", "content": "x" * 2**20}]
    with pytest.raises(RequestTooLargeError) as caught:
        ask(messages=messages, n=100)
    assert caught.value.param == "n"
    assert len(ask(messages=messages, n=2).requests) == 2


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(300):
        schema = {"type": "object", "properties": {"a": schema}}
    json_schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    assert refusal(response_format=json_schema).code == "invalid_value"
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    assert refusal(tools=[tool]).param == "tools[0].function.parameters"
