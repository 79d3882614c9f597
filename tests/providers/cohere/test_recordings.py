"""What the real Cohere answered, replayed in pieces of every size."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.errors import GatewayError, InvalidRequestError, NotFoundError, UpstreamError
from gateway.providers.cohere import Cohere
from tests import recordings
from tests.cutting import cuts, iter_cuts
from tests.providers.answers import deltas, finish_reason, text, tool_calls
from tests.providers.cohere.asking import ask, read, read_until_error, target

OLD = "stream-plain-command"
"""An answer of the older API, which is not asked."""

STREAMS = [name for name in recordings.names("cohere", "stream") if name != OLD]
WHOLE = recordings.names("cohere", "whole")
FINISH_REASONS = {"COMPLETE": "stop", "TOOL_CALL": "tool_calls", "MAX_TOKENS": "length"}


def _events(name: str) -> list[Any]:
    lines = recordings.load("cohere", name).body.splitlines()
    return [orjson.loads(line[6:]) for line in lines if line.startswith(b"data: {")]


def _messages(name: str) -> list[Any]:
    events = [event for event in _events(name) if event["type"] != "message-start"]
    return [(event.get("delta") or {}).get("message") or {} for event in events]


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_stream_reads_the_same_cut_at_every_byte(name: str) -> None:
    body = recordings.load("cohere", name).body
    call = ask(stream=True)
    whole = read([body], call)
    for pieces in iter_cuts(body, most=300):
        assert read(pieces, call) == whole


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=20)
@given(data=st.data())
def test_recorded_stream_reads_the_same_cut_anywhere(name: str, data: st.DataObject) -> None:
    body = recordings.load("cohere", name).body
    call = ask(stream=True)
    assert read(data.draw(cuts(body)), call) == read([body], call)


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_stream_keeps_every_text_call_and_count(name: str) -> None:
    messages = _messages(name)
    chunks = read(recordings.load("cohere", name).pieces)
    contents = [each["content"] for each in messages if "content" in each]
    assert text(chunks) == "".join(content.get("text", "") for content in contents)
    planned = "".join(each.get("tool_plan", "") for each in messages)
    thought = "".join(content.get("thinking", "") for content in contents)
    assert text(chunks, "reasoning_content") == planned + thought
    calls = tool_calls(chunks)
    recorded = [each["tool_calls"] for each in messages if "tool_calls" in each]
    assert [call["id"] for call in calls if "id" in call] == [
        c["id"] for c in recorded if "id" in c
    ]
    assert "".join(call["function"]["arguments"] for call in calls) == "".join(
        call["function"]["arguments"] for call in recorded
    )
    last = _events(name)[-1]["delta"]
    assert finish_reason(chunks) == FINISH_REASONS[last["finish_reason"]]
    usage: Any = chunks[-1]["usage"]
    tokens = last["usage"]["tokens"]
    assert usage["prompt_tokens"] == tokens["input_tokens"]
    assert usage["completion_tokens"] == tokens["output_tokens"]


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_stream_is_one_of_openai(name: str) -> None:
    chunks = read(recordings.load("cohere", name).pieces)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    assert [each["role"] for each in deltas(chunks) if "role" in each] == ["assistant"]
    assert deltas(chunks)[0]["role"] == "assistant"


@pytest.mark.parametrize("name", STREAMS)
def test_stream_without_its_end_is_an_error_after_what_came(name: str) -> None:
    body = recordings.load("cohere", name).body.partition(b"event: message-end")[0]
    chunks, error = read_until_error(body)
    assert type(error) is UpstreamError
    assert error.message == "The provider broke off its answer before the end."
    assert all(x["finish_reason"] is None for chunk in chunks for x in chunk["choices"])
    assert text(chunks) == text(read(recordings.load("cohere", name).pieces))


def test_an_answer_of_the_older_api_is_no_answer() -> None:
    chunks, error = read_until_error(recordings.load("cohere", OLD).body)
    assert (chunks, type(error)) == ([], UpstreamError)


@pytest.mark.parametrize("name", WHOLE)
def test_recorded_answer_says_what_the_model_said(name: str) -> None:
    recording = recordings.load("cohere", name)
    recorded = orjson.loads(recording.body)
    completion = ask().parse_response(recording.body)
    ChatCompletion.model_validate(completion, strict=True)
    (choice,) = completion["choices"]
    message, said = choice["message"], recorded["message"]
    blocks = said.get("content") or ()
    assert (message["content"] or "") == "".join(each.get("text", "") for each in blocks)
    thought = "".join(each.get("thinking", "") for each in blocks) + said.get("tool_plan", "")
    assert message.get("reasoning_content", "") == thought
    assert message.get("tool_calls", []) == said.get("tool_calls", [])
    assert message.get("citations") == said.get("citations")
    assert choice["finish_reason"] == FINISH_REASONS[recorded["finish_reason"]]
    tokens, usage = recorded["usage"]["tokens"], completion["usage"]
    assert usage["prompt_tokens"] == tokens["input_tokens"]
    assert usage["completion_tokens"] == tokens["output_tokens"]
    details = usage.get("prompt_tokens_details", {})
    assert details.get("cached_tokens") == recorded["usage"].get("cached_tokens")
    reasoning = usage.get("completion_tokens_details", {}).get("reasoning_tokens")
    assert reasoning == tokens.get("reasoning_tokens")


def test_recorded_citations_of_a_stream_are_kept() -> None:
    chunks = read(recordings.load("cohere", "stream-toolresult-command-r7b-12-2024").pieces)
    cited = [each for delta in deltas(chunks) for each in delta.get("citations", ())]
    assert [(each["start"], each["end"], each["text"]) for each in cited] == [(0, 6, "363.89")]


@pytest.mark.parametrize(
    ("name", "kind", "param", "code"),
    [
        (
            "embeddings-error-404-model-nonexistent-not-found-make-sure-the-co",
            NotFoundError,
            "model",
            "model_not_found",
        ),
        ("error-400-invalid-request-image-content-is-not-support", InvalidRequestError, None, None),
        (
            "error-400-invalid-request-image-content-is-not-support-2",
            InvalidRequestError,
            None,
            None,
        ),
        ("error-401-invalid-api-token", UpstreamError, None, "upstream_error"),
        (
            "error-404-model-bad-model-not-found-make-sure-the-corr",
            NotFoundError,
            "model",
            "model_not_found",
        ),
    ],
)
def test_recorded_error_is_told_in_openai_terms(
    name: str, kind: type[GatewayError], param: str | None, code: str | None
) -> None:
    recording = recordings.load("cohere", name)
    error = Cohere().parse_error(recording.status, recording.headers, recording.body, target())
    assert type(error) is kind
    assert (error.param, error.code) == (param, code)
    assert error.upstream_status == recording.status
    assert "token" not in error.message


def test_every_recorded_error_is_in_the_table_above() -> None:
    failed = [n for n in recordings.names("cohere") if recordings.load("cohere", n).status != 200]
    assert len(failed) == 5
