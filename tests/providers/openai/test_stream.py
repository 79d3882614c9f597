"""Streams in OpenAI's format: recorded ones in every cut, and every way they go wrong."""

from __future__ import annotations

import json
import logging
import random
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    GatewayError,
    InvalidRequestError,
    RateLimitError,
    ServiceUnavailableError,
    UpstreamError,
)
from gateway.providers.openai.stream import iter_chunks
from gateway.types import RawChunk
from tests.cutting import cuts, iter_cuts
from tests.recordings import load, names

STREAMS = names("openai", "stream-")
DONE = b"data: [DONE]\n\n"


def chunk(index: int = 0, reason: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": reason}
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


HELLO = event(chunk(role="assistant", content="Hello"))
STOP = event(chunk(reason="stop"))


def read(*pieces: bytes) -> list[RawChunk]:
    return list(chain.from_iterable(iter_chunks(iter(pieces))))


def read_until_error(*pieces: bytes) -> tuple[list[RawChunk], GatewayError]:
    chunks: list[RawChunk] = []

    def take_all() -> None:
        for batch in iter_chunks(iter(pieces)):
            chunks.extend(batch)

    with pytest.raises(GatewayError) as raised:
        take_all()
    return chunks, raised.value


def test_there_are_recordings_to_replay() -> None:
    assert len(STREAMS) == 7


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_stream_gives_every_chunk_with_its_bytes(name: str) -> None:
    body = load("openai", name).body
    expected = [json.loads(line[6:]) for line in body.decode().split("\n\n")[:-2]]
    chunks = read(body)
    assert chunks == expected
    assert b"".join(chunk.raw for chunk in chunks) + DONE == body


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_stream_is_the_same_cut_at_every_byte(name: str) -> None:
    body = load("openai", name).body
    expected = b"".join(chunk.raw for chunk in read(body))
    for pieces in iter_cuts(body):
        assert b"".join(chunk.raw for chunk in read(*pieces)) == expected


@given(st.data())
def test_recorded_stream_is_the_same_in_any_pieces(data: st.DataObject) -> None:
    body = load("openai", data.draw(st.sampled_from(STREAMS))).body
    whole = read(body)
    again = read(*data.draw(cuts(body)))
    assert again == whole
    assert [chunk.raw for chunk in again] == [chunk.raw for chunk in whole]


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_stream_cut_before_its_finish_reason_is_an_error(name: str) -> None:
    body = load("openai", name).body
    finish = max(body.rfind(b'"finish_reason":"stop"'), body.rfind(b'"finish_reason":"tool_calls"'))
    for end in [*random.Random(7).sample(range(finish), 40), finish]:
        chunks, error = read_until_error(body[:end])
        assert isinstance(error, UpstreamError)
        assert body.startswith(b"".join(chunk.raw for chunk in chunks))


def test_each_piece_gives_its_own_chunks_and_a_pause_gives_nothing() -> None:
    batches = list(iter_chunks(iter([b"", HELLO[:9], b"", HELLO[9:] + HELLO, STOP, DONE])))
    assert [len(batch) for batch in batches] == [0, 0, 0, 2, 1, 0]


def test_comments_and_events_without_data_are_passed_over() -> None:
    body = b": PROCESSING\n\n" + HELLO + b"data:\n\nid: 7\n\n\n: ping\n\n" + STOP + DONE
    assert [chunk.raw for chunk in read(body)] == [HELLO, STOP]


@pytest.mark.parametrize(
    "framed",
    [
        HELLO.replace(b"\n", b"\r\n"),
        HELLO.replace(b"\n", b"\r"),
        HELLO.replace(b"data: ", b"data:"),
        b": ping\nevent: message\nid: 1\n" + HELLO,
        HELLO.replace(b', "created"', b',\ndata: "created"'),
    ],
)
def test_unusual_framing_is_made_usual(framed: bytes) -> None:
    chunks = read(framed, STOP, DONE)
    assert chunks == [chunk(role="assistant", content="Hello"), chunk(reason="stop")]
    assert chunks[0].raw.startswith(b"data: {")
    assert chunks[0].raw.endswith(b"}\n\n")
    assert b"\n" not in chunks[0].raw[:-2]
    assert b"\r" not in chunks[0].raw
    assert json.loads(chunks[0].raw[6:]) == chunk(role="assistant", content="Hello")


def test_unknown_fields_big_integers_and_spelling_survive_in_the_bytes() -> None:
    raw = (
        b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m",'
        b'"choices":[{"index":0,"delta":{"content":"\xc3\xa9"},"x":1.0}],'
        b'"n":123456789012345678901234567890, "\\u0061":1e2}\n\n'
    )
    assert read(HELLO, raw, STOP)[1].raw == raw


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices":[{"index":0,"delta":{"content":"\\ud800"}}]}',
        b'{"choices":[{"index":0,"delta":{"content":"\xff"}}]}',
        b'{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":NaN}]}',
    ],
)
def test_json_that_is_not_strict_reaches_the_client_as_strict_ascii(data: bytes) -> None:
    first = read(b"data: " + data + b"\n\n", STOP, DONE)[0]
    assert first.raw.isascii()
    assert first.raw.startswith(b'data: {"choices":[')
    assert b"NaN" not in first.raw


def test_several_choices_end_one_by_one_and_the_stream_goes_on_after_the_first() -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    usage = event({**chunk(), "choices": [], "usage": counts})
    moderation = event({**chunk(), "choices": [], "moderation": {"flagged": False}})
    events = [
        HELLO,
        event(chunk(1, role="assistant", content="b")),
        STOP,
        event(chunk(1, content="c")),
        event(chunk(1, "length")),
        usage,
        moderation,
    ]
    assert [chunk.raw for chunk in read(b"".join(events))] == events
    assert [chunk.raw for chunk in read(*events, DONE)] == events


def test_nothing_after_done_is_read() -> None:
    assert len(read(HELLO + STOP + DONE + b"data: garbage\n\n" + DONE)) == 2


@pytest.mark.parametrize("end", [b"data: [DONE]", b"data:[DONE]\r\n\r\n", b"data: [DONE] bye\n\n"])
def test_done_is_seen_however_it_is_framed(end: bytes) -> None:
    assert read(HELLO, end)[-1]["choices"][0]["finish_reason"] == "stop"


def test_done_without_a_finish_reason_ends_every_open_choice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    call = {"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}}
    with caplog.at_level(logging.WARNING, "gateway.providers.openai"):
        chunks = read(
            event(chunk(2, content="x")),
            event(chunk(1, tool_calls=[call])),
            event(chunk(1, content="")),
            HELLO,
            STOP,
            DONE,
        )
    assert chunks[5:] == [chunk(1, "tool_calls"), chunk(2, "stop")]
    assert [json.loads(last.raw[6:]) for last in chunks[5:]] == chunks[5:]
    assert [record.getMessage() for record in caplog.records] == [
        "stream of 'm' ended without a finish_reason"
    ]


def test_a_complete_stream_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    read(HELLO, STOP, DONE)
    assert caplog.records == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b": ping\n\n",
        DONE,
        event({**chunk(), "choices": []}) + DONE,
        b"upstream timed out",
    ],
)
def test_a_stream_without_an_answer_is_an_error(body: bytes) -> None:
    chunks, error = read_until_error(body)
    assert isinstance(error, UpstreamError)
    assert [chunk for chunk in chunks if chunk["choices"]] == []


@pytest.mark.parametrize(
    "end",
    [
        b"",
        event(chunk(1, "stop")),
        event({**chunk(), "choices": [], "usage": {}}),
        event(chunk(reason="")),
    ],
)
def test_an_end_without_finish_reason_or_done_is_a_cut(end: bytes) -> None:
    chunks, error = read_until_error(HELLO, end)
    assert chunks[0].raw == HELLO
    assert error.message == "The provider's stream was cut before its end."
    assert error.status == 502


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: <html>\n\n",
        b'data: {"choices":[\n\n',
        b"data: [1]\n\n",
        b"data: 7\n\n",
        b"data: null\n\n",
        b'data: {"choices":{"index":0}}\n\n',
        b'data: {"choices":"a"}\n\n',
        b'data: {"choices":[7]}\n\n',
        b'data: {"choices":[{"index":0,"delta":"a"}]}\n\n',
        b'data: {"choices":[{"index":[],"delta":{}}]}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
def test_garbage_is_an_error_after_what_came_before(garbage: bytes) -> None:
    chunks, error = read_until_error(HELLO + garbage + STOP + DONE)
    assert [chunk.raw for chunk in chunks] == [HELLO]
    assert type(error) is UpstreamError


@pytest.mark.parametrize(
    ("told", "error_class", "message"),
    [
        (
            event({"error": {"message": "Audio is too long.", "type": "server_error"}}),
            UpstreamError,
            "The provider reported an error: Audio is too long.",
        ),
        (
            b'event: error\ndata: {"error":{"message":"slow down","status_code":429}}\n\n',
            RateLimitError,
            "slow down",
        ),
        (b'event: error\ndata: {"message":"no"}\n\n', UpstreamError,
         "The provider reported an error: no"),
        (
            b"event: error\ndata: internal\n\n",
            UpstreamError,
            "The provider reported an error without saying which.",
        ),
        (event({"error": "out of memory"}), UpstreamError,
         "The provider reported an error: out of memory"),
        (event({"message": "busy", "code": 503}), ServiceUnavailableError,
         "The provider has no capacity for this now (HTTP 503): busy"),
        (
            event({"choices": [{"index": 0, "error": {"message": "bad", "code": 400}}]}),
            InvalidRequestError,
            "bad",
        ),
        (
            event({"choices": [], "error": {"code": "context_length_exceeded", "message": "long"}}),
            InvalidRequestError,
            "long",
        ),
        (
            event({"error": {"type": "invalid_request_error", "code": "invalid_api_key",
                             "message": "Incorrect API key provided: sk-abc"}}),
            UpstreamError,
            "The provider refused the gateway's credentials (HTTP 401).",
        ),
    ],
)  # fmt: skip
def test_an_error_in_the_stream_is_raised_after_the_chunks_before_it(
    told: bytes, error_class: type[GatewayError], message: str
) -> None:
    for pieces in [[HELLO, told, HELLO, DONE], [HELLO + told + HELLO + DONE]]:
        chunks, error = read_until_error(*pieces)
        assert [chunk.raw for chunk in chunks] == [HELLO]
        assert type(error) is error_class
        assert error.message == message


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([HELLO, STOP, DONE, b"\n\n"]))))
def test_no_bytes_raise_anything_but_a_gateway_error(pieces: list[bytes]) -> None:
    try:
        chunks = read(*pieces)
    except GatewayError:
        return
    assert any(chunk["choices"] for chunk in chunks)
