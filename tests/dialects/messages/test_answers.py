"""Canonical answers as Anthropic's messages and events, checked against its SDK's types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from gateway.chunks import gather
from gateway.dialects import messages
from gateway.errors import GatewayError, InvalidRequestError, RateLimitError, UpstreamError
from tests.dialects.chunks import call, chunk

EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 5,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 2},
}


ANSWER = [
    [chunk({"role": "assistant", "content": ""})],
    [chunk({"reasoning_content": "hm"})],
    [],
    [chunk({"content": "ü"}), chunk({"content": "!"})],
    [chunk(call(0, "", "f")), chunk(call(0, '{"a":'))],
    [chunk(call(0, "1}"))],
    [chunk(call(1, "{}", "g"))],
    [chunk({}, "tool_calls"), chunk(None, usage=USAGE)],
]


def frames(batches: Any) -> list[bytes]:
    return list(messages.iter_frames(iter(batches), {"model": "m"}))


def read_events(data: list[bytes]) -> list[Any]:
    """Return the events, each checked, with the name it is sent by."""
    events = []
    for text in b"".join(data).decode("ascii").split("\n\n")[:-1]:
        name, _, value = text.partition("\n")
        event = json.loads(value.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        if event["type"] not in ("error", "ping"):
            EVENTS.validate_python(event)
        events.append(event)
    return events


def put_together(events: list[Any]) -> list[dict[str, Any]]:
    """Return the blocks, checking that one is open at a time and they are numbered from 0."""
    blocks: list[dict[str, Any]] = []
    is_open = False
    for event in events:
        if event["type"] == "content_block_start":
            assert not is_open
            assert event["index"] == len(blocks)
            blocks.append({**event["content_block"], "json": ""})
            is_open = True
        elif event["type"] == "content_block_delta":
            assert is_open
            assert event["index"] == len(blocks) - 1
            delta = event["delta"]
            for name in ("text", "thinking", "signature"):
                if name in delta:
                    blocks[-1][name] += delta[name]
            blocks[-1]["json"] += delta.get("partial_json", "")
        elif event["type"] == "content_block_stop":
            is_open = False
    assert not is_open
    return blocks


def test_each_kind_of_content_is_a_block_of_the_stream() -> None:
    events = read_events(frames(ANSWER))
    assert events[0]["type"] == "message_start"
    thinking, text, one, two = put_together(events)
    assert (thinking["type"], thinking["thinking"]) == ("thinking", "hm")
    assert (text["type"], text["text"]) == ("text", "ü!")
    assert (one["name"], json.loads(one["json"]), one["id"]) == ("f", {"a": 1}, "call_0")
    assert (two["name"], json.loads(two["json"])) == ("g", {})
    delta, stop = events[-2:]
    assert delta["delta"]["stop_reason"] == "tool_use"
    assert delta["usage"]["input_tokens"] == 7
    assert delta["usage"]["cache_read_input_tokens"] == 2
    assert delta["usage"]["output_tokens"] == 5
    assert stop == {"type": "message_stop"}


def test_each_batch_leaves_at_once() -> None:
    sent = frames(ANSWER)
    assert sent[2] == b""
    assert sent[3].count(b"text_delta") == 2


def test_calls_that_come_mixed_are_told_one_after_the_other() -> None:
    batches = [
        [chunk(call(0, "", "f")), chunk(call(1, "", "g")), chunk(call(2, "{}", "h"))],
        [chunk(call(1, '{"b":2}')), chunk(call(0, '{"a":1')), chunk(call(0, "}"))],
        [chunk({}, "tool_calls")],
    ]
    blocks = put_together(read_events(frames(batches)))
    assert [(b["name"], json.loads(b["json"])) for b in blocks] == [
        ("f", {"a": 1}),
        ("g", {"b": 2}),
        ("h", {}),
    ]


def test_text_after_a_call_is_a_block_of_its_own() -> None:
    batches = [
        [chunk({"content": "a"}), chunk(call(0, "{}", "f")), chunk({"content": "b"})],
        [chunk({}, "tool_calls")],
    ]
    assert [b["type"] for b in put_together(read_events(frames(batches)))] == [
        "text",
        "tool_use",
        "text",
    ]


def test_an_answer_that_says_nothing_is_one_all_the_same() -> None:
    events = read_events(frames([[chunk({}, "stop")]]))
    assert [event["type"] for event in events] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]


def test_signatures_of_thinking_are_told() -> None:
    blocks = [{"type": "thinking", "thinking": "", "signature": "sig"}]
    hidden = [{"type": "redacted_thinking", "data": "xyz"}]
    batches = [
        [chunk({"reasoning_content": "hm"}), chunk({"thinking_blocks": blocks})],
        [chunk({"thinking_blocks": hidden}), chunk({"content": "a"}, "stop")],
    ]
    thinking, redacted, text = put_together(read_events(frames(batches)))
    assert (thinking["thinking"], thinking["signature"]) == ("hm", "sig")
    assert (redacted["type"], redacted["data"]) == ("redacted_thinking", "xyz")
    assert text["text"] == "a"


def test_a_whole_answer_says_what_the_stream_said() -> None:
    message = messages.encode_completion(gather(iter(ANSWER)), {"model": "m"})
    read = Message.model_validate(message, strict=True)
    assert [block.type for block in read.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert message["content"][2]["input"] == {"a": 1}
    assert read.stop_reason == "tool_use"
    assert (read.usage.input_tokens, read.usage.output_tokens) == (7, 5)


@pytest.mark.parametrize(
    ("reason", "told"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal")],
)
def test_a_finish_reason_is_told_as_a_stop_reason(reason: str, told: str) -> None:
    batches = [[chunk({"content": "a"}, reason)]]
    assert read_events(frames(batches))[-2]["delta"]["stop_reason"] == told
    whole = messages.encode_completion(gather(iter(batches)), {"model": "m"})
    assert whole["stop_reason"] == told


def test_a_failure_is_an_error_event_and_the_end() -> None:
    def fail() -> Iterator[Any]:
        yield [chunk({"content": "a"})]
        raise UpstreamError("It broke.")

    sent: list[bytes] = []
    with pytest.raises(GatewayError):
        sent.extend(messages.iter_frames(fail(), {"model": "m"}))
    events = read_events(sent)
    assert events[-1]["error"] == {"type": "api_error", "message": "It broke."}
    assert "message_delta" not in [event["type"] for event in events]


def test_errors_have_anthropics_types() -> None:
    assert messages.encode_error(RateLimitError("Slowly.")) == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "Slowly."},
    }


def test_agents_are_told_in_anthropics_words_that_a_prompt_is_too_long() -> None:
    said = "The model's context is 8192 tokens."
    for message in (said, f"prompt is too long: {said}"):
        error = InvalidRequestError(message, code="context_length_exceeded")
        told = messages.encode_error(error)["error"]
        assert told["message"] == f"prompt is too long: {said}"


def test_a_ping_is_an_event_and_tells_of_the_queue_in_a_comment() -> None:
    assert messages.encode_note("", True) == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert messages.encode_note("queued 3", True).startswith(b": queued 3\n\n")


def test_no_event_comes_before_the_message_starts() -> None:
    assert messages.encode_note("", False) == b": ping\n\n"
    assert messages.encode_note("queued 3", False) == b": queued 3\n\n"
