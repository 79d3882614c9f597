"""OpenAI's chat completions as clients send and read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.openai_chat import (
    DONE,
    encode_error_event,
    iter_events,
    parse_chat_request,
    wants_usage,
)
from gateway.dialects.openai_embeddings import parse_embeddings_request
from gateway.errors import InternalServerError, InvalidRequestError, UpstreamError
from gateway.types import Chunk, RawChunk

MESSAGES = '"messages":[{"role":"user","content":"hi"}]'
NO_MODEL = "Missing required parameter: 'model'."
BAD_MODEL = (
    "'model' must be the name of a model: at most 512 printable characters, "
    "without spaces around it."
)
NO_OBJECT = "The request body must be a JSON object, not "


def refusal(body: bytes, parse: Any = parse_chat_request) -> tuple[str, str | None, str | None]:
    with pytest.raises(InvalidRequestError) as caught:
        parse(body)
    error = caught.value
    assert (error.status, error.type) == (400, "invalid_request_error")
    return error.message, error.param, error.code


def test_request_is_taken_as_it_is_unknown_fields_included() -> None:
    body = b'{"model":"m","messages":[{"role":"?"}],"stream":null,"new":{"a":[1.5]},"n":"x"}'
    assert parse_chat_request(body) == json.loads(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", ("The request body is empty; it must be a JSON object.", None, None)),
        (b" \r\n", ("The request body is empty; it must be a JSON object.", None, None)),
        (b"[]", (NO_OBJECT + "a list.", None, None)),
        (b'"text"', (NO_OBJECT + "a string.", None, None)),
        (b"1", (NO_OBJECT + "a number.", None, None)),
        (b"1.5", (NO_OBJECT + "a number.", None, None)),
        (b"true", (NO_OBJECT + "a boolean.", None, None)),
        (b"null", (NO_OBJECT + "null.", None, None)),
    ],
)
@pytest.mark.parametrize("parse", [parse_chat_request, parse_embeddings_request])
def test_body_that_is_no_object_is_refused(
    parse: Any, body: bytes, expected: tuple[str, str | None, str | None]
) -> None:
    assert refusal(body, parse) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'model':'m'}",
        b'{"model":NaN}',
        b'{"model":Infinity}',
        b'{"model":"\\ud800"}',
        b'{"model":"\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'\xef\xbb\xbf{"model":"m"}',
    ],
    ids=repr,
)
def test_body_that_is_not_json_is_refused(body: bytes) -> None:
    message, param, code = refusal(body)
    assert message.startswith("The request body is not valid JSON: ")
    assert (param, code) == (None, "invalid_json")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (None, (NO_MODEL, "model", "missing_required_parameter")),
        ("null", (NO_MODEL, "model", "missing_required_parameter")),
        ('""', (NO_MODEL, "model", "missing_required_parameter")),
        ("1", ("'model' must be a string, not a number.", "model", "invalid_type")),
        ("false", ("'model' must be a string, not a boolean.", "model", "invalid_type")),
        ('["m"]', ("'model' must be a string, not a list.", "model", "invalid_type")),
        ("{}", ("'model' must be a string, not an object.", "model", "invalid_type")),
        ('" m"', (BAD_MODEL, "model", "invalid_value")),
        ('"m\\n"', (BAD_MODEL, "model", "invalid_value")),
        ('"a\\u0000b"', (BAD_MODEL, "model", "invalid_value")),
        (f'"{"m" * 513}"', (BAD_MODEL, "model", "invalid_value")),
    ],
)
@pytest.mark.parametrize(
    ("parse", "rest"), [(parse_chat_request, MESSAGES), (parse_embeddings_request, '"input":"a"')]
)
def test_model_is_checked(
    parse: Any, rest: str, model: str | None, expected: tuple[str, str, str]
) -> None:
    fields = [rest] if model is None else [f'"model":{model}', rest]
    assert refusal(f"{{{','.join(fields)}}}".encode(), parse) == expected


@pytest.mark.parametrize("model", ["m", "m" * 512, "ollama/hf.co/a/b:Q4", "模型", "two words"])
def test_names_of_models_pass(model: str) -> None:
    body = json.dumps({"model": model, "messages": []}).encode()
    assert parse_chat_request(body)["model"] == model


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("", ("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")),
        (
            ',"messages":null',
            ("'messages' must be a list of messages, not null.", "messages", "invalid_type"),
        ),
        (
            ',"messages":"hi"',
            ("'messages' must be a list of messages, not a string.", "messages", "invalid_type"),
        ),
        (
            ',"messages":{}',
            ("'messages' must be a list of messages, not an object.", "messages", "invalid_type"),
        ),
        (
            ',"messages":[],"stream":"yes"',
            ("'stream' must be true or false, not a string.", "stream", "invalid_type"),
        ),
        (
            ',"messages":[],"stream":1',
            ("'stream' must be true or false, not a number.", "stream", "invalid_type"),
        ),
    ],
)
def test_messages_and_stream_are_checked(fields: str, expected: tuple[str, str, str]) -> None:
    assert refusal(f'{{"model":"m"{fields}}}'.encode()) == expected


@pytest.mark.parametrize("fields", ["", ',"input":null'])
def test_embeddings_need_an_input(fields: str) -> None:
    expected = ("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    assert refusal(f'{{"model":"m"{fields}}}'.encode(), parse_embeddings_request) == expected


@given(st.binary(max_size=40))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    try:
        request = parse_chat_request(body)
    except InvalidRequestError:
        return
    assert isinstance(request["messages"], list)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"include_usage": True}, True),
        ({"include_usage": False}, False),
        ({"include_usage": 1}, False),
        ({}, False),
        (None, False),
        ([], False),
    ],
)
def test_usage_is_wanted_only_where_it_is_asked_for(options: Any, wanted: bool) -> None:
    assert wants_usage({"stream_options": options}) is wanted
    assert wants_usage({}) is False


def chunk(content: str, **fields: Any) -> Any:
    return {"id": "1", "choices": [{"index": 0, "delta": {"content": content}}], **fields}


def raw_chunk(text: str) -> RawChunk:
    parsed = RawChunk(json.loads(text))
    parsed.raw = f"data: {text}\n\n".encode()
    return parsed


def encode(*batches: list[Any], include_usage: bool = False) -> list[bytes]:
    return list(iter_events(iter(batches), include_usage=include_usage))


def test_chunks_that_came_together_leave_together_and_done_is_last() -> None:
    assert encode([chunk("a"), chunk("b")], [], [chunk("c")]) == [
        b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
        b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"b"}}]}\n\n',
        b"",
        b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"c"}}]}\n\n',
        DONE,
    ]
    assert DONE == b"data: [DONE]\n\n"


@given(st.text())
def test_events_are_ascii_on_one_line(text: str) -> None:
    event, _ = encode([chunk(text)])
    assert event.isascii()
    assert (event.count(b"\n"), event.count(b"\r"), event[-2:]) == (2, 0, b"\n\n")
    assert json.loads(event[6:])["choices"][0]["delta"]["content"] == text


USAGE: Any = {"id": "1", "choices": [], "usage": {"total_tokens": 3}}


def test_usage_is_hidden_unless_asked_for() -> None:
    with_null: Any = chunk("a", usage=None)
    shown = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    assert encode([with_null, dict(USAGE)]) == [shown, DONE]
    assert with_null == chunk("a", usage=None)


def test_usage_that_was_asked_for_is_null_until_the_last_chunk() -> None:
    first, second, done = encode([chunk("a")], [dict(USAGE)], include_usage=True)
    assert json.loads(first[6:])["usage"] is None
    assert json.loads(second[6:]) == USAGE
    assert done == DONE


def test_chunks_in_openais_own_format_pass_byte_for_byte() -> None:
    odd = raw_chunk('{"choices": [{"index":0,"delta":{"content":"\\u00fc"}}],"x":1.0}')
    assert encode([odd, odd]) == [odd.raw * 2, DONE]
    with_usage = raw_chunk('{"choices": [],"usage":{"total_tokens":3}}')
    assert encode([with_usage], include_usage=True) == [with_usage.raw, DONE]
    assert encode([with_usage]) == [b"", DONE]


def fail(error: Exception) -> Iterator[list[Chunk]]:
    yield [chunk("a")]
    raise error


def test_failure_is_the_last_event_and_is_raised() -> None:
    error = UpstreamError("The provider broke.", param="p")
    events = iter_events(fail(error), include_usage=False)
    assert next(events).startswith(b"data: {")
    last = next(events)
    with pytest.raises(UpstreamError):
        next(events)
    assert last == encode_error_event(error)
    assert json.loads(last.removeprefix(b"data: ")) == {
        "error": {
            "message": "The provider broke.",
            "type": "server_error",
            "param": "p",
            "code": "upstream_error",
        }
    }


def test_defect_is_told_without_its_words() -> None:
    events = iter_events(fail(KeyError("secret")), include_usage=False)
    next(events)
    last = json.loads(next(events).removeprefix(b"data: "))
    assert last["error"]["message"] == "The gateway failed while it streamed the answer."
    with pytest.raises(InternalServerError):
        next(events)
