"""What is sent to Cohere for a request."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.providers.cohere.asking import COMMAND, PIXEL, REASONING, ask, refusal, sent
from tests.providers.tools import TIME, WEATHER

JSON = {"type": "json_object"}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}


def test_a_plain_request_has_nothing_but_its_message() -> None:
    (request,) = ask().requests
    assert request.path == "/v2/chat"
    assert sent() == {
        "model": COMMAND,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": False,
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"max_completion_tokens": 9}, {"max_tokens": 9}),
        ({"temperature": 0, "top_p": 0.5}, {"temperature": 0, "p": 0.5}),
        ({"frequency_penalty": 0.1, "seed": 5}, {"frequency_penalty": 0.1, "seed": 5}),
        ({"presence_penalty": 0.1, "logprobs": True}, {"presence_penalty": 0.1, "logprobs": True}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"response_format": JSON}, {"response_format": JSON}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"a": 1}}}},
            {"response_format": {"type": "json_object", "json_schema": {"a": 1}}},
        ),
        ({"response_format": {"type": "text"}, "stop": None, "user": "u"}, {}),
        ({"k": 5, "safety_mode": "STRICT"}, {"k": 5, "safety_mode": "STRICT"}),
        ({"documents": ["d"]}, {"documents": ["d"]}),
        ({"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "token_budget": 1024}}),
        ({"reasoning_effort": "high"}, {"thinking": {"type": "enabled"}}),
        ({"reasoning_effort": "none"}, {}),
        (
            {"reasoning_effort": "low", "thinking": {"type": "disabled"}},
            {"thinking": {"type": "disabled"}},
        ),
    ],
)
def test_a_field_has_coheres_name(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    body = sent(**fields)
    for name in ("model", "messages", "stream"):
        del body[name]
    assert body == expected
    assert ask(**fields).dropped_params == ()


def test_a_model_that_thinks_can_be_told_not_to() -> None:
    assert sent(REASONING, reasoning_effort="none")["thinking"] == {"type": "disabled"}


def test_what_is_dropped_is_named() -> None:
    call = ask(logprobs=True, top_logprobs=5, top_p=1, verbosity="low", store=False, prediction={})
    assert call.dropped_params == ("top_logprobs", "verbosity", "prediction", "top_p")
    assert sent(top_p=1)["p"] == 0.99


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"audio": {"voice": "a"}}, "audio"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
        ({"temperature": 3}, "temperature"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role"),
    ],
)
def test_what_would_change_the_meaning_is_refused(fields: dict[str, Any], param: str) -> None:
    assert refusal(**fields).param == param


def test_each_choice_is_a_stream_with_its_own_seed() -> None:
    call = ask(n=3, seed=7)
    assert call.streamed
    bodies = [request.body or b"" for request in call.requests]
    assert [b'"seed":%d' % (7 + at) in body for at, body in enumerate(bodies)] == [True] * 3
    assert len(ask(n=2).requests) == 2


@pytest.mark.parametrize(
    ("choice", "names", "expected"),
    [
        (None, ["get_weather", "get_time"], None),
        ("auto", ["get_weather", "get_time"], None),
        ("none", ["get_weather", "get_time"], "NONE"),
        ("required", ["get_weather", "get_time"], "REQUIRED"),
        ({"type": "function", "function": {"name": "get_time"}}, ["get_time"], "REQUIRED"),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [TIME]},
            },
            ["get_time"],
            None,
        ),
    ],
)
def test_a_tool_choice_keeps_its_meaning(
    choice: Any, names: list[str], expected: str | None
) -> None:
    body = sent(tools=[WEATHER, TIME], tool_choice=choice)
    assert [tool["function"]["name"] for tool in body["tools"]] == names
    assert body.get("tool_choice") == expected
    parameters = body["tools"][-1]["function"]["parameters"]
    assert parameters == {"type": "object", "properties": {}}


def test_strictness_holds_for_all_tools_or_none() -> None:
    strict = {"type": "function", "function": {"name": "s", "strict": True}}
    assert sent(tools=[strict])["strict_tools"] is True
    assert "strict_tools" not in sent(tools=[strict, TIME])
    assert ask(tools=[strict, TIME]).dropped_params == ("tools.function.strict",)


def test_messages_keep_all_that_cohere_takes() -> None:
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "a"}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "plan"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "42"}]},
        {"role": "assistant", "content": "so", "citations": [{"start": 0, "end": 1}]},
    ]
    assert sent(messages=messages)["messages"] == [
        {"role": "system", "content": "a"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
            ],
        },
        {"role": "assistant", "tool_plan": "plan", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "42"}]},
        {"role": "assistant", "content": "so", "citations": [{"start": 0, "end": 1}]},
    ]


def test_a_model_that_thinks_gets_its_thoughts_back() -> None:
    said = {"role": "assistant", "content": "so", "reasoning_content": "hm", "tool_calls": [CALL]}
    messages = [{"role": "user", "content": "hi"}, said]
    assert sent(REASONING, messages=messages)["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "so"},
    ]


def test_text_files_become_documents_to_cite() -> None:
    data = base64.b64encode("grün".encode()).decode()
    file = {"file_data": f"data:text/plain;base64,{data}", "filename": "a.txt"}
    message = {"role": "user", "content": [{"type": "file", "file": file}]}
    body = sent(messages=[message], documents=["d"])
    assert body["documents"] == ["d", {"id": "doc:0", "data": {"text": "grün", "title": "a.txt"}}]


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "file", "file": {"file_id": "f"}}, "messages[0].content[0].file"),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}},
            "messages[0].content[0].file.file_data",
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            "messages[0].content[0].type",
        ),
    ],
)
def test_other_files_are_refused_by_their_place(part: dict[str, Any], param: str) -> None:
    assert refusal(messages=[{"role": "user", "content": [part]}]).param == param


def test_an_assistant_that_said_nothing_is_left_out() -> None:
    hi = {"role": "user", "content": "hi"}
    assert sent(messages=[hi, {"role": "assistant", "content": ""}, hi])["messages"] == [hi, hi]


def test_an_empty_wish_to_search_the_web_is_refused_as_any() -> None:
    assert refusal(web_search_options={}).param == "web_search_options"
