"""Anthropic's requests as canonical ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects import messages
from gateway.errors import InvalidRequestError
from gateway.types import NativeRequest
from gateway.validation import check_chat_request

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
HELLO = [{"role": "user", "content": "hi"}]
TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}


def parse(**fields: Any) -> NativeRequest:
    body = {"model": "m", "max_tokens": 9, "messages": HELLO, **fields}
    request: NativeRequest = messages.parse_request(json.dumps(body).encode(), {})
    check_chat_request(request)
    assert request.native == body
    return request


def test_the_plainest_request() -> None:
    assert parse() == {"model": "m", "messages": HELLO, "stream": False, "max_tokens": 9}


def test_headers_of_the_api_are_kept() -> None:
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "a,b", "cookie": "c"}
    request = messages.parse_request(
        json.dumps({"model": "m", "max_tokens": 1, "messages": HELLO}).encode(), headers
    )
    assert request.native_headers == {"anthropic-version": "2023-06-01", "anthropic-beta": "a,b"}


@pytest.mark.parametrize(
    "system",
    ["be short", [{"type": "text", "text": "be short", "cache_control": {"type": "ephemeral"}}]],
)
def test_the_system_prompt_comes_first(system: Any) -> None:
    assert parse(system=system)["messages"][0] == {"role": "system", "content": "be short"}


def test_an_agents_line_for_anthropic_is_for_anthropic() -> None:
    line = {"type": "text", "text": "x-anthropic-billing-header: cc_version=1"}
    system = [line, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert parse(system=system)["messages"][0]["content"] == "a\n\nb"


def test_images_and_documents() -> None:
    content = [
        {"type": "text", "text": "look"},
        {"type": "image", "source": PNG},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": {"type": "text", "data": "plain", "media_type": "x"}},
    ]
    (message,) = parse(messages=[{"role": "user", "content": content}])["messages"]
    assert message["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "text", "text": "plain"},
    ]


def test_a_tool_loop() -> None:
    asked = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
    thought = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [{"type": "text", "text": "42"}, {"type": "image", "source": PNG}],
    }
    built = parse(
        tools=[TOOL],
        messages=[
            *HELLO,
            {"role": "assistant", "content": [thought, {"type": "text", "text": "x"}, asked]},
            {"role": "user", "content": [{"type": "text", "text": "go on"}, result]},
        ],
    )["messages"]
    assert built[1]["content"] == "x"
    assert built[1]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert built[1]["reasoning_content"] == "hm"
    assert built[1]["thinking_blocks"] == [thought]
    assert built[2] == {"role": "tool", "tool_call_id": "toolu_1", "content": "42"}
    assert [part["type"] for part in built[3]["content"]] == ["text", "image_url"]


def test_a_failed_tool_says_so() -> None:
    asked = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "no", "is_error": True}
    built = parse(
        messages=[
            *HELLO,
            {"role": "assistant", "content": [asked]},
            {"role": "user", "content": [result]},
        ]
    )["messages"]
    assert built[1]["content"] is None
    assert built[2]["content"] == "Error: no"


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "f"},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"tool_choice": "auto", "parallel_tool_calls": False},
        ),
    ],
)
def test_tools_and_their_choice(choice: dict[str, Any], wanted: dict[str, Any]) -> None:
    request = parse(tools=[TOOL], tool_choice=choice)
    assert request["tools"][0]["function"]["parameters"] == TOOL["input_schema"]
    assert {name: request.get(name) for name in wanted} == wanted


def test_what_anthropic_runs_itself_is_for_anthropic_alone() -> None:
    request = parse(
        tools=[TOOL, {"type": "web_search_20250305", "name": "web_search"}], mcp_servers=[{}]
    )
    assert request.native_only == ("mcp_servers", "tools[1]")
    assert len(request["tools"]) == 1


@pytest.mark.parametrize(
    ("fields", "effort"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 32000}}, "high"),
        ({"thinking": {"type": "adaptive"}}, "high"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, "low"),
        ({"thinking": {"type": "disabled"}}, "none"),
        ({"thinking": {"type": "between_tools"}}, "none"),
    ],
)
def test_thinking_is_a_preference(fields: dict[str, Any], effort: str) -> None:
    request = parse(**fields)
    assert "reasoning_effort" not in request
    assert request.preferences == {"reasoning_effort": effort}


def test_settings_have_openais_names_and_what_has_none_is_untranslated() -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    request = parse(
        stop_sequences=["a"],
        temperature=0.5,
        top_k=4,
        metadata={"user_id": "u"},
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    assert (request["stop"], request["temperature"], request["user"]) == (["a"], 0.5, "u")
    assert request["response_format"]["json_schema"]["schema"] == schema
    assert request.untranslated == ("top_k",)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"messages": None}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [1]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "messages[0].content[0].source",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
            "messages[0].content[0].tool_use_id",
        ),
        ({"tools": {}}, "tools"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [TOOL], "tool_choice": {"type": "some"}}, "tool_choice"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"temperature": 2}, "temperature"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    body = {"model": "m", "max_tokens": 9, "messages": HELLO, **fields}
    with pytest.raises(InvalidRequestError) as raised:
        messages.parse_request(json.dumps(body).encode(), {})
    assert raised.value.param == param


def test_a_call_nested_too_deeply_is_named() -> None:
    call = b'{"type":"tool_use","id":"t","name":"f","input":%b}' % (
        b'{"a":' * 300 + b"1" + b"}" * 300
    )
    message = b'{"role":"assistant","content":[%b]}' % call
    with pytest.raises(InvalidRequestError) as raised:
        messages.parse_request(b'{"model":"m","max_tokens":9,"messages":[%b]}' % message, {})
    assert raised.value.param == "messages[0].content[0].input"


def test_a_document_made_of_blocks_is_those_blocks() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    source = {"type": "content", "content": [{"type": "text", "text": "a"}, image]}
    plain = {"type": "content", "content": "b"}
    documents = [{"type": "document", "source": each} for each in (source, plain)]
    request = parse(messages=[{"role": "user", "content": documents}])
    assert request["messages"][0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "text", "text": "b"},
    ]
    assert request.untranslated == ()


def test_what_goes_on_with_a_kept_conversation_is_for_anthropic_alone() -> None:
    request = parse(thread={"id": "x"}, fallbacks=[{"model": "y"}], compaction={"type": "auto"})
    assert request.native_only == ("thread",)
    assert request.untranslated == ("compaction", "fallbacks")


def test_a_users_long_id_is_one_that_openai_takes_and_stays_whole_for_anthropic() -> None:
    long = f"user_{'a' * 64}_account__session_{'b' * 36}"
    first, second = (parse(metadata={"user_id": long}) for _ in range(2))
    assert first["user"] == second["user"]
    assert len(first["user"]) == 64
    assert parse(metadata={"user_id": long + "c"})["user"] != first["user"]
    assert first.native["metadata"] == {"user_id": long}
