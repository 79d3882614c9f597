"""Reasoning: effort in, thinking out, and thinking that comes back for the next turn."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from gateway.chunks import gather
from gateway.providers.anthropic.earlier_thinking import BINDING_CONTROLS
from gateway.providers.anthropic.thinking import build_call_id, parse_call_id
from tests.providers.answers import deltas, text
from tests.providers.anthropic.asking import (
    NEW,
    OLD,
    ask,
    block,
    dropped,
    end,
    read,
    read_whole,
    refusal,
    sent,
    start,
    text_block,
    tool_block,
)
from tests.providers.tools import TIME

ADAPTIVE = {"type": "adaptive", "display": "summarized"}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "sig=="}
HIDDEN = {"type": "redacted_thinking", "data": "opaque"}
USER = {"role": "user", "content": "what time is it?"}


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "level"),
    [
        (NEW, "minimal", ADAPTIVE, "low"),
        (NEW, "xhigh", ADAPTIVE, "xhigh"),
        (NEW, "max", ADAPTIVE, "max"),
        (NEW, "none", {"type": "disabled"}, None),
        ("claude-sonnet-4-6", "medium", ADAPTIVE, "medium"),
        ("claude-sonnet-4-6", "xhigh", ADAPTIVE, "max"),
        ("claude-opus-4-7", "none", None, None),
        ("claude-opus-4-5", "max", {"type": "enabled", "budget_tokens": 16384}, "high"),
        ("claude-haiku-4-5", "low", {"type": "enabled", "budget_tokens": 1024}, None),
        (OLD, "high", {"type": "enabled", "budget_tokens": 4096}, None),
        ("claude-3-7-sonnet-latest", "medium", {"type": "enabled", "budget_tokens": 2048}, None),
        ("claude-3-haiku-20240307", "none", None, None),
        ("kimi-k2", "low", {"type": "enabled", "budget_tokens": 1024}, None),
    ],
)
def test_effort_by_model(model: str, effort: str, thinking: Any, level: str | None) -> None:
    body = sent(model, reasoning_effort=effort)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == level
    assert dropped(model, reasoning_effort=effort) == []


def test_a_model_that_always_thinks_says_that_it_does() -> None:
    assert "thinking" not in sent("claude-fable-5", reasoning_effort="none")
    assert dropped("claude-fable-5", reasoning_effort="none") == ["reasoning_effort"]


def test_a_model_that_cannot_think_refuses() -> None:
    assert refusal("claude-3-haiku-20240307", reasoning_effort="low").param == "reasoning_effort"


def test_a_budget_fits_into_the_answers_limit() -> None:
    body = sent(OLD, reasoning_effort="max", max_tokens=3000)
    assert body["thinking"]["budget_tokens"] == 2999
    assert "thinking" not in sent(OLD, reasoning_effort="low", max_tokens=1024)
    assert dropped(OLD, reasoning_effort="low", max_tokens=1024) == ["reasoning_effort"]


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"reasoning": {"effort": "low"}}, ADAPTIVE),
        ({"think": True}, ADAPTIVE),
        ({"think": False}, {"type": "disabled"}),
        ({"think": "low"}, ADAPTIVE),
        ({"thinking": {"type": "between_tools"}}, {"type": "between_tools"}),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "low"}, {"type": "disabled"}),
    ],
)
def test_other_ways_to_ask(fields: Any, thinking: Any) -> None:
    assert sent(**fields)["thinking"] == thinking


def test_what_else_is_asked_of_reasoning_is_told_as_dropped() -> None:
    assert dropped(reasoning={"effort": "low", "summary": "auto"}) == ["reasoning.summary"]
    assert refusal(reasoning={"effort": "some"}).param == "reasoning.effort"
    assert refusal(think=5).param == "think"


def test_a_forced_tool_goes_before_a_budget() -> None:
    fields = {"reasoning_effort": "high", "tools": [TIME], "tool_choice": "required"}
    assert "thinking" not in sent(OLD, **fields)
    assert dropped(OLD, **fields) == ["reasoning_effort"]
    assert sent(NEW, **fields)["thinking"] == ADAPTIVE


def thinking_stream() -> bytes:
    return b"".join(
        [
            start(),
            block(
                0,
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "H"},
                {"type": "thinking_delta", "thinking": "m."},
                {"type": "signature_delta", "signature": "sig=="},
            ),
            block(1, HIDDEN),
            text_block(2, "Let me look."),
            tool_block(3, "get_time", ""),
            end("tool_use"),
        ]
    )


def streamed_message() -> dict[str, Any]:
    chunks = read(thinking_stream(), call=ask(stream=True))
    message: dict[str, Any] = gather(iter([chunks]))["choices"][0]["message"]
    return message


def whole_message() -> dict[str, Any]:
    content = [
        THOUGHT,
        HIDDEN,
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "toolu_1", "name": "get_time", "input": {}},
    ]
    message: dict[str, Any] = read_whole(content=content, stop_reason="tool_use")["message"]
    return message


MESSAGES = pytest.mark.parametrize("build", [streamed_message, whole_message])


def next_turn(message: dict[str, Any]) -> list[dict[str, Any]]:
    (call,) = message["tool_calls"]
    return [USER, message, {"role": "tool", "tool_call_id": call["id"], "content": "noon"}]


EXPECTED = [
    THOUGHT,
    HIDDEN,
    {"type": "text", "text": "Let me look."},
    {"type": "tool_use", "id": "toolu_1", "name": "get_time", "input": {}},
]


@MESSAGES
def test_thinking_is_told_and_comes_back_as_it_was(build: Any) -> None:
    message = build()
    assert message["reasoning_content"] == "Hm."
    _, assistant, result = sent(messages=next_turn(message))["messages"]
    assert assistant["content"] == EXPECTED
    assert result["content"][0]["tool_use_id"] == "toolu_1"


@MESSAGES
def test_thinking_survives_a_client_that_knows_openais_fields_only(build: Any) -> None:
    message = build()
    kept = {name: message[name] for name in ("role", "content", "tool_calls")}
    _, assistant, _ = sent(messages=next_turn(kept))["messages"]
    assert assistant["content"] == EXPECTED
    assert dropped(messages=next_turn(kept)) == []


@MESSAGES
def test_thinking_of_another_model_is_left_out(build: Any) -> None:
    _, assistant, result = sent("claude-sonnet-5", messages=next_turn(build()))["messages"]
    assert assistant["content"] == EXPECTED[2:]
    assert result["content"][0]["tool_use_id"] == "toolu_1"


def test_thinking_between_calls_keeps_its_place() -> None:
    content = [
        THOUGHT,
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {**THOUGHT, "thinking": "And?"},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
    ]
    message = read_whole(content=content, stop_reason="tool_use")["message"]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": "1"}
        for call in message["tool_calls"]
    ]
    _, assistant, _ = sent(messages=[USER, message, *results])["messages"]
    assert assistant["content"] == content


def test_thinking_that_is_too_long_for_an_id_is_in_its_field_alone() -> None:
    long = {**THOUGHT, "signature": random.Random(1).randbytes(20_000).hex()}
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    message = read_whole(content=[long, call], stop_reason="tool_use")["message"]
    assert message["tool_calls"][0]["id"] == "toolu_1"
    _, assistant, _ = sent(messages=next_turn(message))["messages"]
    assert assistant["content"] == [long, call]


def test_a_budgeted_turn_whose_thinking_is_lost_goes_on_without() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "get_time", "arguments": ""}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    fields = {"messages": next_turn(message), "reasoning_effort": "low"}
    assert "thinking" not in sent(OLD, **fields)
    assert dropped(OLD, **fields) == ["reasoning_effort"]
    assert "thinking" in sent(NEW, **fields)


def test_a_model_that_is_not_to_think_gets_no_thinking() -> None:
    message = {"role": "assistant", "content": "Noon.", "thinking_blocks": [THOUGHT]}
    messages = [USER, message, USER]
    for model, effort in ((OLD, None), (NEW, "none")):
        body = sent(model, messages=messages, reasoning_effort=effort)
        assert [each["type"] for each in body["messages"][1]["content"]] == ["text"]
    assert sent(NEW, messages=messages)["messages"][1]["content"][0] == THOUGHT


def test_thinking_that_is_bound_to_its_conversation_may_be_passed_over() -> None:
    message = {"role": "assistant", "content": "Noon.", "thinking_blocks": [THOUGHT]}
    call = ask("claude-fable-5-1", messages=[USER, message, USER])
    body = orjson.loads(call.requests[0].body or b"")
    assert body["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
    assert call.requests[0].headers == {"anthropic-beta": BINDING_CONTROLS}
    assert ask("claude-fable-5-1").requests[0].headers == {}


@pytest.mark.parametrize(
    "blocks", ["text", [5], [{"type": "thinking", "thinking": "unsigned"}], [{"type": "text"}]]
)
def test_blocks_that_are_no_signed_thinking_are_left_out(blocks: Any) -> None:
    message = {"role": "assistant", "content": "Noon.", "thinking_blocks": blocks}
    _, assistant, _ = sent(messages=[USER, message, USER])["messages"]
    assert assistant["content"] == [{"type": "text", "text": "Noon."}]


@pytest.mark.parametrize(
    "carried", ["a~", "a~####", "a~AAAA", "a~" + "x" * 50, build_call_id("a", [THOUGHT])[:-4]]
)
def test_an_id_that_was_cut_or_is_somebody_elses_is_still_an_id(carried: str) -> None:
    found = parse_call_id(carried, NEW)
    assert found.blocks == []
    assert found == parse_call_id(carried, NEW)
    assert found.id.replace("_", "").isalnum()


def test_omitted_thinking_is_kept_though_it_says_nothing() -> None:
    omitted = {"type": "thinking", "thinking": "", "signature": "sig=="}
    choice = read_whole(content=[omitted, {"type": "text", "text": "Noon."}])
    assert "reasoning_content" not in choice["message"]
    assert choice["message"]["thinking_blocks"] == [{**omitted, "model": NEW}]
    chunks = read(start(), block(0, omitted), text_block(1, "Noon."), end())
    assert text(chunks, "reasoning_content") == ""
    (blocks,) = [d["thinking_blocks"] for d in deltas(chunks) if "thinking_blocks" in d]
    assert blocks == choice["message"]["thinking_blocks"]
