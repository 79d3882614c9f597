"""Structured answers: natively, by a tool, or in words, as the model can be held to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.anthropic.schema import fit_schema
from tests.providers.answers import deltas, finish_reason, text
from tests.providers.anthropic.asking import (
    OLD,
    ask,
    dropped,
    end,
    read,
    read_whole,
    refusal,
    sent,
    start,
    tool_block,
)
from tests.providers.tools import TIME

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = {**CITY, "additionalProperties": False}
OPEN = {"type": "object", "additionalProperties": {"type": "integer"}}
UNFORCED = "claude-fable-5-1"
JSON_OBJECT = {"type": "json_object"}


def json_schema(schema: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, **fields}}


def test_a_schema_is_native_where_the_model_has_it() -> None:
    body = sent(response_format=json_schema(CITY, strict=True))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": CLOSED}}
    assert "tools" not in body


def test_effort_and_format_go_together() -> None:
    body = sent(response_format=json_schema(CITY), reasoning_effort="low")
    assert body["output_config"].keys() == {"effort", "format"}


def test_older_models_answer_by_a_tool() -> None:
    body = sent(OLD, response_format=json_schema(CITY, description="Where"))
    (tool,) = body["tools"]
    assert tool == {"name": "json_answer", "description": "Where", "input_schema": CITY}
    assert body["tool_choice"] == {"type": "tool", "name": "json_answer"}


@pytest.mark.parametrize("model", ["claude-opus-5", OLD])
def test_any_object_is_asked_for_by_a_tool(model: str) -> None:
    body = sent(model, response_format=JSON_OBJECT)
    assert body["tools"][0]["input_schema"]["additionalProperties"] is True


def test_beside_other_tools_the_model_has_to_choose_one() -> None:
    body = sent(OLD, response_format=JSON_OBJECT, tools=[TIME])
    assert [tool["name"] for tool in body["tools"]] == ["get_time", "json_answer"]
    assert body["tool_choice"] == {"type": "any"}
    body = sent(OLD, response_format=JSON_OBJECT, tools=[TIME], tool_choice="required")
    assert [tool["name"] for tool in body["tools"]] == ["get_time"]


def test_a_model_that_cannot_be_forced_is_told_in_words() -> None:
    body = sent(
        UNFORCED,
        response_format=JSON_OBJECT,
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
        ],
    )
    assert body["system"].startswith("Be brief.\n\nAnswer with one JSON object")
    assert "tools" not in body
    assert '"additionalProperties"' in sent(UNFORCED, response_format=json_schema(OPEN))["system"]
    assert dropped(UNFORCED, response_format=json_schema(OPEN)) == ["response_format.json_schema"]


def test_a_strict_schema_the_model_cannot_be_held_to_is_refused() -> None:
    strict = json_schema(OPEN, strict=True)
    assert refusal(UNFORCED, response_format=strict).param == "response_format"
    thinking = {"reasoning_effort": "high", "response_format": json_schema(CITY, strict=True)}
    assert refusal(OLD, **thinking).param == "response_format"


def test_limits_that_only_words_can_set_are_told() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1, "description": "How many"}},
    }
    body = sent(response_format=json_schema(schema))
    assert body["output_config"]["format"]["schema"]["properties"]["n"] == {
        "type": "integer",
        "description": 'How many {"minimum":1}',
    }
    assert dropped(response_format=json_schema(schema)) == [
        "response_format.json_schema.schema.minimum"
    ]


def test_a_tools_call_is_the_answers_text() -> None:
    call = ask(OLD, response_format=json_schema(CITY))
    content = [{"type": "tool_use", "id": "t", "name": "json_answer", "input": {"city": "Rome"}}]
    choice = read_whole(call, content=content, stop_reason="tool_use")
    assert choice["message"]["content"] == '{"city":"Rome"}'
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "stop"


def test_a_tools_call_is_the_streams_text() -> None:
    call = ask(OLD, response_format=json_schema(CITY), stream=True)
    events = tool_block(0, "json_answer", "", '{"city": ', '"Rome"}')
    chunks = read(start(), events, end("tool_use"), call=call)
    assert text(chunks) == '{"city": "Rome"}'
    assert not any("tool_calls" in delta for delta in deltas(chunks))
    assert finish_reason(chunks) == "stop"
    chunks = read(start(), tool_block(0, "json_answer", ""), end("tool_use"), call=call)
    assert text(chunks) == "{}"


def test_a_real_call_beside_the_answers_tool_stays_one() -> None:
    call = ask(OLD, response_format=JSON_OBJECT, tools=[TIME], stream=True)
    chunks = read(start(), tool_block(0, "get_time", ""), end("tool_use"), call=call)
    assert finish_reason(chunks) == "tool_calls"


@pytest.mark.parametrize(
    "schema",
    [
        OPEN,
        {"type": "object"},
        {"not": {"type": "string"}},
        {"type": "array", "prefixItems": [{"type": "string"}]},
        {"type": "array", "items": {"type": "object", "patternProperties": {"a": {}}}},
        {"type": "array", "items": True},
        {"allOf": [CITY, CITY]},
        {**CITY, "anyOf": [CITY]},
        {"anyOf": [CITY], "oneOf": [CITY]},
        {**CITY, "minProperties": "some"},
        {"$defs": {"a": {**CITY, "anyOf": 1}}, "$ref": "#/$defs/a"},
        {"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
        {"type": "array", "items": {"$ref": "#"}},
        {"type": "object", "properties": {str(i): {"type": "string"} for i in range(25)}},
        {"type": "array", "items": {"anyOf": [{"anyOf": [{"anyOf": [CITY] * 17}] * 17}] * 2}},
    ],
)
def test_schemas_that_cannot_be_made_fit(schema: Any) -> None:
    assert fit_schema(schema) is None


def test_a_schema_is_made_fit_at_every_depth() -> None:
    schema = {
        "$defs": {"a": CITY},
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": {"oneOf": [{"$ref": "#/$defs/a"}, CITY]}},
            "none": {"type": "object", "additionalProperties": False},
        },
    }
    fit = fit_schema(schema)
    assert fit is not None
    assert fit.schema == {
        "$defs": {"a": CLOSED},
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/a"}, CLOSED]}},
            "none": {"type": "object", "additionalProperties": False},
        },
        "additionalProperties": False,
    }


def test_a_format_that_the_model_is_not_held_to_is_told_in_words() -> None:
    fit = fit_schema({"type": "string", "format": "binary"})
    assert fit is not None
    assert fit.schema == {"type": "string", "description": '{"format":"binary"}'}
    assert fit_schema({"type": "string", "format": "date"}) is not None


def test_a_schema_nested_too_deeply_is_refused() -> None:
    deep: dict[str, Any] = {"type": "array"}
    for _ in range(300):
        deep = {"type": "array", "items": deep}
    found = refusal(UNFORCED, response_format=json_schema(deep))
    assert found.param == "response_format.json_schema.schema"


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "items", "anyOf", "a", "$defs", "minimum"]),
            inner,
            max_size=4,
        )
    ),
)


KEYWORDS = ["type", "properties", "items", "oneOf", "$defs", "required", "format", "minItems"]


@given(st.dictionaries(st.sampled_from(KEYWORDS), json))
def test_no_schema_breaks_the_fitting(schema: dict[str, Any]) -> None:
    fit_schema(schema)
