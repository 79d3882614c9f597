"""Tools, and answers in JSON that are asked for as one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.providers.answers import finish_reason, text
from tests.providers.bedrock.asking import (
    FABLE,
    HAIKU,
    NOVA,
    SONNET,
    ask,
    delta,
    end,
    read,
    refusal,
    sent,
    start_call,
    stop_block,
)
from tests.providers.tools import TIME, WEATHER

SCHEMA = {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}
BY_SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
BY_OBJECT = {"type": "json_object"}


def test_tools_become_specifications() -> None:
    strict = {"type": "function", "function": {"name": "s", "strict": True}}
    config = sent(tools=[WEATHER, TIME, strict])["toolConfig"]
    empty = {"json": {"type": "object", "properties": {}}}
    assert config == {
        "tools": [
            {
                "toolSpec": {
                    "name": "get_weather",
                    "description": "Weather of a city",
                    "inputSchema": {"json": WEATHER["function"]["parameters"]},
                }
            },
            {"toolSpec": {"name": "get_time", "inputSchema": empty}},
            {"toolSpec": {"name": "s", "inputSchema": empty, "strict": True}},
        ]
    }


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", None),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "get_time"}}, {"tool": {"name": "get_time"}}),
    ],
)
def test_a_tool_choice_keeps_its_meaning(choice: Any, expected: Any) -> None:
    config = sent(tools=[WEATHER, TIME], tool_choice=choice)["toolConfig"]
    assert config.get("toolChoice") == expected


@pytest.mark.parametrize(("mode", "expected"), [("auto", None), ("required", {"any": {}})])
def test_allowed_tools_are_the_only_ones_offered(mode: str, expected: Any) -> None:
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "get_time"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    config = sent(tools=[WEATHER, TIME], tool_choice=choice)["toolConfig"]
    assert [each["toolSpec"]["name"] for each in config["tools"]] == ["get_time"]
    assert config.get("toolChoice") == expected


def test_no_tool_is_offered_where_none_may_be_called() -> None:
    assert "toolConfig" not in sent(tools=[WEATHER], tool_choice="none")


def test_calls_of_earlier_turns_bring_their_tools_back() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]
    (spec,) = sent(messages=messages)["toolConfig"]["tools"]
    assert spec["toolSpec"]["name"] == "get_weather"
    assert ask(messages=messages).dropped_params == ()
    none = ask(messages=messages, tools=[WEATHER], tool_choice="none")
    assert none.dropped_params == ("tool_choice",)


def test_a_tool_may_carry_a_cache_hint() -> None:
    tool = {**WEATHER, "cache_control": {"type": "ephemeral"}}
    assert sent(tools=[tool])["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}


def test_custom_tools_are_refused() -> None:
    custom = {"type": "custom", "custom": {"name": "c"}}
    assert refusal(tools=[custom]).param == "tools[0].type"


def test_a_newer_model_keeps_to_a_schema_by_itself() -> None:
    body = sent(response_format=BY_SCHEMA)
    found = body["outputConfig"]["textFormat"]
    schema = orjson.loads(found["structure"]["jsonSchema"].pop("schema"))
    assert found == {"type": "json_schema", "structure": {"jsonSchema": {"name": "n"}}}
    assert schema["additionalProperties"] is False
    assert schema["properties"]["a"]["additionalProperties"] is False
    assert "toolConfig" not in body


@pytest.mark.parametrize(
    ("model", "format_", "schema"),
    [
        (HAIKU, BY_SCHEMA, SCHEMA),
        (NOVA, BY_SCHEMA, SCHEMA),
        (SONNET, BY_OBJECT, {"type": "object", "properties": {}}),
    ],
)
def test_others_are_asked_for_the_call_of_a_tool(model: str, format_: Any, schema: Any) -> None:
    config = sent(model, response_format=format_)["toolConfig"]
    (tool,) = config["tools"]
    assert tool["toolSpec"]["inputSchema"] == {"json": schema}
    assert config["toolChoice"] == {"any": {}}
    both = sent(model, response_format=format_, tools=[WEATHER])["toolConfig"]
    assert len(both["tools"]) == 2


def test_a_model_that_can_not_be_made_to_call_gives_no_free_json() -> None:
    assert refusal(FABLE, response_format=BY_OBJECT).param == "response_format.type"
    assert "outputConfig" in sent(FABLE, response_format=BY_SCHEMA)


def test_a_streamed_answer_in_json_is_unwrapped() -> None:
    call = ask(HAIKU, response_format=BY_OBJECT, stream=True)
    pieces = [
        start_call(0, "json_answer"),
        delta(0, toolUse={"input": ""}),
        delta(0, toolUse={"input": '{"a"'}),
        delta(0, toolUse={"input": ": 1}"}),
        stop_block(0),
        end("tool_use"),
    ]
    chunks = read(pieces, call)
    assert text(chunks) == '{"a": 1}'
    assert finish_reason(chunks) == "stop"


def test_a_whole_answer_in_json_is_unwrapped() -> None:
    use = {"toolUseId": "t", "name": "json_answer", "input": {"a": "ü"}}
    message = {"role": "assistant", "content": [{"toolUse": use}]}
    body = {"output": {"message": message}, "stopReason": "tool_use", "usage": {}}
    call = ask(HAIKU, response_format=BY_OBJECT)
    (choice,) = call.parse_response(orjson.dumps(body))["choices"]
    assert orjson.loads(choice["message"]["content"]) == {"a": "ü"}
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "stop"


def test_an_answer_that_is_text_all_the_same_is_passed_on() -> None:
    call = ask(HAIKU, response_format=BY_OBJECT, stream=True)
    assert text(read([delta(0, text='{"a": 1}'), end()], call)) == '{"a": 1}'
