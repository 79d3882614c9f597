"""Whole completions from an upstream that was asked for a stream, and what is neither."""

from __future__ import annotations

import json
from itertools import chain

import pytest

from gateway.errors import UpstreamError
from gateway.providers.openai.stream import iter_chunks
from gateway.types import RawChunk
from tests.cutting import iter_cuts
from tests.recordings import load, names


def read(*pieces: bytes) -> list[RawChunk]:
    return list(chain.from_iterable(iter_chunks(iter(pieces))))


@pytest.mark.parametrize("name", names("openai", "whole-"))
def test_a_whole_completion_in_place_of_a_stream_becomes_chunks(name: str) -> None:
    body = load("openai", name).body
    completion = json.loads(body)
    message = completion["choices"][0]["message"]
    for pieces in [[body], [b" \n", b"", body[:1], body[1:90], body[90:]]]:
        chunks = read(*pieces)
        begin, end, usage = chunks
        assert {chunk["id"] for chunk in chunks} == {completion["id"]}
        assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
        delta = begin["choices"][0]["delta"]
        assert delta["role"] == "assistant"
        assert delta["content"] == message["content"]
        assert delta.get("tool_calls", []) == [
            {**call, "index": index} for index, call in enumerate(message.get("tool_calls", []))
        ]
        assert begin["choices"][0]["finish_reason"] is None
        assert end["choices"][0]["delta"] == {}
        assert end["choices"][0]["finish_reason"] == completion["choices"][0]["finish_reason"]
        assert usage["choices"] == []
        assert usage["usage"] == completion["usage"]
        assert [json.loads(chunk.raw[6:]) for chunk in chunks] == chunks


def test_a_whole_completion_without_finish_reason_or_usage_becomes_chunks() -> None:
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    chunks = read(json.dumps({"id": "a", "choices": [{"message": message}]}).encode())
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, "tool_calls"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>502</html>", "The provider answered with a web page."),
        (b'{"error":{"message":"no such model"}}', "The provider reported an error: no such model"),
        (b'{"object":"list","data":[]}', "The provider's answer has no list 'choices'."),
        (b'{"choices":[]}', "The provider's answer has no choices."),
        (b'{"choices":[{"index":0}]}', "The provider's answer has a choice without a message."),
        (b'{"choices":[{"message":{"tool_calls":[1]}}]}',
         "The provider's answer has tool calls that are not objects."),
        (b'{"choices":[{"mess', "The provider's answer is not JSON."),
        (b"[1]", "The provider's answer has no list 'choices'."),
    ],
)  # fmt: skip
def test_another_body_in_place_of_a_stream_is_an_error(body: bytes, message: str) -> None:
    for pieces in iter_cuts(body):
        with pytest.raises(UpstreamError) as raised:
            read(*pieces)
        assert type(raised.value) is UpstreamError
        assert raised.value.message == message
