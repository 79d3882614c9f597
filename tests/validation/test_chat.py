"""Requests that are wrong by OpenAI's own rules, whatever the provider."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidRequestError
from gateway.validation import check_chat_request

USER = {"role": "user", "content": "hi"}
RIGHT: dict[str, Any] = {"model": "m", "messages": [USER]}


def refusal(**fields: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        check_chat_request({**RIGHT, **fields})
    return caught.value


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": ""}, "model", "invalid_value"),
        ({"stream": 1}, "stream", "invalid_type"),
        ({"stream_options": {}}, "stream_options", "unsupported_parameter"),
        (
            {"stream": True, "stream_options": {"include_usage": 1}},
            "stream_options.include_usage",
            "invalid_type",
        ),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"temperature": -1}, "temperature", "decimal_below_min_value"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"top_logprobs": 1}, "top_logprobs", "invalid_value"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1", "decimal_above_max_value"),
        ({"logit_bias": {"1": "x"}}, "logit_bias.1", "invalid_type"),
        ({"stop": ["a"] * 5}, "stop", "array_above_max_length"),
        ({"stop": ["a", 1]}, "stop[1]", "invalid_type"),
        ({"modalities": "text"}, "modalities", "invalid_type"),
        ({"modalities": ["video"]}, "modalities[0]", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"response_format": {}}, "response_format.type", "missing_required_parameter"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema",
            "missing_required_parameter",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": []}}},
            "response_format.json_schema.schema",
            "invalid_type",
        ),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "invalid_value"),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, Any], param: str, code: str) -> None:
    error = refusal(**fields)
    assert (error.param, error.code) == (param, code)
    assert f"`{param}`" in error.message


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        (1, "messages[0]", "invalid_type"),
        ({}, "messages[0].role", "missing_required_parameter"),
        ({"role": 1}, "messages[0].role", "invalid_type"),
        ({"role": "robot", "content": "x"}, "messages[0].role", "invalid_value"),
        ({"role": "User", "content": "x"}, "messages[0].role", "invalid_value"),
        ({"role": "user", "content": 1}, "messages[0].content", "invalid_type"),
        ({"role": "user", "content": {"text": "x"}}, "messages[0].content", "invalid_type"),
        ({"role": "user", "content": ["x"]}, "messages[0].content[0]", "invalid_type"),
        (
            {"role": "user", "content": [{"text": "x"}]},
            "messages[0].content[0].type",
            "missing_required_parameter",
        ),
        (
            {"role": "user", "content": [{"type": "video"}]},
            "messages[0].content[0].type",
            "invalid_value",
        ),
        (
            {"role": "system", "content": [{"type": "image_url"}]},
            "messages[0].content[0].type",
            "invalid_value",
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": 1}]},
            "messages[0].content[0].text",
            "invalid_type",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": "http://x"}]},
            "messages[0].content[0].image_url",
            "invalid_type",
        ),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA"}}]},
            "messages[0].content[0].input_audio.format",
            "missing_required_parameter",
        ),
        ({"role": "user", "content": "x", "name": 1}, "messages[0].name", "invalid_type"),
        (
            {"role": "tool", "content": "x"},
            "messages[0].tool_call_id",
            "missing_required_parameter",
        ),
        (
            {"role": "function", "content": "x"},
            "messages[0].name",
            "missing_required_parameter",
        ),
        (
            {"role": "assistant", "content": "x", "tool_calls": {}},
            "messages[0].tool_calls",
            "invalid_type",
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f"}}]},
            "messages[0].tool_calls[0].function.arguments",
            "missing_required_parameter",
        ),
        (
            {
                "role": "assistant",
                "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {}}}],
            },
            "messages[0].tool_calls[0].function.arguments",
            "invalid_type",
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "a", "type": "custom"}]},
            "messages[0].tool_calls[0].type",
            "unsupported_value",
        ),
    ],
)
def test_wrong_messages_are_named_by_their_path(message: Any, param: str, code: str) -> None:
    error = refusal(messages=[message])
    assert (error.param, error.code) == (param, code)


@pytest.mark.parametrize("name", ["temperature", "n", "stop", "tools", "stream", "metadata"])
def test_null_means_not_given(name: str) -> None:
    check_chat_request({**RIGHT, name: None})


@pytest.mark.parametrize("name", ["breakpoint", "prompt_cache_breakpoint"])
def test_unknown_members_of_parts_are_left_alone(name: str) -> None:
    part = {"type": "text", "text": "x", name: {"type": "ephemeral"}}
    check_chat_request({**RIGHT, "messages": [{"role": "user", "content": [part]}]})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    "role",
                    "content",
                    "type",
                    "text",
                    "tool_calls",
                    "function",
                    "name",
                    "id",
                    "arguments",
                )
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
FIELDS = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "stop",
    "n",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "response_format",
    "logit_bias",
    "modalities",
    "metadata",
    "temperature",
    "seed",
    "top_logprobs",
    "reasoning_effort",
]


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_no_request_crashes_the_checks(fields: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidRequestError):
        check_chat_request({**RIGHT, **fields})


@pytest.mark.parametrize("name", ["images", "thinking_blocks", "content_blocks"])
def test_an_earlier_answer_may_say_something_else_than_text(name: str) -> None:
    answer = {"role": "assistant", "content": None, name: [{"type": "anything"}]}
    check_chat_request({"model": "m", "messages": [{"role": "user", "content": "hi"}, answer]})
