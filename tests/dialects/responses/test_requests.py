"""Requests of the Responses API as canonical chats."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects import responses
from gateway.dialects.responses.reasoning import Extras
from gateway.errors import InvalidRequestError
from gateway.types import NativeRequest

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}", "id": "fc_1"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "42"}


def parse(**fields: Any) -> NativeRequest:
    body = {"model": "m", "input": "hi", **fields}
    return responses.parse_request(json.dumps(body).encode(), {})


def refused(**fields: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        parse(**fields)
    return caught.value


def test_text_and_instructions_become_messages() -> None:
    request = parse(instructions="Be brief.")
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]
    assert request.dialect == "responses"
    assert request.native == {"model": "m", "input": "hi", "instructions": "Be brief."}


def test_parameters_get_their_names_in_chats() -> None:
    request = parse(
        max_output_tokens=9,
        temperature=0.5,
        reasoning={"effort": "low", "summary": "auto"},
        text={
            "verbosity": "low",
            "format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True},
        },
        top_logprobs=2,
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        stream=True,
        metadata={"a": "b"},
        store=True,
        top_k=5,
        user=None,
    )
    assert {**request, "messages": None} == {
        "model": "m",
        "messages": None,
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {}, "strict": True},
        },
        "logprobs": True,
        "top_logprobs": 2,
        "stream": True,
        "top_k": 5,
    }
    assert request.untranslated == ()
    assert request.native_only == ()


def test_tools_and_choices_are_nested() -> None:
    custom = {
        "type": "custom",
        "name": "g",
        "format": {"type": "grammar", "syntax": "lark", "definition": "x"},
    }
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "g"}]}
    request = parse(tools=[FUNCTION, custom], tool_choice=allowed, parallel_tool_calls=False)
    assert request["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object"}, "strict": True},
        },
        {
            "type": "custom",
            "custom": {
                "name": "g",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}},
            },
        },
    ]
    assert request["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"type": "custom", "custom": {"name": "g"}}]},
    }
    assert request["parallel_tool_calls"] is False
    named = parse(tools=[FUNCTION], tool_choice={"type": "function", "name": "f"})
    assert named["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_a_turn_is_one_message_with_its_results_right_after_it() -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_1",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}],
        },
        CALL,
        {**CALL, "call_id": "c2"},
        {"role": "user", "content": "and?"},
        {**RESULT, "call_id": "c2", "output": "43"},
        RESULT,
    ]
    request = parse(input=items)
    function = {"name": "f", "arguments": "{}"}
    assert request["messages"] == [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": function},
                {"id": "c2", "type": "function", "function": function},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "tool", "tool_call_id": "c2", "content": "43"},
        {"role": "user", "content": "and?"},
    ]


def test_the_same_call_id_twice_is_answered_in_order() -> None:
    items = [CALL, RESULT, CALL, {**RESULT, "output": "43"}]
    contents = [each["content"] for each in parse(input=items)["messages"]]
    assert contents == [None, "42", None, "43"]


def test_custom_calls_and_their_results() -> None:
    items = [
        {"type": "custom_tool_call", "call_id": "c", "name": "g", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "a.txt"},
    ]
    assert parse(input=items)["messages"] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "g", "input": "ls"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "a.txt"},
    ]


def test_images_and_files_are_parts_and_those_of_results_follow_the_results() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"}
    file = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,A"}
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "see"}, image, file]},
        CALL,
        {**RESULT, "output": [{"type": "input_text", "text": "a picture"}, image]},
    ]
    messages = parse(input=items)["messages"]
    shown = {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"},
    }
    assert messages[0]["content"] == [
        {"type": "text", "text": "see"},
        shown,
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,A"},
        },
    ]
    assert messages[2] == {"role": "tool", "tool_call_id": "c1", "content": "a picture"}
    assert messages[3]["role"] == "user"
    assert messages[3]["content"][1] == shown


def test_what_a_provider_wants_to_see_again_comes_back_with_its_message() -> None:
    extras = Extras()
    extras.add_message({"thinking_blocks": [{"type": "thinking", "signature": "s"}]})
    extras.add_call("c1", {"id": "c1", "extra_content": {"google": {"thought_signature": "t"}}})
    packed = extras.pack()
    item = {"type": "reasoning", "id": "rs_gw1", "summary": [], "encrypted_content": packed}
    request = parse(input=[item, CALL, RESULT])
    turn = request["messages"][0]
    assert turn["thinking_blocks"] == [{"type": "thinking", "signature": "s"}]
    assert turn["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "t"}}
    # OpenAI could not read it, and would refuse the request.
    assert request.native["input"] == [CALL, RESULT]


def test_encrypted_reasoning_of_others_goes_to_them_alone() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    request = parse(input=[item, CALL, RESULT])
    assert request.untranslated == ("input[0].encrypted_content",)
    assert request.native["input"][0] == item
    assert "thinking_blocks" not in request["messages"][0]


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"tools": [FUNCTION, {"type": "web_search"}]}, ("tools[1]",)),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, ("tools[0]",)),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, ("input[0]",)),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, ("input[0]",)),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            ("input[0].content[0]",),
        ),
        ({"prompt": {"id": "pmpt_1"}}, ("prompt",)),
        (
            {
                "tools": [{"type": "web_search"}],
                "tool_choice": {"type": "web_search"},
            },
            ("tools[0]", "tool_choice"),
        ),
    ],
)
def test_what_only_openai_has_is_named(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    assert parse(**fields).native_only == names


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"truncation": "auto"}, "truncation"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"client_metadata": {"session": "s"}}, "client_metadata"),
    ],
)
def test_what_a_chat_can_do_without_is_told(fields: dict[str, Any], name: str) -> None:
    assert parse(**fields).untranslated == (name,)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "x"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": ""}]}, "input[0].call_id"),
        ({"instructions": 5}, "instructions"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [FUNCTION], "tool_choice": "any"}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"store": "yes"}, "store"),
        ({"stream": "yes"}, "stream"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_tools_of_a_namespace_stand_beside_the_others() -> None:
    inner = {"type": "function", "name": "find", "parameters": {"type": "object"}}
    long = {**inner, "name": "n" * 60, "description": "Own.", "output_schema": {"type": "object"}}
    namespace = {"type": "namespace", "name": "crm", "description": "Ours.", "tools": [inner, long]}
    call = {**CALL, "name": "find", "namespace": "crm"}
    request = parse(tools=[FUNCTION, namespace], input=[call, RESULT])
    assert request.native_only == ()
    functions = [tool["function"] for tool in request["tools"]]
    assert functions[1] == {
        "name": "crm__find",
        "description": "Ours.",
        "parameters": {"type": "object"},
    }
    assert functions[2]["description"] == "Own."
    assert "output_schema" not in functions[2]
    assert [len(function["name"]) for function in functions[1:]] == [9, 64]
    (made,) = request["messages"][0]["tool_calls"]
    assert made["function"]["name"] == "crm__find"


@pytest.mark.parametrize(
    ("namespace", "param"),
    [
        ({"type": "namespace", "tools": []}, "tools[0].name"),
        ({"type": "namespace", "name": "a"}, "tools[0].tools"),
        ({"type": "namespace", "name": "a", "tools": ["b"]}, "tools[0].tools[0]"),
        ({"type": "namespace", "name": "a", "tools": [{}]}, "tools[0].tools[0].name"),
    ],
)
def test_a_namespace_that_is_none_is_named(namespace: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        parse(tools=[namespace])
    assert raised.value.param == param
