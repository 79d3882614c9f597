"""Answers of OpenAI's Responses API, recorded, as chunks and completions, with their bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.chunks import gather
from gateway.errors import GatewayError, RateLimitError, UpstreamError
from gateway.providers.openai.responses_answer import parse_native_response, parse_response
from gateway.providers.openai.responses_stream import iter_canonical_chunks, iter_native_chunks
from tests.cutting import cuts, iter_cuts
from tests.recordings import Recording, load, names

PROVIDERS = ("openai", "azure-openai", "deepseek")
WHOLE = [(each, name) for each in PROVIDERS for name in names(each, "responses-whole")]
STREAMS = [(each, name) for each in PROVIDERS for name in names(each, "responses-stream")]
TOOLS = load("openai", "responses-stream-tools-gpt-4o")
PLAIN = load("openai", "responses-stream-plain-gpt-4o-mini")


def event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields})
    return f"event: {kind}\ndata: {data}\n\n".encode()


def response(**fields: Any) -> dict[str, Any]:
    plain = {"id": "resp_1", "object": "response", "created_at": 7, "model": "m", "output": []}
    return {**plain, "status": "completed", **fields}


CREATED = event("response.created", response=response(status="in_progress"))
COMPLETED = event("response.completed", response=response())


def delta(text: str, index: int = 0) -> bytes:
    fields = {"item_id": "i", "output_index": index, "content_index": 0, "delta": text}
    return event("response.output_text.delta", logprobs=[], **fields)


def gathered(*pieces: bytes) -> dict[str, Any]:
    return gather(iter_canonical_chunks(iter(pieces)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("provider", "name"), WHOLE)
def test_a_whole_response_keeps_its_bytes_and_reads_as_a_completion(
    provider: str, name: str
) -> None:
    body = load(provider, name).body
    completion = parse_native_response(body)
    assert completion.raw == body
    assert completion.dialect == "responses"
    ChatCompletion.model_validate(completion)
    told = json.loads(body)
    assert completion["usage"]["total_tokens"] == told["usage"]["total_tokens"]
    texts = [
        part["text"]
        for item in told["output"]
        if item["type"] == "message"
        for part in item["content"]
    ]
    message = completion["choices"][0]["message"]
    assert (message["content"] or "") == "".join(texts)
    calls = [item["call_id"] for item in told["output"] if item["type"] == "function_call"]
    assert [call["id"] for call in message.get("tool_calls", ())] == calls
    assert completion["choices"][0]["finish_reason"] == ("tool_calls" if calls else "stop")


def test_reasoning_text_and_encrypted_reasoning_are_kept() -> None:
    read = load("deepseek", "responses-whole-reasoning-deepseek-v4-flash")
    message = parse_response(read.body)["choices"][0]["message"]
    assert message["reasoning_content"] == "We need answer simple. 2+2=4. Just number."
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    body = json.dumps(response(output=[item])).encode()
    assert parse_response(body)["choices"][0]["message"]["reasoning_details"] == [
        {
            "type": "reasoning.encrypted",
            "id": "rs_1",
            "format": "openai-responses-v1",
            "data": "gAAA",
        }
    ]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("new", "length")],
)
def test_why_a_response_is_incomplete(reason: str, expected: str) -> None:
    cut = response(status="incomplete", incomplete_details={"reason": reason})
    assert parse_response(json.dumps(cut).encode())["choices"][0]["finish_reason"] == expected
    streamed = gathered(CREATED, delta("a"), event("response.incomplete", response=cut))
    assert streamed["choices"][0]["finish_reason"] == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"output":5,"id":"x"}', b'{"id":"x","output":[{}]}'],
)
def test_what_is_no_response_is_the_upstreams_failure(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        parse_response(body)


@pytest.mark.parametrize("status", ["failed", "cancelled", "queued", "in_progress"])
def test_a_response_that_was_not_completed_is_no_answer(status: str) -> None:
    with pytest.raises(UpstreamError):
        parse_response(json.dumps(response(status=status)).encode())


@pytest.mark.parametrize(("provider", "name"), STREAMS)
def test_a_stream_passes_byte_for_byte_wherever_it_is_cut(provider: str, name: str) -> None:
    recording = load(provider, name)
    expected = list(_native(recording.pieces))
    assert b"".join(raw for raw, _ in expected) == recording.body
    assert list(_native([recording.body])) == expected
    assert (
        list(_native(recording.body[at : at + 1] for at in range(len(recording.body)))) == expected
    )


def _native(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, Any]]:
    """Yield each chunk's bytes and what it says, but for when it came."""
    for batch in iter_native_chunks(iter(pieces)):
        for chunk in batch:
            yield chunk.raw, {**chunk, "created": 0}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("provider", "name"), STREAMS)
def test_a_stream_reads_as_the_chunks_of_a_completion(provider: str, name: str) -> None:
    recording = load(provider, name)
    for batch in iter_canonical_chunks(iter(recording.pieces)):
        for chunk in batch:
            ChatCompletionChunk.model_validate(chunk)
    completion = gathered(*recording.pieces)
    assert completion["choices"][0]["finish_reason"] == _finish_reason(recording)
    assert completion["choices"][0]["message"]["role"] == "assistant"
    assert completion["usage"]["completion_tokens"] > 0


def _finish_reason(recording: Recording) -> str:
    return "tool_calls" if b'"function_call"' in recording.body else "stop"


def test_tool_calls_are_read_in_pieces() -> None:
    message = gathered(*TOOLS.pieces)["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [
        {
            "id": "call_kL0PCQV7M2WMoVX8V8OtYSAL",
            "type": "function",
            "function": {"name": "get_capital", "arguments": '{"country":"France"}'},
        }
    ]


def test_every_cut_of_a_stream_gives_the_same() -> None:
    expected = _without_time(gathered(PLAIN.body))
    for pieces in iter_cuts(PLAIN.body):
        assert _without_time(gathered(*pieces)) == expected


@given(cuts(TOOLS.body))
def test_every_cutting_of_a_stream_gives_the_same(pieces: list[bytes]) -> None:
    assert gathered(*pieces) == gathered(TOOLS.body)


@given(st.integers(0, len(TOOLS.body) - 1))
def test_a_stream_that_is_cut_off_is_a_failure(length: int) -> None:
    # Without its last line ends the event that ends the response is complete all the same.
    if length >= len(TOOLS.body) - 2:
        return
    with pytest.raises(UpstreamError):
        gathered(TOOLS.body[:length])


def _without_time(completion: dict[str, Any]) -> dict[str, Any]:
    return {**completion, "created": 0}


def test_other_framings_are_read_too() -> None:
    body = PLAIN.body.replace(b"\n", b"\r\n")
    assert gathered(body)["choices"] == gathered(PLAIN.body)["choices"]
    assert b"".join(raw for raw, _ in _native([body])) == body
    commented = b": ping\n\n" + PLAIN.body
    assert b"".join(raw for raw, _ in _native([commented])) == PLAIN.body


def test_an_event_that_ends_with_the_stream_is_complete() -> None:
    raws = [raw for raw, _ in _native([CREATED + delta("a") + COMPLETED.rstrip()])]
    assert raws[-1] == COMPLETED


def test_what_came_in_no_pieces_is_not_lost() -> None:
    items: list[dict[str, Any]] = [
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "function_call", "id": "f", "call_id": "c", "name": "n", "arguments": "{}"},
        {"type": "custom_tool_call", "id": "t", "call_id": "d", "name": "o", "input": "x"},
    ]
    done = [
        event("response.output_item.done", output_index=index, item=item)
        for index, item in enumerate(items)
    ]
    added = event("response.output_item.added", output_index=3, item={**items[3], "input": ""})
    for pieces in (done, [*done[:3], added, done[3]]):
        choice = gathered(CREATED, *pieces, COMPLETED)["choices"][0]
        message = choice["message"]
        assert (message["reasoning_content"], message["content"]) == ("hm", "a")
        first, second = message["tool_calls"]
        assert first["function"] == {"name": "n", "arguments": "{}"}
        assert (second["id"], second["type"]) == ("d", "custom")
        assert choice["finish_reason"] == "tool_calls"


def test_parts_of_reasoning_are_paragraphs_as_in_a_whole_answer() -> None:
    def part(index: int, text: str) -> bytes:
        place = {"item_id": "r", "output_index": 0, "summary_index": index}
        return event("response.reasoning_summary_text.delta", delta=text, **place)

    streamed = gathered(CREATED, part(0, "a"), part(0, "b"), part(1, "c"), delta("!", 1), COMPLETED)
    assert streamed["choices"][0]["message"]["reasoning_content"] == "ab\n\nc"


def test_encrypted_reasoning_of_a_stream_is_kept() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    done = event("response.output_item.done", output_index=0, item=item)
    message = gathered(CREATED, done, delta("a", 1), COMPLETED)["choices"][0]["message"]
    assert [each["data"] for each in message["reasoning_details"]] == ["gAAA"]


def test_log_probabilities_and_refusals_are_read() -> None:
    token = {"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}
    fields = {"item_id": "m", "output_index": 0, "content_index": 0}
    said = event("response.output_text.delta", delta="a", logprobs=[token], **fields)
    refused = event("response.refusal.delta", delta="no", **fields)
    choice = gathered(CREATED, said, refused, COMPLETED)["choices"][0]
    assert choice["logprobs"]["content"] == [token]
    assert choice["message"]["refusal"] == "no"


FLAT = event("error", code="rate_limit_exceeded", message="Slower.", param=None)
NESTED = event("error", error={"type": "tokens", "code": "rate_limit_exceeded", "message": "S"})
FAILED = event(
    "response.failed",
    response=response(status="failed", error={"code": "rate_limit_exceeded", "message": "Slower."}),
)


@pytest.mark.parametrize("failure", [FLAT, NESTED, FAILED, b'data: {"error":{"code":429}}\n\n'])
def test_an_error_in_a_stream_is_raised_after_what_came_before(failure: bytes) -> None:
    chunks = iter_native_chunks(iter([CREATED + delta("a") + failure]))
    assert len(next(chunks)) == 2
    with pytest.raises(GatewayError) as caught:
        next(chunks)
    assert isinstance(caught.value, RateLimitError | UpstreamError)


def test_a_rate_limit_told_in_a_stream_is_one() -> None:
    for failure in (FLAT, NESTED, FAILED):
        with pytest.raises(RateLimitError):
            gathered(CREATED, failure)


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: nonsense\n\n",
        b"data: []\n\n",
        b'data: {"choices":[]}\n\n',
        event("response.output_text.delta"),
        event("response.output_item.added", output_index=0, item=None),
        event("response.function_call_arguments.delta", output_index=5, delta="x"),
    ],
)
def test_garbage_is_the_upstreams_failure(garbage: bytes) -> None:
    with pytest.raises(UpstreamError):
        gathered(CREATED, garbage, COMPLETED)


def test_a_whole_response_in_place_of_a_stream_is_read() -> None:
    body = load("openai", "responses-whole-tools-gpt-4o").body
    expected = parse_response(body)
    streamed = gathered(body[:100], body[100:])
    assert streamed["choices"] == expected["choices"]
    assert streamed["usage"] == expected["usage"]
    with pytest.raises(UpstreamError):
        gathered(b"<html>no</html>")


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with pytest.raises(GatewayError):
        gathered(CREATED, data)
