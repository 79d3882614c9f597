"""Upstreams that stream where a whole answer was asked for, and the other way round."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from openai.types import Completion
from openai.types.chat import ChatCompletion

from gateway.dialects.completions import iter_frames, split_request
from gateway.errors import GatewayError, UpstreamError
from gateway.providers.openai.completions import OpenAICompletionsCall
from gateway.providers.openai.provider import OpenAIChatCall
from gateway.providers.openai.responses import ResponsesCall
from gateway.types import NativeCompletion
from tests.cutting import cuts, iter_cuts
from tests.recordings import load, names

CHAT = OpenAIChatCall((), streamed=False, model="m")
PROMPT = OpenAICompletionsCall((), streamed=False)
INSTRUCT = "plain-gpt-3-5-turbo-instruct"
WHOLE_PROMPT = load("openai", f"completions-whole-{INSTRUCT}").body
PROMPT_STREAM = load("openai", f"completions-stream-{INSTRUCT}").body


def event(**fields: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(fields).encode()


@pytest.mark.parametrize("name", names("openai", "stream-"))
def test_a_streamed_chat_is_read_whole(name: str) -> None:
    body = load("openai", name).body
    chunks = list(chain.from_iterable(CHAT.iter_chunks(iter((body,)), 0)))
    completion = CHAT.parse_response(body)
    ChatCompletion.model_validate(completion, strict=True)
    assert json.loads(completion.raw) == completion
    said = "".join(
        choice["delta"].get("content") or ""
        for chunk in chunks
        for choice in chunk.get("choices", ())
        if choice["index"] == 0
    )
    assert (completion["choices"][0]["message"]["content"] or "") == said


@pytest.mark.parametrize("beginning", [b"", b"\xef\xbb\xbf", b"\n\n", b": hello\n\n", b"id: 1\n"])
def test_however_the_stream_begins(beginning: bytes) -> None:
    delta = {"role": "assistant", "content": "Hi"}
    choice = {"index": 0, "delta": delta, "finish_reason": "stop"}
    body = beginning + event(id="a", choices=[choice]) + b"data: [DONE]\n\n"
    assert CHAT.parse_response(body)["choices"][0]["message"]["content"] == "Hi"


@pytest.mark.parametrize("is_native", [False, True])
@pytest.mark.parametrize("name", names("openai", "responses-stream"))
def test_a_streamed_response_is_read_whole(name: str, is_native: bool) -> None:
    body = load("openai", name).body
    call = ResponsesCall((), streamed=False, is_native=is_native)
    answer = call.parse_response(body)
    assert isinstance(answer, NativeCompletion) == is_native
    if isinstance(answer, NativeCompletion):
        told = json.loads(answer.raw)
        assert f'"id":"{told["id"]}"'.encode() in body


def test_a_streamed_prompt_is_read_whole_with_the_bytes_to_match() -> None:
    completion = PROMPT.parse_response(PROMPT_STREAM)
    told = json.loads(completion.raw)
    Completion.model_validate(told, strict=True)
    texts = [
        choice["text"]
        for line in PROMPT_STREAM.splitlines()
        if line.startswith(b"data: {")
        for choice in json.loads(line[6:])["choices"]
    ]
    assert told["choices"][0]["text"] == "".join(texts)
    assert told["choices"][0]["text"] == completion["choices"][0]["message"]["content"]
    assert told["choices"][0]["finish_reason"] in ("stop", "length")


def test_several_choices_their_logprobs_and_usage_are_put_together() -> None:
    def one(index: int, text: str, place: int, reason: str | None = None) -> bytes:
        logprobs = {"tokens": [text], "text_offset": [place], "token_logprobs": [-1.0]}
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}
        return event(id="c", object="text_completion", created=1, model="m", choices=[choice])

    usage = {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5}
    body = one(1, "b", 0) + one(0, "a", 0) + one(0, "c", 1, "stop") + one(1, "d", 1, "length")
    told = json.loads(PROMPT.parse_response(body + event(choices=[], usage=usage)).raw)
    assert [choice["text"] for choice in told["choices"]] == ["ac", "bd"]
    assert [choice["finish_reason"] for choice in told["choices"]] == ["stop", "length"]
    assert told["choices"][1]["logprobs"]["text_offset"] == [0, 1]
    assert (told["id"], told["usage"]) == ("c", usage)


@pytest.mark.parametrize(
    "body",
    [
        b"data: [DONE]\n\n",
        b": only a comment\n\n",
        event(choices=[{"index": 0, "text": "cut", "delta": {"content": "cut"}}]),
        event(type="response.output_text.delta"),
        event(error={"message": "no", "type": "server_error"}),
    ],
)
def test_a_stream_that_is_no_whole_answer_is_a_failure(body: bytes) -> None:
    for call in (CHAT, PROMPT, ResponsesCall((), streamed=False, is_native=True)):
        with pytest.raises(GatewayError):
            call.parse_response(body)


@pytest.mark.parametrize("asked", [False, True])
def test_a_whole_answer_to_a_prompt_in_place_of_a_stream_becomes_one(asked: bool) -> None:
    batches = PROMPT.iter_chunks(iter([b" \n", WHOLE_PROMPT[:5], WHOLE_PROMPT[5:]]), 0)
    body = {"model": "m", "prompt": "hi", "stream_options": {"include_usage": asked}}
    (request,) = split_request(json.dumps({**body, "stream": True}).encode())
    *events, done = b"".join(iter_frames(iter(list(batches)), request)).split(b"\n\n")[:-1]
    assert done == b"data: [DONE]"
    told = [json.loads(each.removeprefix(b"data: ")) for each in events]
    for each in told:
        Completion.model_validate(each, strict=True)
    whole = json.loads(WHOLE_PROMPT)
    assert told[0]["choices"] == whole["choices"]
    assert [each.get("usage") for each in told] == [None, whole["usage"]][: 1 + asked]


@given(cuts(WHOLE_PROMPT))
def test_cuts_of_it_change_nothing(pieces: list[bytes]) -> None:
    def read(pieces: list[bytes]) -> list[Any]:
        return [
            (dict(each), each.raw)
            for batch in PROMPT.iter_chunks(iter(pieces), 0)
            for each in batch
        ]

    assert read(pieces) == read([WHOLE_PROMPT])


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"choices":[]}', b'{"error":{"message":"no"}}', b'{"choices":[{"te']
)
def test_another_body_in_place_of_a_prompts_stream_is_a_failure(body: bytes) -> None:
    for pieces in iter_cuts(body):
        with pytest.raises(UpstreamError):
            list(PROMPT.iter_chunks(iter(pieces), 0))
