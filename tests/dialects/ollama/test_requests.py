"""Requests in Ollama's format as canonical ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects.ollama import chat, generate
from gateway.dialects.ollama.request import OllamaRequest
from gateway.errors import InvalidRequestError
from gateway.validation import check_chat_request

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
HELLO = [{"role": "user", "content": "hi"}]


def parse(module: Any = chat, **fields: Any) -> OllamaRequest:
    request: OllamaRequest = module.parse_request(json.dumps(fields).encode(), {})
    return request


def messages(*given: dict[str, Any]) -> list[dict[str, Any]]:
    built: list[dict[str, Any]] = parse(model="m", messages=list(given))["messages"]
    return built


def test_a_stream_is_the_default() -> None:
    assert parse(model="m", messages=HELLO)["stream"] is True
    assert parse(model="m", messages=HELLO, stream=False)["stream"] is False


def test_options_become_parameters() -> None:
    options = {"num_predict": 5, "temperature": 0.5, "top_p": 1, "seed": 7, "stop": ["a", "b"]}
    request = parse(model="m", messages=HELLO, options=options)
    check_chat_request(request)
    for name, value in {"max_tokens": 5, "temperature": 0.5, "seed": 7, "stop": ["a", "b"]}.items():
        assert request[name] == value
    assert request.untranslated == ()


@pytest.mark.parametrize("options", [{"num_predict": -1}, {"num_predict": 0}, {"seed": -1}, {}])
def test_values_that_mean_no_limit_are_left_out(options: dict[str, Any]) -> None:
    request = parse(model="m", messages=HELLO, options=options)
    assert set(request) == {"model", "messages", "stream"}


def test_what_only_ollama_has_is_named() -> None:
    request = parse(
        model="m", messages=HELLO, keep_alive="5m", options={"num_ctx": 9, "mirostat": 1}
    )
    assert request.untranslated == ("options.num_ctx", "options.mirostat", "keep_alive")
    assert request.native["options"] == {"num_ctx": 9, "mirostat": 1}


def test_formats_become_response_formats() -> None:
    assert parse(model="m", messages=HELLO, format="json")["response_format"] == {
        "type": "json_object"
    }
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    request = parse(model="m", messages=HELLO, format=schema)
    check_chat_request(request)
    assert request["response_format"]["json_schema"]["schema"] == schema
    assert "response_format" not in parse(model="m", messages=HELLO, format="")


@pytest.mark.parametrize(
    ("think", "effort"),
    [(True, "medium"), ("low", "low"), ("high", "high"), ("max", "high")],
)
def test_think_becomes_an_effort(think: Any, effort: str) -> None:
    assert parse(model="m", messages=HELLO, think=think)["reasoning_effort"] == effort


def test_a_tool_is_a_function_unless_it_says_otherwise() -> None:
    (tool,) = parse(model="m", messages=HELLO, tools=[{"function": {"name": "f"}}])["tools"]
    assert tool == {"type": "function", "function": {"name": "f"}}


def test_images_become_parts() -> None:
    assert messages({"role": "user", "content": "what?", "images": [PNG]}) == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ],
        }
    ]


def test_calls_get_ids_and_results_find_them() -> None:
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    other = {"function": {"name": "g", "arguments": {}}}
    built = messages(
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [call, other]},
        {"role": "tool", "content": "2", "tool_name": "g"},
        {"role": "tool", "content": "1"},
    )
    calls = built[0]["tool_calls"]
    assert built[0]["content"] is None
    assert built[0]["reasoning_content"] == "hm"
    assert [c["function"] for c in calls] == [
        {"name": "f", "arguments": '{"a":1}'},
        {"name": "g", "arguments": "{}"},
    ]
    assert [m["tool_call_id"] for m in built[1:]] == [calls[1]["id"], calls[0]["id"]]
    check_chat_request({"model": "m", "messages": built})


def test_ids_that_were_given_stay() -> None:
    call = {"id": "call_x", "function": {"name": "f", "arguments": {}}}
    built = messages(
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": "1", "tool_call_id": "call_x"},
    )
    assert built[0]["tool_calls"][0]["id"] == built[1]["tool_call_id"] == "call_x"


def test_a_prompt_becomes_messages() -> None:
    request = parse(generate, model="m", prompt="hi", system="be short", images=[PNG])
    system, user = request["messages"]
    assert system == {"role": "system", "content": "be short"}
    assert [part["type"] for part in user["content"]] == ["text", "image_url"]
    assert parse(generate, model="m", prompt="hi")["messages"] == HELLO
    assert parse(generate, model="m")["messages"] == []


def test_what_changes_the_prompt_is_for_ollama_alone() -> None:
    request = parse(generate, model="m", prompt="a", suffix="b", context=[1], raw=True)
    assert request.native_only == ("suffix", "context", "raw")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "m", "messages": HELLO, "tools": [1]}, "tools[0]"),
        ({"model": "m", "messages": HELLO, "tools": [{}]}, "tools[0].function"),
        ({"messages": HELLO}, "model"),
        ({"model": 7, "messages": HELLO}, "model"),
        ({"model": "m", "messages": "hi"}, "messages"),
        ({"model": "m", "messages": ["hi"]}, "messages[0]"),
        ({"model": "m", "messages": [{"role": "robot"}]}, "messages[0].role"),
        ({"model": "m", "messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        (
            {"model": "m", "messages": [{"role": "user", "images": ["data:image/png;base64,x"]}]},
            "messages[0].images[0]",
        ),
        ({"model": "m", "messages": [{"role": "tool", "content": "1"}]}, "messages[0]"),
        (
            {
                "model": "m",
                "messages": [
                    {"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}
                ],
            },
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"model": "m", "messages": HELLO, "options": []}, "options"),
        ({"model": "m", "messages": HELLO, "options": {"temperature": "0"}}, "options.temperature"),
        (
            {"model": "m", "messages": HELLO, "options": {"num_predict": True}},
            "options.num_predict",
        ),
        ({"model": "m", "messages": HELLO, "options": {"stop": [1]}}, "options.stop"),
        ({"model": "m", "messages": HELLO, "format": "yaml"}, "format"),
        ({"model": "m", "messages": HELLO, "think": "much"}, "think"),
        ({"model": "m", "messages": HELLO, "stream": "yes"}, "stream"),
        ({"model": "m", "messages": HELLO, "tools": {}}, "tools"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        chat.parse_request(json.dumps(fields).encode(), {})
    assert raised.value.param == param


def test_not_to_think_is_a_preference() -> None:
    request = parse(model="m", messages=HELLO, think=False)
    assert "reasoning_effort" not in request
    assert request.preferences == {"reasoning_effort": "none"}


def test_no_tools_are_none_at_all() -> None:
    assert "tools" not in parse(model="m", messages=HELLO, tools=[])
