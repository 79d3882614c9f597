"""Canonical answers as responses and their events, checked strictly by OpenAI's types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.chunks import gather
from gateway.dialects import responses
from gateway.errors import GatewayError, RateLimitError, UpstreamError
from gateway.types import NativeChunk
from tests.dialects.chunks import call, chunk

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
REQUEST = {
    "model": "m",
    "input": "hi",
    "tools": [{"type": "function", "name": "f", "parameters": {}}],
    "metadata": {"a": "b"},
    "text": {"verbosity": "low"},
    "reasoning": {"effort": "low"},
}
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 5,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 3},
}

ANSWER = [
    [chunk({"role": "assistant", "content": ""})],
    [chunk({"reasoning_content": "hm"}), chunk({"reasoning_content": "m"})],
    [],
    [chunk({"content": "ü"}), chunk({"content": "!"})],
    [chunk(call(0, "", "f")), chunk(call(0, '{"a":'))],
    [chunk(call(1, "", "g"))],
    [chunk(call(0, "1}")), chunk(call(1, "{}"))],
    [chunk({}, "tool_calls"), chunk(None, usage=USAGE)],
]


def frames(batches: Any) -> list[bytes]:
    return list(responses.iter_frames(iter(batches), dict(REQUEST)))


def read_events(data: list[bytes]) -> list[Any]:
    """Return the events, each checked, numbered, and as the SDK's helper takes them."""
    events = []
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=[], text_format=omit)
    for number, text in enumerate(b"".join(data).decode("ascii").split("\n\n")[:-1]):
        name, _, value = text.partition("\n")
        event = json.loads(value.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == number
        checked = EVENTS.validate_python(event, strict=True)
        state.handle_event(checked)
        events.append(event)
    return events


def types_of(events: list[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_stream_has_every_event_in_its_order() -> None:
    events = read_events(frames(ANSWER))
    assert types_of(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    places = [event["output_index"] for event in events if event["type"].endswith("item.added")]
    assert places == [0, 1, 2, 3]


def test_the_last_event_has_the_whole_response() -> None:
    response = read_events(frames(ANSWER))[-1]["response"]
    reasoning, message, first, second = response["output"]
    assert reasoning["summary"] == [{"type": "summary_text", "text": "hmm"}]
    assert message["content"][0]["text"] == "ü!"
    assert (first["name"], first["arguments"], first["call_id"]) == ("f", '{"a":1}', "call_0")
    assert (second["name"], second["arguments"], second["call_id"]) == ("g", "{}", "call_1")
    assert first["id"] not in ("call_0", second["id"])
    assert response["model"] == "m-1"
    assert response["created_at"] == 7
    assert response["store"] is False
    assert response["metadata"] == {"a": "b"}
    assert response["tools"][0]["strict"] is False
    assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert response["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 14,
    }


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        varying = ("id", "completed_at")
        return {name: _without_ids(each) for name, each in value.items() if name not in varying}
    return [_without_ids(each) for each in value] if isinstance(value, list) else value


def test_a_whole_answer_is_what_its_stream_ends_with() -> None:
    whole = responses.encode_completion(gather(ANSWER), dict(REQUEST))
    Response.model_validate(whole, strict=True)
    streamed = read_events(frames(ANSWER))[-1]["response"]
    assert _without_ids(whole) == _without_ids(streamed)


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_how_an_answer_ends(reason: str, status: str, why: Any) -> None:
    events = read_events(frames([[chunk({"content": "a"})], [chunk({}, reason)]]))
    assert events[-1]["type"] == f"response.{status}"
    response = events[-1]["response"]
    assert response["status"] == status
    assert response["incomplete_details"] == why
    assert response["output"][0]["status"] == status
    assert response["usage"] is None


def test_a_refusal_is_a_part_of_its_own() -> None:
    batches = [[chunk({"content": "a"})], [chunk({"refusal": "no"})], [chunk({}, "stop")]]
    events = read_events(frames(batches))
    content = events[-1]["response"]["output"][0]["content"]
    assert [part["type"] for part in content] == ["output_text", "refusal"]
    delta = next(event for event in events if event["type"] == "response.refusal.delta")
    assert (delta["content_index"], delta["delta"]) == (1, "no")


def test_custom_calls_log_probabilities_and_citations() -> None:
    token = {"token": "ü", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    said = chunk({"content": "ü"})
    said["choices"][0]["logprobs"] = {"content": [token], "refusal": None}
    citation = {"url": "u", "title": "t", "start_index": 0, "end_index": 1}
    cited = chunk({"annotations": [{"type": "url_citation", "url_citation": citation}]})
    custom = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "g", "input": "l"}}
    batches = [
        [said, cited],
        [chunk({"tool_calls": [custom]})],
        [chunk({"tool_calls": [{"index": 0, "custom": {"input": "s"}}]}), chunk({}, "tool_calls")],
    ]
    message, called = read_events(frames(batches))[-1]["response"]["output"]
    part = message["content"][0]
    assert part["logprobs"][0]["bytes"] == [195, 188]
    assert part["annotations"] == [{"type": "url_citation", **citation}]
    assert (called["type"], called["input"]) == ("custom_tool_call", "ls")


def test_what_a_provider_wants_to_see_again_survives_the_round_trip() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "s"}
    signed = {"google": {"thought_signature": "t"}}
    batches = [
        [chunk({"reasoning_content": "hm"})],
        [chunk({"thinking_blocks": [block]})],
        [chunk({"content": "a", "channel": "final"})],
        [chunk({"tool_calls": [{**call(0, "{}", "f")["tool_calls"][0], "extra_content": signed}]})],
        [chunk({}, "tool_calls")],
    ]
    output = read_events(frames(batches))[-1]["response"]["output"]
    result = {"type": "function_call_output", "call_id": "call_0", "output": "1"}
    body = {"model": "m", "input": [*output, result]}
    turn = responses.parse_request(json.dumps(body).encode(), {})["messages"][0]
    assert turn["reasoning_content"] == "hm"
    assert turn["thinking_blocks"] == [block]
    assert turn["content"] == "a"
    assert turn["tool_calls"][0]["extra_content"] == signed
    assert "channel" not in turn


def failing(batches: list[Any], error: GatewayError) -> Iterator[list[Any]]:
    yield from batches
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UpstreamError("It broke."), "server_error"),
        (RateLimitError("Slower."), "rate_limit_exceeded"),
    ],
)
def test_a_failure_is_told_and_never_a_completion(error: GatewayError, code: str) -> None:
    sent: list[bytes] = []
    with pytest.raises(type(error)):
        sent.extend(responses.iter_frames(failing(ANSWER[:6], error), dict(REQUEST)))
    # What was yielded before the error was raised is lost to ``extend`` only at its end.
    events = read_events(sent)
    assert types_of(events)[-2:] == ["error", "failed"]
    assert events[-2]["message"] == error.message
    assert events[-2]["code"] == error.code
    assert events[-1]["response"]["error"] == {"code": code, "message": error.message}
    assert len(events[-1]["response"]["output"]) == 2


def test_a_failure_before_anything_was_said_still_begins_with_the_response() -> None:
    sent: list[bytes] = []
    with pytest.raises(UpstreamError):
        sent.extend(responses.iter_frames(failing([[]], UpstreamError("Gone.")), dict(REQUEST)))
    assert types_of(read_events(sent)) == ["created", "in_progress", "error", "failed"]


def test_native_chunks_go_on_as_they_came_and_a_failure_after_them_is_numbered_on() -> None:
    native = NativeChunk(id="resp_1", choices=[])
    native.dialect, native.raw = "responses", b"event: x\ndata: {}\n\n"
    assert frames([[native], [native, native]]) == [native.raw, native.raw * 2, b""]
    sent: list[bytes] = []
    with pytest.raises(UpstreamError):
        sent.extend(responses.iter_frames(failing([[native]], UpstreamError("!")), dict(REQUEST)))
    *_, error, failed = b"".join(sent).decode().split("\n\n")[:-1]
    assert json.loads(error.partition("data: ")[2])["sequence_number"] == 1
    assert json.loads(failed.partition("data: ")[2])["response"]["id"] == "resp_1"


DELTAS = st.lists(
    st.one_of(
        st.builds(lambda text: {"content": text}, st.text(min_size=1)),
        st.builds(lambda text: {"reasoning_content": text}, st.text(min_size=1)),
        st.builds(lambda text: {"refusal": text}, st.text(min_size=1)),
        st.builds(lambda index, text: call(index, text, "f"), st.integers(0, 3), st.text()),
        st.builds(lambda text: {"thinking_blocks": [{"signature": text}]}, st.text()),
    )
)


@given(DELTAS, st.sampled_from(["stop", "length", "tool_calls"]))
def test_whatever_is_said_in_whatever_order_is_a_right_stream(deltas: Any, reason: str) -> None:
    events = read_events(frames([[chunk(delta)] for delta in deltas] + [[chunk({}, reason)]]))
    output = events[-1]["response"]["output"]
    said = [
        part.get("text", "") + part.get("refusal", "")
        for item in output
        if item["type"] == "message"
        for part in item["content"]
    ]
    expected = [delta.get("content") or delta.get("refusal") or "" for delta in deltas]
    assert "".join(said) == "".join(expected)
    arguments = "".join(item["arguments"] for item in output if item["type"] == "function_call")
    assert len(arguments) == sum(
        len(delta["tool_calls"][0]["function"]["arguments"])
        for delta in deltas
        if "tool_calls" in delta
    )


def test_a_call_of_a_namespace_says_so() -> None:
    inner = {"type": "function", "name": "find", "parameters": {"type": "object"}}
    namespace = {"type": "namespace", "name": "crm", "description": "Ours.", "tools": [inner]}
    request = {"model": "m", "input": "hi", "tools": [namespace]}
    stream = [
        [chunk(call(0, "{}", "crm__find")), chunk(call(1, "{}", "f")), chunk({}, "tool_calls")]
    ]
    events = read_events(list(responses.iter_frames(iter(stream), request)))
    output = events[-1]["response"]["output"]
    assert [(item["name"], item.get("namespace")) for item in output] == [
        ("find", "crm"),
        ("f", None),
    ]
