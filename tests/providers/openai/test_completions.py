"""Prompts in OpenAI's own format, passed on: requests, recorded answers, cuts, errors."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given

from gateway.chunks import gather
from gateway.config.settings import ModelSettings, ProviderSettings, Target
from gateway.dialects.completions import iter_frames, split_request
from gateway.errors import GatewayError, UpstreamError
from gateway.providers.openai import OpenAI
from gateway.providers.openai.completions import OpenAICompletionsCall
from gateway.types import NativeCompletion
from tests.cutting import cuts
from tests.recordings import load

MODEL = "gpt-3.5-turbo-instruct"
STREAM = load("openai", "completions-stream-plain-gpt-3-5-turbo-instruct").body
WHOLE = load("openai", "completions-whole-plain-gpt-3-5-turbo-instruct").body


def target(model: str = MODEL, **settings: Any) -> Target:
    provider = ProviderSettings("openai", "openai", "https://api.openai.com/v1", **settings)
    return Target(provider, model, "instruct")


def build(stream: bool = True, **fields: Any) -> OpenAICompletionsCall:
    body = {"model": "instruct", "prompt": "hi", "stream": stream, **fields}
    (request,) = split_request(orjson.dumps(body))
    call = OpenAI().build_chat(request, target(), None)
    assert isinstance(call, OpenAICompletionsCall)
    return call


def test_a_prompt_goes_on_as_it_came() -> None:
    (request,) = build(suffix="!", best_of=3, echo=True).requests
    assert request.path == "/completions"
    assert orjson.loads(request.body or b"") == {
        "model": MODEL,
        "prompt": "hi",
        "stream": True,
        "suffix": "!",
        "best_of": 3,
        "echo": True,
        "stream_options": {"include_usage": True},
    }


def test_only_models_that_complete_prompts_are_asked_so() -> None:
    openai = OpenAI()
    assert openai.speaks("completions", target())
    assert not openai.speaks("completions", target("gpt-4o"))
    inserting = {"local": ModelSettings(capabilities=frozenset({"completion", "insert"}))}
    assert openai.speaks("completions", target("local", models=inserting))


def test_a_recorded_stream_is_read_and_keeps_its_events() -> None:
    batches = list(build().iter_chunks(iter([STREAM]), 0))
    completion = gather(batches)
    assert completion["choices"][0]["message"]["content"]
    assert completion["choices"][0]["finish_reason"] in ("stop", "length")
    (request,) = split_request(b'{"model":"m","prompt":"a","stream":true}')
    told = b"".join(iter_frames(iter(batches), request))
    events = [each for each in STREAM.split(b"\n\n") if b'"text"' in each]
    assert [each for each in told.split(b"\n\n") if b'"text"' in each] == events


@given(cuts(STREAM))
def test_cuts_change_nothing(pieces: list[bytes]) -> None:
    def read(pieces: list[bytes]) -> list[Any]:
        batches = build().iter_chunks(iter(pieces), 0)
        return [(dict(each), each.raw) for batch in batches for each in batch]

    assert read(pieces) == read([STREAM])


def test_a_recorded_answer_is_read_and_keeps_its_bytes() -> None:
    completion = build(stream=False).parse_response(WHOLE)
    assert isinstance(completion, NativeCompletion)
    assert completion.raw == WHOLE
    assert completion["choices"][0]["message"]["content"]
    assert completion["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data: {\n\n",
        b'data: {"choices": 1}\n\n',
        b'data: {"choices":[{"text":"a","index":0,"finish_reason":null}]}\n\n',
        b'data: {"error":{"message":"no","type":"server_error"}}\n\n',
    ],
)
def test_what_is_no_whole_stream_is_a_failure(body: bytes) -> None:
    with pytest.raises(GatewayError):
        list(build().iter_chunks(iter([body]), 0))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"choices":[]}', b'{"choices":[1]}'])
def test_what_is_no_answer_is_a_failure(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        build(stream=False).parse_response(body)
