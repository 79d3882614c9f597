"""Custom tools where a provider has functions only."""

from __future__ import annotations

import json
from typing import Any

from gateway.chunks import gather
from gateway.inference.custom_tools import iter_restored, offer_as_functions, restore_completion

GRAMMAR = {
    "type": "grammar",
    "grammar": {"syntax": "lark", "definition": 'start: "*** Begin Patch"'},
}
PATCH = {
    "type": "custom",
    "custom": {"name": "apply_patch", "description": "Edits files.", "format": GRAMMAR},
}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {}}}
NAMES = frozenset({"apply_patch"})


def chunk(delta: dict[str, Any], reason: str | None = None, **fields: Any) -> Any:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "a", "created": 1, "model": "m", "choices": [choice], **fields}


def call(arguments: str, name: str = "", index: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = {"index": index, "function": {"arguments": arguments}}
    if name:
        told |= {"id": f"c{index}", "type": "function"}
        told["function"] = {"name": name, **told["function"]}
    return told


def test_a_custom_tool_is_offered_as_a_function_of_one_text() -> None:
    text = {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}}
    request = {"model": "m", "messages": [], "tools": [FUNCTION, PATCH, text]}
    offered = offer_as_functions(request)
    assert offered is not None
    assert offered.names == {"apply_patch", "shell"}
    assert offered.grammars == (1,)
    first, second, third = offered.request["tools"]
    assert first == FUNCTION
    assert second["type"] == "function"
    assert second["function"]["description"] == "Edits files."
    parameters = second["function"]["parameters"]
    assert parameters["required"] == ["input"]
    assert 'lark):\nstart: "*** Begin Patch"' in parameters["properties"]["input"]["description"]
    assert "grammar" not in third["function"]["parameters"]["properties"]["input"]["description"]
    assert request["tools"] == [FUNCTION, PATCH, text]


def test_the_choice_and_earlier_calls_are_of_the_function_too() -> None:
    earlier = {"id": "c", "type": "custom", "custom": {"name": "apply_patch", "input": 'a"\n'}}
    messages = [{"role": "assistant", "content": None, "tool_calls": [earlier]}]
    named = {"type": "custom", "custom": {"name": "apply_patch"}}
    request = {"messages": messages, "tools": [PATCH], "tool_choice": named}
    offered = offer_as_functions(request)
    assert offered is not None
    assert offered.request["tool_choice"] == {
        "type": "function",
        "function": {"name": "apply_patch"},
    }
    (told,) = offered.request["messages"][0]["tool_calls"]
    assert told["type"] == "function"
    assert json.loads(told["function"]["arguments"]) == {"input": 'a"\n'}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named]}}
    again = offer_as_functions({"messages": [], "tools": [PATCH], "tool_choice": allowed})
    assert again is not None
    assert again.request["tool_choice"]["allowed_tools"]["tools"] == [
        {"type": "function", "function": {"name": "apply_patch"}}
    ]
    # A request without tools may still have a history with them.
    assert offer_as_functions({"messages": messages}) is not None


def test_nothing_else_changes_and_what_is_malformed_stays() -> None:
    for tools in (None, [FUNCTION], [{"type": "custom"}], [5], "x"):
        calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
        messages = [{"role": "assistant", "tool_calls": calls}, 5, {"tool_calls": 5}]
        assert offer_as_functions({"messages": messages, "tools": tools}) is None


def test_a_whole_answer_has_the_call_of_the_custom_tool() -> None:
    calls = [
        {**call('{"input": "a\\nb"}', "apply_patch"), "extra_content": {"x": 1}},
        call('{"a": 1}', "f", 1),
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    completion = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    restored = restore_completion(completion, NAMES)
    first, second = restored["choices"][0]["message"]["tool_calls"]
    assert first["custom"] == {"name": "apply_patch", "input": "a\nb"}
    assert (first["type"], first["id"], first["extra_content"]) == ("custom", "c0", {"x": 1})
    assert "function" not in first
    assert second == calls[1]
    plain = {"choices": [{"index": 0, "message": {"content": "Hi"}}]}
    assert restore_completion(plain, NAMES) is plain


def test_a_stream_tells_the_input_piece_by_piece() -> None:
    plain = chunk({"content": "Let me see."})
    stream = [
        [plain],
        [chunk({"tool_calls": [call("", "apply_patch")]})],
        [chunk({"tool_calls": [call('{"input": "a\\')]}), chunk({"tool_calls": [call('nb"')]})],
        [chunk({"tool_calls": [call("}"), call('{"a":', "f", 1)]})],
        [chunk({"tool_calls": [call("1}", index=1)]})],
        [chunk({}, "tool_calls")],
    ]
    restored = list(iter_restored(iter(stream), NAMES))
    assert restored[0][0] is plain
    pieces = [
        told["custom"]["input"]
        for batch in restored
        for each in batch
        for told in each["choices"][0]["delta"].get("tool_calls", ())
        if "custom" in told
    ]
    assert pieces == ["", "a", "\nb", ""]
    first, second = gather(iter(restored))["choices"][0]["message"]["tool_calls"]
    assert first == {
        "id": "c0",
        "type": "custom",
        "custom": {"name": "apply_patch", "input": "a\nb"},
    }
    assert second["function"] == {"name": "f", "arguments": '{"a":1}'}


def test_what_is_only_known_at_the_end_comes_with_it() -> None:
    stream = [
        [chunk({"tool_calls": [call('{"patch": "x', "apply_patch")]})],
        [chunk({"tool_calls": [call('y"}')]}, "tool_calls")],
    ]
    restored = list(iter_restored(iter(stream), NAMES))
    (made,) = gather(iter(restored))["choices"][0]["message"]["tool_calls"]
    assert made["custom"]["input"] == "xy"
    assert stream[1][0]["choices"][0]["delta"]["tool_calls"] == [call('y"}')]
