"""Tools and the choice among them, in Anthropic's form."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.anthropic.asking import OLD, dropped, refusal, sent
from tests.providers.tools import TIME, WEATHER

UNFORCED = "claude-fable-5-1"
NAMED = {"type": "function", "function": {"name": "get_time"}}
STRICT = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}},
    "required": ["city"],
}


def test_a_tool_without_parameters_takes_an_empty_object() -> None:
    assert sent(tools=[WEATHER, TIME])["tools"] == [
        {
            "name": "get_weather",
            "description": "Weather of a city",
            "input_schema": WEATHER["function"]["parameters"],
        },
        {"name": "get_time", "input_schema": {"type": "object", "properties": {}}},
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        (NAMED, {"type": "tool", "name": "get_time"}),
    ],
)
def test_a_tool_choice_keeps_its_meaning(choice: Any, expected: Any) -> None:
    assert sent(tools=[WEATHER, TIME], tool_choice=choice).get("tool_choice") == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"type": "any", "disable_parallel_tool_use": True}),
        ("none", {"type": "none"}),
    ],
)
def test_one_call_at_a_time(choice: Any, expected: Any) -> None:
    body = sent(tools=[TIME], tool_choice=choice, parallel_tool_calls=False)
    assert body["tool_choice"] == expected


def test_of_allowed_tools_only_those_are_sent() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}}
    body = sent(tools=[WEATHER, TIME], tool_choice=choice)
    assert [tool["name"] for tool in body["tools"]] == ["get_time"]
    assert body["tool_choice"] == {"type": "any"}


@pytest.mark.parametrize("choice", ["required", NAMED])
def test_a_model_that_cannot_be_made_to_call_refuses_the_choice(choice: Any) -> None:
    assert refusal(UNFORCED, tools=[TIME], tool_choice=choice).param == "tool_choice"
    assert sent("claude-haiku-5-5", tools=[TIME], tool_choice=choice)["tool_choice"]


def test_functions_of_the_older_form() -> None:
    body = sent(functions=[TIME["function"]], function_call={"name": "get_time"})
    assert body["tool_choice"] == {
        "type": "tool",
        "name": "get_time",
        "disable_parallel_tool_use": True,
    }
    assert [tool["name"] for tool in body["tools"]] == ["get_time"]


def test_anthropics_own_tools_pass_through() -> None:
    own = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    assert sent(tools=[own, TIME])["tools"][-1] == own
    assert sent(tools=[own])["tools"] == [own]


def test_hints_beside_a_tool_pass_through() -> None:
    cache = {"type": "ephemeral"}
    (tool,) = sent(tools=[{**TIME, "cache_control": cache}])["tools"]
    assert tool["cache_control"] == cache


def test_a_strict_tool_has_its_schema_made_fit() -> None:
    function = {"name": "f", "parameters": STRICT, "strict": True}
    tools = [{"type": "function", "function": function}]
    (tool,) = sent(tools=tools)["tools"]
    assert tool["strict"] is True
    assert tool["input_schema"]["additionalProperties"] is False
    assert tool["input_schema"]["properties"]["city"] == {
        "type": "string",
        "description": '{"minLength":1}',
    }
    (tool,) = sent(OLD, tools=tools)["tools"]
    assert "strict" not in tool
    assert dropped(OLD, tools=tools) == ["tools.function.strict"]


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([{"type": "custom", "custom": {"name": "c"}}], "tools[0].type"),
        (
            [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}],
            "tools[0].function.parameters.type",
        ),
        ([{"type": "web_search"}], "tools[0].type"),
    ],
)
def test_tools_that_cannot_be_offered_are_refused(tools: Any, param: str) -> None:
    assert refusal(tools=tools).param == param


def test_a_choice_among_anthropics_own_tools() -> None:
    own = {"type": "web_search_20250305", "name": "web_search"}
    choice = {"type": "function", "function": {"name": "web_search"}}
    body = sent(tools=[own, TIME], tool_choice=choice)
    assert body["tool_choice"] == {"type": "tool", "name": "web_search"}
    assert sent(tools=[own], tool_choice="auto")["tool_choice"] == {"type": "auto"}


def strict_tool(name: str, properties: dict[str, Any], required: Any = ()) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    function = {"name": name, "parameters": schema, "strict": True}
    return {"type": "function", "function": function}


@pytest.mark.parametrize(
    ("tools", "held"),
    [
        ([strict_tool(f"f{i}", {"a": {"type": "string"}}, "a") for i in range(20)], 20),
        ([strict_tool(f"f{i}", {"a": {"type": "string"}}, "a") for i in range(21)], 20),
        ([strict_tool("f", {str(i): {} for i in range(20)}), strict_tool("g", {"a": {}})], 2),
        ([strict_tool(n, {str(i): {} for i in range(20)}) for n in "fg"], 1),
        ([strict_tool("f", {"a": {"type": ["string", "null"]}}, "a")] * 1, 1),
        ([strict_tool("f", {})], 1),
        ([strict_tool("f", {"a": {"type": "object"}}, "a"), strict_tool("g", {})], 1),
    ],
)
def test_as_many_tools_are_strict_as_anthropic_takes(tools: Any, held: int) -> None:
    body = sent(tools=tools)
    assert sum(tool.get("strict", False) for tool in body["tools"]) == held
    assert len(body["tools"]) == len(tools)
    lost = [] if held == len(tools) else ["tools.function.strict"]
    assert dropped(tools=tools) == lost
