"""Requests as Cohere's own SDK types them, and conversations there and back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.providers.cohere.asking import PIXEL, REASONING, ask, sent
from tests.providers.tools import TIME, WEATHER

cohere = pytest.importorskip("cohere", reason="cohere is not installed")

_CALL = {"id": "a", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
_MESSAGES = [
    {"role": "developer", "content": "be brief"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "hi"},
            {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        ],
    },
    {"role": "assistant", "content": "so", "reasoning_content": "hm", "tool_calls": [_CALL]},
    {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "noon"}]},
]
_BY_ROLE = {
    "system": cohere.SystemMessageV2,
    "user": cohere.UserMessageV2,
    "assistant": cohere.AssistantChatMessageV2,
    "tool": cohere.ToolMessageV2,
}


def test_messages_and_tools_are_what_the_sdk_types() -> None:
    for model in ("command-a-03-2025", REASONING):
        body = sent(model, messages=_MESSAGES, tools=[WEATHER, TIME])
        for message in body["messages"]:
            kind = _BY_ROLE[message["role"]]
            given = {name: value for name, value in message.items() if name != "role"}
            parsed = TypeAdapter(kind).validate_python(given)
            assert set(given) <= set(type(parsed).model_fields)
            assert _dump(parsed) == given
        for tool in body["tools"]:
            parsed = TypeAdapter(cohere.ToolV2).validate_python(tool)
            assert _dump(parsed) == tool


def _dump(parsed: Any) -> Any:
    dumped = parsed.model_dump(exclude_none=True)
    dumped.pop("role", None)
    return dumped


_WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
_ARGUMENTS = st.dictionaries(_WORDS, st.one_of(st.integers(-99, 99), _WORDS), max_size=3)


@settings(max_examples=60, deadline=None)
@given(
    said=_WORDS | st.none(),
    thought=_WORDS | st.none(),
    calls=st.dictionaries(_WORDS, _ARGUMENTS, max_size=3),
)
def test_what_a_model_said_goes_back_to_it_as_it_was(
    said: str | None, thought: str | None, calls: dict[str, Any]
) -> None:
    content = [{"type": "thinking", "thinking": thought}] if thought else []
    if said or not calls:
        content.append({"type": "text", "text": said or "x"})
    tool_calls = [
        {
            "id": call_id,
            "type": "function",
            "function": {"name": "f", "arguments": orjson.dumps(arguments).decode()},
        }
        for call_id, arguments in calls.items()
    ]
    message: dict[str, Any] = {"role": "assistant"}
    if content:
        message["content"] = content
    if tool_calls:
        message["tool_calls"] = tool_calls
    body = orjson.dumps({"message": message, "finish_reason": "COMPLETE", "usage": {}})
    answered = ask(REASONING).parse_response(body)["choices"][0]["message"]
    asked = [{"role": "user", "content": "hi"}, answered]
    back = sent(REASONING, messages=asked)["messages"][1]
    if isinstance(back.get("content"), str):
        back["content"] = [{"type": "text", "text": back["content"]}]
    assert back == message
