"""Every recorded answer of Anthropic's, whole and as a stream cut anywhere."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chunks import gather
from gateway.errors import UpstreamError
from gateway.providers.anthropic import Anthropic
from gateway.providers.anthropic.answer import build_answer
from gateway.providers.anthropic.chat import AnthropicChat
from gateway.providers.anthropic.tools import ToolPlan
from tests.cutting import cuts, iter_cuts
from tests.providers.answers import deltas, finish_reason, text
from tests.providers.anthropic.asking import check_chunks, check_completion, read_pieces, target
from tests.recordings import load, names

STREAMS = names("anthropic", "stream-")
WHOLES = names("anthropic", "whole-")
CALL = AnthropicChat((), (), build_answer(target(), ToolPlan()), streamed=True)

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "content_filter",
    "pause_turn": "stop",
}


def events_of(name: str) -> list[Any]:
    lines = load("anthropic", name).body.split(b"\n")
    return [orjson.loads(line[5:]) for line in lines if line.startswith(b"data:")]


def told(name: str, kind: str, member: str) -> str:
    """Return what a recording tells in deltas of one kind, by looking at nothing else."""
    return "".join(
        event["delta"][member]
        for event in events_of(name)
        if event["type"] == "content_block_delta" and event["delta"]["type"] == kind
    )


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_what_was_recorded(name: str) -> None:
    chunks = read_pieces(load("anthropic", name).pieces, CALL)
    check_chunks(chunks)
    assert text(chunks) == told(name, "text_delta", "text")
    assert text(chunks, "reasoning_content") == told(name, "thinking_delta", "thinking")
    (stop,) = [e["delta"] for e in events_of(name) if e["type"] == "message_delta"]
    assert finish_reason(chunks) == FINISH_REASONS[stop["stop_reason"]]
    assert [delta["role"] for delta in deltas(chunks) if "role" in delta] == ["assistant"]
    assert {(c["id"], c["model"]) for c in chunks} == {(CALL.answer.head.id, "my-model")}


@pytest.mark.parametrize("name", STREAMS)
def test_the_usage_of_a_stream_is_the_last_that_was_told(name: str) -> None:
    *_, last = read_pieces(load("anthropic", name).pieces, CALL)
    assert last["choices"] == []
    begun = events_of(name)[0]["message"]["usage"]
    (ended,) = [e["usage"] for e in events_of(name) if e["type"] == "message_delta"]
    counts = {**begun, **ended}
    inputs = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    usage: Any = last["usage"]
    assert usage["prompt_tokens"] == sum(counts.get(each) or 0 for each in inputs)
    assert usage["completion_tokens"] == ended["output_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == counts["cache_read_input_tokens"]


@pytest.mark.parametrize("name", STREAMS)
def test_the_calls_of_a_stream_are_the_recorded_ones(name: str) -> None:
    recorded = [
        event["content_block"]["name"]
        for event in events_of(name)
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use"
    ]
    completion = gather(iter([read_pieces(load("anthropic", name).pieces, CALL)]))
    calls = completion["choices"][0]["message"].get("tool_calls", [])
    assert [call["function"]["name"] for call in calls] == recorded
    for call in calls:
        assert isinstance(orjson.loads(call["function"]["arguments"]), dict)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_at_every_byte_gives_the_same_chunks(name: str) -> None:
    body = load("anthropic", name).body
    expected = read_pieces([body], CALL)
    for pieces in iter_cuts(body, most=700):
        assert read_pieces(pieces, CALL) == expected


@settings(max_examples=60)
@given(st.data())
def test_a_stream_cut_anywhere_gives_the_same_chunks(data: st.DataObject) -> None:
    body = load("anthropic", data.draw(st.sampled_from(STREAMS))).body
    assert read_pieces(data.draw(cuts(body)), CALL) == read_pieces([body], CALL)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_breaks_off_is_an_error(name: str) -> None:
    body = load("anthropic", name).body
    for end in range(0, body.rindex(b"event: message_stop"), 97):
        with pytest.raises(UpstreamError):
            read_pieces([body[:end]], CALL)


@pytest.mark.parametrize("name", WHOLES)
def test_a_whole_answer_says_what_was_recorded(name: str) -> None:
    recording = load("anthropic", name)
    message = orjson.loads(recording.body)
    completion = CALL.parse_response(recording.body)
    check_completion(completion)
    (choice,) = completion["choices"]
    blocks = message["content"]
    shown = "".join(block["text"] for block in blocks if block["type"] == "text")
    assert (choice["message"]["content"] or "") == shown
    calls = choice["message"].get("tool_calls", [])
    assert [
        (call["function"]["name"], orjson.loads(call["function"]["arguments"])) for call in calls
    ] == [(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    assert choice["finish_reason"] == FINISH_REASONS[message["stop_reason"]]
    assert completion["usage"]["completion_tokens"] == message["usage"]["output_tokens"]
    assert completion["model"] == "my-model"


@pytest.mark.parametrize("name", [*STREAMS, *WHOLES])
def test_what_anthropics_own_tools_did_is_no_call_and_goes_back_as_it_was(name: str) -> None:
    recording = load("anthropic", name)
    if name in STREAMS:
        (*_, last) = deltas(read_pieces(recording.pieces, CALL))
    else:
        last = CALL.parse_response(recording.body)["choices"][0]["message"]
    if "servertool" not in name:
        assert "content_blocks" not in last
        return
    kinds = [block["type"] for block in last["content_blocks"]]
    assert any(kind.endswith("_tool_result") for kind in kinds)
    request = {
        "model": "my-model",
        "messages": [
            {"role": "user", "content": "go on"},
            {"role": "assistant", "content": "", **last},
        ],
    }
    call = Anthropic().build_chat(request, target("claude-haiku-4-5"), None)
    body = orjson.loads(call.requests[0].body or b"")
    assert body["messages"][-1]["content"] == last["content_blocks"]
    if name in WHOLES:
        assert last["content_blocks"] == orjson.loads(recording.body)["content"]
