"""What of a request goes to Anthropic under which name, what is refused, what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import RequestTooLargeError
from gateway.providers import request_body
from tests.providers.anthropic.asking import (
    HELLO,
    NEW,
    OLD,
    ask,
    dropped,
    refusal,
    sent,
)

HAIKU_4_5 = "claude-haiku-4-5-20251001"
SONNET_4_6 = "claude-sonnet-4-6"


def test_the_least_request() -> None:
    assert sent() == {
        "model": NEW,
        "max_tokens": 128_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_a_stream_is_asked_for_as_one() -> None:
    call = ask(stream=True)
    assert call.streamed
    assert sent(stream=True)["stream"] is True
    assert call.requests[0].path == "/v1/messages"


@pytest.mark.parametrize(
    ("model", "max_tokens"),
    [
        (NEW, 128_000),
        ("claude-sonnet-4-6", 128_000),
        (HAIKU_4_5, 64_000),
        ("claude-opus-4-1-20250805", 32_000),
        ("claude-3-5-haiku-latest", 8192),
        ("claude-3-haiku-20240307", 4096),
        ("claude-2.1", 4096),
        ("claude-opus-9", 128_000),
        ("kimi-k2", 8192),
    ],
)
def test_the_limit_of_the_answer_is_the_models_own_by_default(model: str, max_tokens: int) -> None:
    assert sent(model)["max_tokens"] == max_tokens


def test_the_limit_of_the_answer_is_the_clients_where_it_says_one() -> None:
    assert sent(max_tokens=5)["max_tokens"] == 5
    assert sent(max_tokens=5, max_completion_tokens=6)["max_tokens"] == 6


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["a", ""]}, {"stop_sequences": ["a"]}),
        ({"stop": ""}, {}),
        ({"user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
        ({"user": "u-1", "safety_identifier": "s-1"}, {"metadata": {"user_id": "s-1"}}),
        ({"metadata": {"user_id": "u-2", "x": "y"}}, {"metadata": {"user_id": "u-2"}}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"cache_control": {"type": "ephemeral"}}, {"cache_control": {"type": "ephemeral"}}),
        ({"container": "c-1", "inference_geo": "eu"}, {"container": "c-1", "inference_geo": "eu"}),
        ({"modalities": ["text"], "n": 1, "store": False, "logprobs": False}, {}),
        ({"speed": None}, {}),
    ],
)
def test_fields_under_their_names(fields: Any, expected: Any) -> None:
    body = sent(**fields)
    assert {name: body[name] for name in body if name not in sent()} == expected
    assert dropped(**fields) == []


THINKING = {"reasoning_effort": "low"}


@pytest.mark.parametrize(
    ("model", "fields", "expected", "lost"),
    [
        (
            OLD,
            {"temperature": 0.3, "top_p": 0.9, "top_k": 5},
            {"temperature", "top_p", "top_k"},
            [],
        ),
        (HAIKU_4_5, {"temperature": 0.3, "top_p": 0.9}, {"temperature"}, ["top_p"]),
        (HAIKU_4_5, {"temperature": 0.3, "top_p": 1}, {"temperature"}, []),
        (HAIKU_4_5, {"top_p": 0.9}, {"top_p"}, []),
        (SONNET_4_6, {"temperature": 0.3}, {"temperature"}, []),
        (SONNET_4_6, {"temperature": 0.3, **THINKING}, set(), ["temperature"]),
        (
            NEW,
            {"temperature": 0.3, "top_p": 0.5, "top_k": 4},
            set(),
            ["temperature", "top_p", "top_k"],
        ),
        (NEW, {"temperature": 1, "top_p": 1.0}, set(), []),
        (
            OLD,
            {"temperature": 0, "top_p": 0.97, "reasoning_effort": "low"},
            {"top_p"},
            ["temperature"],
        ),
        ("kimi-k2", {"temperature": 0.5, "top_k": 3}, {"temperature", "top_k"}, []),
    ],
)
def test_sampling_by_what_the_model_takes(
    model: str, fields: Any, expected: set[str], lost: list[str]
) -> None:
    body = sent(model, **fields)
    assert {name for name in ("temperature", "top_p", "top_k") if name in body} == expected
    assert dropped(model, **fields) == lost


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 1.2}, "temperature"),
        ({"stop": "\n"}, "stop"),
        ({"stop": ["a", " "]}, "stop[1]"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["audio", "text"]}, "modalities"),
        ({"web_search_options": {"x": 1}}, "web_search_options"),
        ({"top_k": "5"}, "top_k"),
        ({"messages": []}, "messages"),
        ({"output_config": 1}, "output_config"),
        ({"anthropic_beta": "a\r\nb"}, "anthropic_beta"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(fields: Any, param: str) -> None:
    assert refusal(OLD, **fields).param == param


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        (
            {"seed": 5, "presence_penalty": 0.5, "frequency_penalty": 0},
            ["seed", "presence_penalty"],
        ),
        ({"prompt_cache_key": "k", "verbosity": "low"}, ["prompt_cache_key", "verbosity"]),
        ({"min_p": 0.1, "num_ctx": 5}, ["min_p", "num_ctx"]),
        ({"service_tier": "flex"}, ["service_tier"]),
        ({"user": "me@example.com"}, ["user"]),
        ({"safety_identifier": "+44 20 7946 0958"}, ["safety_identifier"]),
    ],
)
def test_what_is_left_out_is_told(fields: Any, lost: list[str]) -> None:
    assert dropped(**fields) == lost
    assert sent(**fields).keys() == sent().keys()


def test_features_are_named_in_a_header() -> None:
    (request,) = ask(anthropic_beta=["a-2026-01-01", "b"]).requests
    assert request.headers == {"anthropic-beta": "a-2026-01-01,b"}
    assert ask().requests[0].headers == {}


def test_several_choices_are_several_streams() -> None:
    call = ask(n=3)
    assert len(call.requests) == 3
    assert call.streamed


def test_too_much_for_several_choices_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "MAX_BYTES_OF_ALL_CHOICES", 200)
    with pytest.raises(RequestTooLargeError):
        ask(n=3)
    ask(n=1, messages=[*HELLO, {"role": "user", "content": "x" * 300}])


def test_arguments_nested_too_deeply_are_refused() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    function = {"name": "f", "parameters": deep}
    assert refusal(tools=[{"type": "function", "function": function}]).code == "invalid_value"


def test_an_empty_wish_to_search_the_web_is_refused_as_any() -> None:
    assert refusal(web_search_options={}).param == "web_search_options"
