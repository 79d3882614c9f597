"""A conversation through Anthropic's form and back: nothing that it can say is lost.

The way back is the dialect that Anthropic's own clients speak to the gateway.
"""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import messages as dialect
from tests.providers.anthropic.asking import NEW, PIXEL, sent

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1).filter(
    lambda text: bool(text.strip())
)
ID = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
JSON = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
LINK = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
PDF = {
    "type": "file",
    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="},
}
PART = st.builds(lambda text: {"type": "text", "text": text}, TEXT) | st.sampled_from(
    [IMAGE, LINK, PDF]
)
THINKING = st.lists(
    st.builds(
        lambda text, signature: {"type": "thinking", "thinking": text, "signature": signature},
        st.text(max_size=20),
        TEXT,
    )
    | st.builds(lambda data: {"type": "redacted_thinking", "data": data}, TEXT),
    max_size=2,
)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a conversation: turns of a user and an assistant, who may call tools in between."""
    built: list[dict[str, Any]] = []
    used: set[str] = set()
    for text in draw(st.lists(TEXT, max_size=1)):
        built.append({"role": "system", "content": text})
    for _ in range(draw(st.integers(1, 3))):
        built.append({"role": "user", "content": draw(st.lists(PART, min_size=2, max_size=3))})
        ids = draw(st.lists(ID.filter(lambda each: each not in used), max_size=2, unique=True))
        used.update(ids)
        if ids:
            built.append(_call(draw, ids))
            for call_id in ids:
                built.append({"role": "tool", "tool_call_id": call_id, "content": draw(TEXT)})
        built.append({"role": "assistant", "content": draw(TEXT)})
    built.append({"role": "user", "content": draw(TEXT)})
    return built


def _call(draw: st.DrawFn, ids: list[str]) -> dict[str, Any]:
    calls = []
    for call_id in ids:
        arguments = orjson.dumps(draw(st.dictionaries(TEXT, JSON, max_size=3))).decode()
        function = {"name": draw(ID), "arguments": arguments}
        calls.append({"id": call_id, "type": "function", "function": function})
    message: dict[str, Any] = {
        "role": "assistant",
        "content": draw(st.none() | TEXT),
        "tool_calls": calls,
    }
    thinking = draw(THINKING)
    if thinking:
        message["thinking_blocks"] = thinking
        text = "".join(block.get("thinking", "") for block in thinking)
        if text:
            message["reasoning_content"] = text
    return message


@given(conversations())
def test_a_conversation_comes_back_as_it_was(conversation: list[dict[str, Any]]) -> None:
    body = sent(NEW, messages=conversation)
    assert dialect.parse_request(orjson.dumps(body), {})["messages"] == conversation


TOOL: st.SearchStrategy[Any] = st.builds(
    lambda name, description, properties: {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": properties},
        },
    },
    ID,
    TEXT,
    st.dictionaries(TEXT, st.just({"type": "string"}), max_size=3),
)


@given(
    st.lists(TOOL, min_size=1, max_size=3, unique_by=lambda tool: tool["function"]["name"]),
    st.sampled_from(["auto", "none", "required"]),
    st.integers(1, 1000),
    st.lists(TEXT, min_size=1, max_size=4),
)
def test_what_else_is_asked_comes_back_as_it_was(
    tools: list[Any], choice: str, max_tokens: int, stop: list[str]
) -> None:
    asked: dict[str, Any] = {
        "tools": tools,
        "tool_choice": choice,
        "max_tokens": max_tokens,
        "stop": stop,
        "user": "u-1",
        "stream": True,
    }
    found = dialect.parse_request(orjson.dumps(sent(NEW, **asked)), {})
    assert {name: found[name] for name in asked} == asked
