"""Streams of servers that speak OpenAI's format in ways of their own, cut at every byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain
from typing import Any

import pytest

from gateway.chunks import gather
from gateway.errors import GatewayError
from gateway.providers.openai.stream import iter_chunks
from gateway.providers.openai.whole import parse_completion
from gateway.types import RawChunk
from tests.cutting import iter_cuts
from tests.strict_openai import check_completion, check_stream

ENVELOPE = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
COUNTS = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
DONE = b"data: [DONE]\n\n"


def event(*choices: Any, **fields: Any) -> bytes:
    value = {**ENVELOPE, "choices": choices, **fields}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def part(delta: Any, reason: Any = None) -> bytes:
    return event({"index": 0, "delta": delta, "finish_reason": reason})


def call(**fields: Any) -> bytes:
    return part({"tool_calls": [{"index": 0, **fields}]})


HELLO = part({"role": "assistant", "content": "Hello"})
STOP = part({}, "stop")


def read(pieces: Iterable[bytes]) -> list[RawChunk]:
    """Return the chunks of a stream, which a strict client can read, and whose bytes say them."""
    chunks = list(chain.from_iterable(iter_chunks(iter(pieces), "asked-model")))
    check_stream(chunks)
    assert [json.loads(chunk.raw[6:]) for chunk in chunks] == chunks
    return chunks


def read_cut(*events: bytes) -> dict[str, Any]:
    """Return the message of a stream, the same wherever it is cut; reason and usage beside it."""
    body = b"".join(events)
    expected = gathered([body])
    for pieces in iter_cuts(body):
        assert gathered(pieces) == expected
    return expected


def read_until_error(pieces: Iterable[bytes]) -> tuple[list[RawChunk], GatewayError]:
    chunks: list[RawChunk] = []
    try:
        for batch in iter_chunks(iter(pieces), "asked-model"):
            chunks += batch
    except GatewayError as error:
        return chunks, error
    raise AssertionError("the stream ended without an error")


def gathered(pieces: Iterable[bytes]) -> dict[str, Any]:
    chunks: Any = read(pieces)
    completion = gather([chunks])
    (choice,) = completion["choices"]
    message = choice["message"]
    calls = [
        (each["function"]["name"], each["function"]["arguments"])
        for each in message.get("tool_calls", ())
    ]
    return {
        "content": message["content"],
        "calls": calls,
        "reason": choice["finish_reason"],
        "usage": completion.get("usage"),
    }


def test_usage_told_twice_after_the_end_is_told_once_and_is_the_later() -> None:
    told = read_cut(HELLO, STOP, event(usage={**COUNTS, "total_tokens": 0}), event(usage=COUNTS))
    assert told["usage"] == COUNTS


def test_usage_told_again_after_something_else_is_not_told_again() -> None:
    note = event(timings={"prompt_n": 1})
    chunks = read([HELLO, STOP, event(usage=COUNTS), note, event(usage=COUNTS), DONE])
    assert [bool(chunk.get("usage")) for chunk in chunks] == [False, False, True, False]


def test_usage_without_counts_leaves_those_of_before() -> None:
    finish = event({"index": 0, "delta": {}, "finish_reason": "stop"}, usage=COUNTS)
    assert read_cut(HELLO, finish, event(usage={"cost": 1}), DONE)["usage"] == COUNTS


def test_details_of_usage_keep_what_openai_has_no_name_for() -> None:
    details = {"cached_tokens": 1, "audio_tokens": "x", "cache_type": "y", "by": {"a": 1}}
    usage = {**COUNTS, "prompt_tokens_details": details}
    kept = {name: value for name, value in details.items() if name != "audio_tokens"}
    assert read_cut(HELLO, STOP, event(usage=usage), DONE)["usage"]["prompt_tokens_details"] == kept


@pytest.mark.parametrize("told", ["null", "None"])
def test_a_reason_written_as_a_word_for_none_is_none(told: str) -> None:
    first = part({"role": "assistant", "content": "Hel"}, told)
    told_later = read_cut(first, part({"content": "lo"}, "length"), DONE)
    assert (told_later["content"], told_later["reason"]) == ("Hello", "length")


def test_a_stream_of_texts_is_one_of_deltas() -> None:
    texts = [event({"index": 0, "text": text}) for text in ("Hel", "lo")]
    end = event({"index": 0, "text": "", "finish_reason": "stop"})
    assert read_cut(*texts, end, DONE)["content"] == "Hello"


def test_a_text_beside_a_delta_that_says_the_same_is_not_said_twice() -> None:
    both = event({"index": 0, "text": "Hello", "delta": {"content": "Hello"}})
    assert read_cut(both, STOP, DONE)["content"] == "Hello"


def test_cloudflares_own_stream_is_read() -> None:
    said = [{"response": "Hel", "p": "ab"}, {"response": "lo", "p": "a"}]
    last = {"response": "", "tool_calls": [{"name": "f", "arguments": {"a": 1}}], "usage": COUNTS}
    events = [b"data: %b\n\n" % json.dumps(each).encode() for each in (*said, last)]
    assert read_cut(*events, DONE) == {
        "content": "Hello",
        "calls": [("f", '{"a":1}')],
        "reason": "tool_calls",
        "usage": COUNTS,
    }


@pytest.mark.parametrize("arguments", ["", None, {}])
@pytest.mark.parametrize("end", [part({}, "tool_calls"), STOP, b""])
def test_a_call_without_arguments_has_an_empty_object(arguments: Any, end: bytes) -> None:
    begin = call(id="a", type="function", function={"name": "f", "arguments": arguments})
    told = read_cut(begin, end, DONE)
    assert (told["calls"], told["reason"]) == ([("f", "{}")], "tool_calls")
    function = {"name": "f", "arguments": arguments}
    whole = {"choices": [{"message": {"tool_calls": [{"id": "a", "function": function}]}}]}
    answer = parse_completion(json.dumps(whole).encode(), "m")
    check_completion(answer)
    made = answer["choices"][0]["message"]["tool_calls"][0]["function"]
    assert made["arguments"] == "{}"


def test_a_whole_call_in_the_last_chunk_has_its_arguments_once() -> None:
    calls = [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    told = read_cut(part({"role": "assistant", "tool_calls": calls}, "tool_calls"), DONE)
    assert told["calls"] == [("f", "{}"), ("g", "{}")]


def test_a_call_cut_by_the_limit_keeps_what_there_is_of_it() -> None:
    begin = call(id="a", type="function", function={"name": "f", "arguments": ""})
    assert read_cut(begin, part({}, "length"), DONE)["calls"] == [("f", "")]


@pytest.mark.parametrize("name", [{}, {"name": None}, {"name": ""}])
def test_a_new_id_with_each_piece_of_a_call_begins_no_other(name: dict[str, Any]) -> None:
    told = read_cut(
        call(id="a", type="function", function={"name": "f", "arguments": ""}),
        call(id="b", type="function", function={**name, "arguments": '{"a"'}),
        call(id="c", type="function", function={**name, "arguments": ":1}"}),
        call(id="d", type="function", function={"name": "f", "arguments": "{}"}),
        part({}, "tool_calls"),
        DONE,
    )
    assert told["calls"] == [("f", '{"a":1}'), ("f", "{}")]


@pytest.mark.parametrize("nameless", [{}, {"name": None}, {"name": ""}])
def test_a_call_waits_for_its_name(nameless: dict[str, Any]) -> None:
    told = read_cut(
        call(id="a", type="function", function={**nameless, "arguments": '{"a"'}),
        part({"content": "Hello"}),
        call(function={"arguments": ":1"}),
        call(function={"name": "f", "arguments": "}"}),
        part({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g"}}]}),
        part({}, "tool_calls"),
        DONE,
    )
    assert told["calls"] == [("f", '{"a":1}'), ("g", "{}")]
    assert told["content"] == "Hello"


def test_what_a_call_says_before_its_name_is_not_lost() -> None:
    extra = {"google": {"thought_signature": "x"}}
    begin = call(id="a", type="function", extra_content=extra, function={"arguments": ""})
    chunks = read([begin, call(function={"name": "f", "arguments": "{}"}), part({}, "stop"), DONE])
    (told,) = [
        made for each in chunks for made in each["choices"][0]["delta"].get("tool_calls", ())
    ]
    assert told == {
        "index": 0,
        "id": "a",
        "type": "function",
        "extra_content": extra,
        "function": {"name": "f", "arguments": "{}"},
    }


def test_a_call_that_never_has_a_name_is_told_at_the_end() -> None:
    for end in (part({}, "length"), part({}, "tool_calls"), b""):
        told = read_cut(call(id="a", type="function", function={"arguments": "{}"}), end, DONE)
        assert told["calls"] == [("", "{}")]


def test_calls_are_numbered_as_they_are_told() -> None:
    late = call(id="a", function={"arguments": ""})
    early = part({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g"}}]})
    named = call(function={"name": "f", "arguments": "{}"})
    assert read_cut(late, early, named, part({}, "stop"), DONE)["calls"] == [
        ("g", "{}"),
        ("f", "{}"),
    ]


@pytest.mark.parametrize(
    "empty",
    [
        {"function_call": ""},
        {"function_call": {}},
        {"function_call": {"name": "", "arguments": ""}},
        {"refusal": {}},
        {"refusal": False},
        {"annotations": {"a": 1}},
        {"annotations": ["a"]},
        {"thinking_blocks": 7},
    ],
)
def test_what_is_malformed_is_left_out(empty: dict[str, Any]) -> None:
    chunks = read([part({"content": "Hello", **empty}), STOP, DONE])
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "Hello"}
    whole = {"choices": [{"message": {"content": "Hello", **empty}}]}
    message = check_completion(parse_completion(json.dumps(whole).encode(), "m")).choices[0].message
    assert (message.function_call, message.refusal) == (None, None)


def test_arguments_of_the_older_form_of_call_are_text() -> None:
    called = {"function_call": {"name": "f", "arguments": {"a": 1}}}
    (begin, *_) = read([part(called), part({}, "function_call"), DONE])
    assert begin["choices"][0]["delta"]["function_call"]["arguments"] == '{"a":1}'
    whole = json.dumps({"choices": [{"message": called}]}).encode()
    message = check_completion(parse_completion(whole, "m")).choices[0].message
    assert message.function_call is not None
    assert message.function_call.arguments == '{"a":1}'


@pytest.mark.parametrize(
    "event_bytes",
    [
        b'error: {"code":503,"message":"Too busy.","type":"unavailable_error"}\n\n',
        b'{"error":{"message":"Too busy.","code":503}}\n\n',
        b'{"error":{"message":"Too busy.","code":503}}',
        b'event: error\ndata: {"message":"Too busy.","code":503}\n\n',
        b'data:{"error":"Too busy.","status":503}\r\n\r\n',
    ],
)
def test_an_error_in_a_stream_is_told_however_it_is_framed(event_bytes: bytes) -> None:
    for pieces in iter_cuts(HELLO + event_bytes):
        chunks, error = read_until_error(pieces)
        assert (error.status, "Too busy." in str(error)) == (503, True)
        assert [chunk["choices"][0]["delta"]["content"] for chunk in chunks] == ["Hello"]


def test_a_control_character_inside_a_text_does_not_lose_the_answer() -> None:
    assert read_cut(HELLO.replace(b"Hello", b"Hel\tlo"), STOP, DONE)["content"] == "Hel\tlo"


def test_an_error_that_groq_tells_beside_a_chunk_is_one() -> None:
    stopped = event({"index": 0, "delta": {}, "finish_reason": "stop"}, x_groq={"error": "over"})
    chunks, error = read_until_error([HELLO + stopped + DONE])
    assert (error.status, len(chunks)) == (502, 1)
