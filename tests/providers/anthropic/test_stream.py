"""Streams that no recording has: odd order, odd blocks, errors and cuts."""

from __future__ import annotations

import logging
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chunks import gather
from gateway.errors import GatewayError, ServiceUnavailableError, UpstreamError
from tests.providers.answers import deltas, finish_reason, text
from tests.providers.anthropic.asking import (
    ask,
    block,
    check_chunks,
    end,
    event,
    read,
    read_pieces,
    read_until_error,
    read_whole,
    start,
    text_block,
    tool_block,
)
from tests.providers.tools import TIME

CALL = ask(stream=True)


def test_a_message_without_blocks_is_an_empty_answer() -> None:
    chunks = read(start(), end())
    check_chunks(chunks)
    assert [delta for delta in deltas(chunks) if delta] == [{"role": "assistant", "content": ""}]
    assert finish_reason(chunks) == "stop"
    assert read_whole()["message"]["content"] == ""


def test_calls_are_numbered_by_themselves() -> None:
    chunks = read(
        start(),
        text_block(0, "Two."),
        tool_block(1, "f", "", '{"a":', "1}", call_id="a"),
        tool_block(2, "g", "", call_id="b"),
        end("tool_use"),
    )
    check_chunks(chunks)
    (choice,) = gather(iter([chunks]))["choices"]
    assert choice["message"]["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert choice["finish_reason"] == "tool_calls"
    calls = [call for delta in deltas(chunks) for call in delta.get("tool_calls", ())]
    assert [call["index"] for call in calls if "id" in call] == [0, 1]


def test_a_call_whose_input_came_at_once_has_it() -> None:
    content = {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}
    (choice,) = gather(iter([read(start(), block(0, content), end("tool_use"))]))["choices"]
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"x":1}'


def test_calls_in_the_older_form() -> None:
    call = ask(functions=[TIME["function"]], stream=True)
    chunks = read(start(), tool_block(0, "get_time", "", "{}"), end("tool_use"), call=call)
    (choice,) = gather(iter([chunks]))["choices"]
    assert choice["message"]["function_call"] == {"name": "get_time", "arguments": "{}"}
    assert choice["finish_reason"] == "function_call"
    content = [{"type": "tool_use", "id": "a", "name": "get_time", "input": {}}]
    choice = read_whole(call, content=content, stop_reason="tool_use")
    assert choice["message"]["function_call"] == {"name": "get_time", "arguments": "{}"}


@pytest.mark.parametrize(
    ("stop_reason", "finish", "native"),
    [
        ("end_turn", "stop", None),
        ("stop_sequence", "stop", None),
        ("max_tokens", "length", None),
        ("model_context_window_exceeded", "length", None),
        ("refusal", "content_filter", None),
        ("pause_turn", "stop", "pause_turn"),
        ("some_new_reason", "stop", "some_new_reason"),
        (None, "stop", None),
    ],
)
def test_how_an_answer_ends(stop_reason: Any, finish: str, native: str | None) -> None:
    chunks = read(start(), text_block(0, "a"), end(stop_reason))
    choice: Any = chunks[-2]["choices"][0]
    assert (choice["finish_reason"], choice.get("native_finish_reason")) == (finish, native)
    choice = read_whole(content=[{"type": "text", "text": "a"}], stop_reason=stop_reason)
    assert (choice["finish_reason"], choice.get("native_finish_reason")) == (finish, native)


def test_a_reason_that_is_not_known_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            read(start(), end("never_heard_of"))
    assert [record.message.count("never_heard_of") for record in caplog.records] == [1]


def test_a_refusal_says_why() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "Not this."}
    chunks = read(start(), end("refusal", stop_details=details))
    assert finish_reason(chunks) == "content_filter"
    assert text(chunks, "refusal") == "Not this."
    choice = read_whole(stop_reason="refusal", stop_details=details)
    assert choice["message"]["refusal"] == "Not this."


def test_counts_that_come_late_replace_those_before() -> None:
    late = event(
        "message_delta",
        delta={"stop_reason": "end_turn"},
        usage={
            "input_tokens": 9,
            "cache_read_input_tokens": 20,
            "cache_creation_input_tokens": None,
            "output_tokens": 30,
            "output_tokens_details": {"thinking_tokens": 12},
        },
    )
    begun = start(cache_creation_input_tokens=100, input_tokens=1)
    *_, last = read(begun, late, event("message_stop"))
    assert last["usage"] == {
        "prompt_tokens": 129,
        "completion_tokens": 30,
        "total_tokens": 159,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }


def test_what_is_not_known_is_passed_over_and_kept() -> None:
    chunks = read(
        start(),
        event("ping"),
        event("some_new_event", x=1),
        b": a comment\n\n",
        block(0, {"type": "some_new_block", "x": 1}, {"type": "some_new_delta", "y": 2}),
        text_block(1, "a"),
        end(),
    )
    assert text(chunks) == "a"
    (kept,) = [d["content_blocks"] for d in deltas(chunks) if "content_blocks" in d]
    assert kept == [{"type": "some_new_block", "x": 1}, {"type": "text", "text": "a"}]


def test_other_framings_say_the_same() -> None:
    plain = start() + text_block(0, "a", "b") + end()
    expected = read_pieces([plain], CALL)
    without_names = b"".join(
        b"data: %b\n\n" % part.split(b"data: ")[1].strip() for part in plain.split(b"\n\n") if part
    )
    for body in (plain.replace(b"\n", b"\r\n"), without_names, plain.rstrip()):
        assert read_pieces([body], CALL) == expected


def test_an_error_in_the_stream_ends_it_without_a_reason() -> None:
    body = start() + event(
        "content_block_start", index=0, content_block={"type": "text", "text": ""}
    )
    body += event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Once"})
    error = {"type": "overloaded_error", "message": "Overloaded"}
    chunks, raised = read_until_error(body + event("error", error=error))
    assert text(chunks) == "Once"
    assert isinstance(raised, ServiceUnavailableError)
    assert not any(choice["finish_reason"] for chunk in chunks for choice in chunk["choices"])


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {broken\n\n",
        b"data: [1]\n\n",
        event("content_block_delta", index=7, delta={"type": "text_delta", "text": "a"}),
        event("content_block_delta", index=0),
        event("content_block_start", index=0, content_block=None),
        tool_block(0, ""),
        b'{"type": "message", "content": []}',
        b"<html>",
        b"",
    ],
)
def test_garbage_is_an_error_and_no_answer(garbage: bytes) -> None:
    chunks, error = read_until_error(start() + garbage)
    assert isinstance(error, UpstreamError)
    assert text(chunks) == ""


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"content": [1]}'])
def test_a_whole_body_that_is_no_message_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        CALL.parse_response(body)


def test_an_error_in_place_of_a_message() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(ServiceUnavailableError):
        CALL.parse_response(orjson.dumps(error))


PARTS = st.sampled_from(
    [
        start(),
        text_block(0, "a"),
        tool_block(1, "f", "{}"),
        event("content_block_stop", index=1),
        event("content_block_start", index=2, content_block={"type": "thinking"}),
        event("content_block_delta", index=2, delta={"type": "thinking_delta", "thinking": 5}),
        event("message_delta", delta=None, usage=[]),
        event("message_stop"),
        event("error"),
        b"data: null\n\n",
        b"event: content_block_delta\ndata: {}\n\n",
    ]
)


@given(st.lists(PARTS, max_size=8))
def test_events_in_any_order_are_an_answer_or_an_error(parts: list[bytes]) -> None:
    try:
        check_chunks(read(*parts, call=CALL))
    except GatewayError:
        return


def test_each_choice_has_its_own_number() -> None:
    call = ask(n=2)
    chunks = read_pieces([start() + text_block(0, "a") + end()], call, index=1)
    assert {choice["index"] for chunk in chunks for choice in chunk["choices"]} == {1}


@pytest.mark.parametrize("stop_reason", ["end_turn", "stop_sequence", None, "some_new_reason"])
def test_an_answer_that_calls_ends_with_its_calls(stop_reason: Any) -> None:
    chunks = read(start(), tool_block(0, "f", "{}"), end(stop_reason))
    assert finish_reason(chunks) == "tool_calls"
    content = [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]
    assert read_whole(content=content, stop_reason=stop_reason)["finish_reason"] == "tool_calls"


def test_a_call_that_names_no_input_has_an_empty_object() -> None:
    content = {"type": "tool_use", "id": "a", "name": "f"}
    (choice,) = gather(iter([read(start(), block(0, content), end("tool_use"))]))["choices"]
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_what_was_compacted_goes_back_whole() -> None:
    piece = {"type": "compaction_delta", "content": "In short.", "encrypted_content": "x"}
    begun = block(0, {"type": "compaction", "content": None}, piece)
    chunks = read(start(), begun, text_block(1, "a"), end())
    (compacted, _) = deltas(chunks)[-1]["content_blocks"]
    assert compacted == {"type": "compaction", "content": "In short.", "encrypted_content": "x"}


def test_an_error_without_a_type_is_one() -> None:
    error = {"type": "overloaded_error", "message": "Overloaded."}
    body = start() + text_block(0, "a") + b"data: " + orjson.dumps({"error": error}) + b"\n\n"
    chunks, told = read_until_error(body)
    assert text(chunks) == "a"
    assert isinstance(told, ServiceUnavailableError)
