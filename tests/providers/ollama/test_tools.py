"""Which functions a model is offered, which it must call, and how its calls come back."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import UpstreamError
from tests.providers.answers import deltas, finish_reason, text, tool_calls, usage
from tests.providers.ollama.asking import (
    ask,
    called,
    encode,
    end,
    line,
    read,
    read_until_error,
    refusal,
    sent,
    with_capabilities,
)
from tests.providers.tools import TIME, WEATHER

TOOLS = [WEATHER, TIME]
CALL = '{"name":"get_weather","arguments":{"city":"Paris"}}'
NAMED = {"type": "function", "function": {"name": "get_weather"}}


def allowed(mode: str, *names: str) -> dict[str, Any]:
    """Return a ``tool_choice`` of allowed tools."""
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


def offered(**fields: Any) -> list[str]:
    """Return the names of the tools that are sent."""
    return [tool["function"]["name"] for tool in sent(tools=TOOLS, **fields).get("tools", ())]


def test_tools_are_offered_unless_the_choice_leaves_them_out() -> None:
    assert offered() == offered(tool_choice="auto") == ["get_weather", "get_time"]
    assert offered(tool_choice="none") == []
    assert offered(tool_choice=allowed("auto", "get_time")) == ["get_time"]


def test_no_tools_are_no_tools() -> None:
    assert sent(tools=[]) == sent(tools=None) == sent()


def test_required_call_is_asked_for_as_a_structured_answer() -> None:
    body = sent(tools=TOOLS, tool_choice="required")
    assert "tools" not in body
    assert body["format"] == {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "enum": ["get_weather"]},
                    "arguments": WEATHER["function"]["parameters"],
                },
                "required": ["name", "arguments"],
            },
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "enum": ["get_time"]},
                    "arguments": {"type": "object", "properties": {}},
                },
                "required": ["name", "arguments"],
            },
        ]
    }
    system, user = body["messages"]
    assert system["role"] == "system"
    assert "Weather of a city" in system["content"]
    assert user == {"role": "user", "content": "hi"}


def test_instruction_joins_the_clients_system_message() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    body = sent(tools=TOOLS, tool_choice=NAMED, messages=messages)
    assert len(body["messages"]) == 2
    assert body["messages"][0]["content"].startswith("Be brief.\n\nAnswer with the call")
    assert "get_time" not in body["messages"][0]["content"]
    assert body["format"]["properties"]["name"]["enum"] == ["get_weather"]


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ("required", "tool_calls"),
        (NAMED, "stop"),
        (allowed("required", "get_weather"), "tool_calls"),
    ],
)
def test_required_call_comes_back_as_one(choice: Any, reason: str) -> None:
    call = ask(tools=TOOLS, tool_choice=choice)
    chunks = read(line(thinking="Hm."), line(CALL[:9]), line(CALL[9:]), end(), call=call)
    (made,) = tool_calls(chunks)
    assert made["function"] == {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    assert (made["index"], made["type"], made["id"][:5]) == (0, "function", "call_")
    assert deltas(chunks)[0] == {"role": "assistant", "reasoning_content": "Hm."}
    assert (finish_reason(chunks), text(chunks)) == (reason, "")
    assert usage(chunks)["total_tokens"] == 12


@pytest.mark.parametrize(
    "answer", ["Sure!", "{}", '{"name":"get_time"}', '{"name":"rm","arguments":{}}', "[]", ""]
)
def test_required_call_that_is_not_made_is_an_error_and_no_answer(answer: str) -> None:
    call = ask(tools=[WEATHER], tool_choice="required")
    chunks, error = read_until_error(encode(line(answer), end()), call)
    assert (chunks, type(error), error.status) == ([], UpstreamError, 502)


def test_required_call_cut_by_its_length_ends_with_length() -> None:
    call = ask(tools=TOOLS, tool_choice="required")
    chunks = read(line(CALL[:20]), end(done_reason="length"), call=call)
    assert deltas(chunks) == [{"role": "assistant", "content": ""}, {}]
    assert finish_reason(chunks) == "length"


def test_required_call_in_the_models_own_form_counts() -> None:
    call = ask(tools=TOOLS, tool_choice="required")
    chunks = read(line(tool_calls=[called("get_time", {}, id="x")]), end(), call=call)
    assert [made["function"]["name"] for made in tool_calls(chunks)] == ["get_time"]
    assert finish_reason(chunks) == "tool_calls"


def test_only_the_first_call_is_kept_where_one_is_allowed() -> None:
    lines = (
        line(tool_calls=[called("a", {}), called("b", {})]),
        end(tool_calls=[called("c", {})]),
    )
    for parallel, names in ((True, ["a", "b", "c"]), (False, ["a"])):
        call = ask(tools=TOOLS, parallel_tool_calls=parallel)
        assert [made["function"]["name"] for made in tool_calls(read(*lines, call=call))] == names


def test_older_functions_are_answered_in_the_older_form() -> None:
    functions = [WEATHER["function"]]
    assert sent(functions=functions)["tools"] == [WEATHER]
    call = ask(functions=functions)
    chunks = read(
        line(tool_calls=[called("get_weather", {"city": "Paris"}), called("b", {})]),
        end(),
        call=call,
    )
    function_call = {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    assert deltas(chunks) == [{"role": "assistant", "function_call": function_call}, {}]
    assert finish_reason(chunks) == "function_call"


def test_older_function_call_chooses_too() -> None:
    functions = [WEATHER["function"], TIME["function"]]
    assert "tools" not in sent(functions=functions, function_call="none")
    call = ask(functions=functions, function_call={"name": "get_weather"})
    chunks = read(line(CALL), end(), call=call)
    assert deltas(chunks)[0]["function_call"]["name"] == "get_weather"
    assert finish_reason(chunks) == "stop"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": "any"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": 1}, "tool_choice"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice.function.name",
        ),
        (
            {"tools": TOOLS, "tool_choice": allowed("auto", "x")},
            "tool_choice.allowed_tools.tools[0].function.name",
        ),
        ({"tools": TOOLS, "tool_choice": allowed("auto")}, "tool_choice.allowed_tools.tools"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [1]}, "tools[0]"),
        ({"function_call": "auto"}, "function_call"),
        ({"functions": [TIME["function"]], "function_call": {"name": "x"}}, "function_call.name"),
        ({"functions": [TIME["function"]], "tools": TOOLS}, "functions"),
    ],
)
def test_impossible_tools_and_choices_are_refused(fields: dict[str, Any], param: str) -> None:
    assert refusal(**fields).param == param


def test_functions_need_a_model_with_tools() -> None:
    error = refusal(with_capabilities("completion"), functions=[TIME["function"]])
    assert error.param == "functions"
