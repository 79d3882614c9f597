"""Streams in which texts, thoughts and several calls come mixed: every API tells the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chunks import gather
from gateway.dialects import messages, responses
from gateway.dialects.ollama import chat
from tests.dialects.messages.test_answers import put_together
from tests.dialects.messages.test_answers import read_events as read_messages
from tests.dialects.responses.test_events import read_events as read_responses

Said = dict[str, Any]


def chunk(delta: dict[str, Any], reason: str | None = None) -> Any:
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    head = {"id": "x", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    return {**head, "choices": choices}


@st.composite
def mixed_streams(draw: st.DrawFn) -> list[Any]:
    """Draw a stream of up to three calls, whose pieces keep their own order and no other."""
    queues: list[list[dict[str, Any]]] = []
    for index in range(draw(st.integers(0, 3))):
        arguments = draw(st.sampled_from(["", "{}", '{"a": 1}', '{"b": {"c": [2]}}']))
        cut = draw(st.integers(0, len(arguments)))
        function = {"name": f"f{index}", "arguments": arguments[:cut]}
        begin = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
        more = {"index": index, "function": {"arguments": arguments[cut:]}}
        queues.append([{"tool_calls": [begin]}, {"tool_calls": [more]}])
    for name in ("content", "reasoning_content"):
        texts = draw(st.lists(st.sampled_from(["a", "b ", "\n"]), max_size=3))
        queues.append([{name: text} for text in texts])
    deltas: list[dict[str, Any]] = []
    begun = 0
    while any(queues):
        # Calls begin in the order of their numbers.
        ready = [
            number
            for number, queue in enumerate(queues)
            if queue and (number >= len(queues) - 2 or len(queue) == 1 or number == begun)
        ]
        number = draw(st.sampled_from(ready))
        begun += number == begun and len(queues[number]) == 2 and number < len(queues) - 2
        deltas.append(queues[number].pop(0))
    has_calls = len(queues) > 2
    return [
        [chunk({"role": "assistant", "content": ""})],
        *([chunk(delta)] for delta in deltas),
        [chunk({}, "tool_calls" if has_calls else "stop")],
    ]


def expected(stream: list[Any]) -> Said:
    message = gather(iter(stream))["choices"][0]["message"]
    return {
        "text": message["content"] or "",
        "thought": message.get("reasoning_content", ""),
        "calls": [
            (each["function"]["name"], json.loads(each["function"]["arguments"] or "{}"))
            for each in message.get("tool_calls", ())
        ],
    }


def told_by_messages(stream: list[Any]) -> Said:
    frames = list(messages.iter_frames(iter(stream), {"model": "m"}))
    blocks = put_together(read_messages(frames))
    return {
        "text": "".join(block["text"] for block in blocks if block["type"] == "text"),
        "thought": "".join(each["thinking"] for each in blocks if each["type"] == "thinking"),
        "calls": [
            (block["name"], json.loads(block["json"] or "{}"))
            for block in blocks
            if block["type"] == "tool_use"
        ],
    }


def told_by_responses(stream: list[Any]) -> Said:
    frames = list(responses.iter_frames(iter(stream), {"model": "m", "input": "hi"}))
    output = read_responses(frames)[-1]["response"]["output"]
    parts = [part for item in output for part in item.get("content") or ()]
    thoughts = [part for item in output for part in item.get("summary") or ()]
    return {
        "text": "".join(part["text"] for part in parts if part["type"] == "output_text"),
        "thought": "".join(part["text"] for part in (*thoughts, *parts) if part not in parts)
        or "".join(part["text"] for part in parts if part["type"] == "reasoning_text"),
        "calls": [
            (item["name"], json.loads(item["arguments"] or "{}"))
            for item in output
            if item["type"] == "function_call"
        ],
    }


def told_by_ollama(stream: list[Any]) -> Said:
    frames = b"".join(chat.iter_frames(iter(stream), {"model": "m"}))
    said = [json.loads(line)["message"] for line in frames.splitlines()]
    return {
        "text": "".join(message["content"] for message in said),
        "thought": "".join(message.get("thinking", "") for message in said),
        "calls": [
            (call["function"]["name"], call["function"]["arguments"])
            for message in said
            for call in message.get("tool_calls", ())
        ],
    }


@given(mixed_streams())
@settings(max_examples=120, deadline=None)
def test_anthropics_events_say_all_that_was_said(stream: list[Any]) -> None:
    assert told_by_messages(stream) == expected(stream)


@given(mixed_streams())
@settings(max_examples=120, deadline=None)
def test_events_of_a_response_say_all_that_was_said(stream: list[Any]) -> None:
    assert told_by_responses(stream) == expected(stream)


@given(mixed_streams())
@settings(max_examples=120, deadline=None)
def test_ollamas_lines_say_all_that_was_said(stream: list[Any]) -> None:
    assert told_by_ollama(stream) == expected(stream)


def test_a_control_character_in_arguments_does_not_lose_the_answer() -> None:
    function = {"name": "f", "arguments": '{"a":"1\n2"}'}
    call = {"index": 0, "id": "call_0", "type": "function", "function": function}
    stream = [[chunk({"role": "assistant", "tool_calls": [call]}), chunk({}, "tool_calls")]]
    assert told_by_ollama(stream)["calls"] == [("f", {"a": "1\n2"})]
