"""A conversation as items of OpenAI's Responses API, and back: nothing gets lost."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import responses
from gateway.providers.openai.responses_request import build_body

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
IMAGE = st.builds(
    lambda detail: {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": detail}},
    st.sampled_from(["auto", "low", "high"]),
)
PART = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    IMAGE,
    st.builds(lambda data: {"type": "file", "file": {"file_data": data, "filename": "f"}}, TEXT),
)
SAID = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["user", "system", "developer"]),
    st.one_of(TEXT, st.lists(PART, min_size=2, max_size=4)),
)
CALL = st.one_of(
    st.builds(
        lambda name, text: {"type": "function", "function": {"name": name, "arguments": text}},
        TEXT,
        st.text(st.characters(exclude_categories=["Cs"])),
    ),
    st.builds(
        lambda name, text: {"type": "custom", "custom": {"name": name, "input": text}}, TEXT, TEXT
    ),
)


TOOLS = [
    {"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}},
    {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}},
]


@st.composite
def turns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw what somebody says, and what an assistant answers and calls, with the results."""
    messages = [draw(SAID)]
    calls = draw(st.lists(CALL, max_size=3))
    content = draw(TEXT) if not calls else draw(st.one_of(st.none(), TEXT))
    answer: dict[str, Any] = {"role": "assistant", "content": content}
    named = [{"id": f"call_{at}", **call} for at, call in enumerate(calls)]
    if named:
        answer["tool_calls"] = named
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": draw(TEXT)} for call in named
    ]
    return [*messages, answer, *results]


@given(st.lists(turns(), min_size=1, max_size=3))
def test_a_conversation_comes_back_as_it_was(conversation: list[list[dict[str, Any]]]) -> None:
    messages = [message for turn in conversation for message in turn]
    body, dropped = build_body({"model": "m", "messages": messages}, "gpt-6")
    assert dropped == ()
    back = responses.parse_request(json.dumps(body).encode(), {})
    assert back["messages"] == messages
    assert (back.untranslated, back.native_only) == ((), ())


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "max_completion_tokens": st.integers(1, 99),
            "temperature": st.sampled_from([0, 0.5, 1]),
            "reasoning_effort": st.sampled_from(["none", "low", "high"]),
            "verbosity": st.sampled_from(["low", "high"]),
            "response_format": st.sampled_from(
                [
                    {"type": "json_object"},
                    {"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": 1}}},
                ]
            ),
            "tools": st.just(TOOLS),
            "logprobs": st.just(True),
            "user": TEXT,
        },
    ),
    st.sampled_from(["auto", "required", {"type": "function", "function": {"name": "f"}}]),
)
def test_parameters_come_back_as_they_were(parameters: dict[str, Any], choice: Any) -> None:
    request = {"messages": [{"role": "user", "content": "hi"}], **parameters}
    if "tools" in parameters:
        request["tool_choice"] = choice
    body, _ = build_body(request, "gpt-6")
    back = responses.parse_request(json.dumps(body).encode(), {})
    assert dict(back) == {"model": "gpt-6", **request}
