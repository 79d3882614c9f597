"""What the real Bedrock answered, replayed in pieces of every size."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.errors import GatewayError, InvalidRequestError, NotFoundError, UpstreamError
from gateway.event_stream import iter_messages
from gateway.providers.bedrock import Bedrock
from tests import recordings
from tests.cutting import cuts, iter_cuts
from tests.providers.answers import deltas, finish_reason, text, tool_calls
from tests.providers.bedrock.asking import ask, read, read_until_error, target

STREAMS = recordings.names("bedrock", "converse-stream")
WHOLE = recordings.names("bedrock", "converse-whole")
EMBEDDINGS = recordings.names("bedrock", "invoke-whole")
FINISH_REASONS = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "guardrail_intervened": "content_filter",
}


def _events(name: str) -> list[tuple[str, Any]]:
    body = recordings.load("bedrock", name).body
    return [
        (str(message.headers[":event-type"]), orjson.loads(message.payload))
        for messages in iter_messages([body])
        for message in messages
    ]


def _counts(usage: dict[str, int]) -> tuple[int, int, int]:
    return usage["inputTokens"], usage["outputTokens"], usage["totalTokens"]


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_stream_reads_the_same_cut_at_every_byte(name: str) -> None:
    body = recordings.load("bedrock", name).body
    call = ask(stream=True)
    whole = read([body], call)
    for pieces in iter_cuts(body, most=300):
        assert read(pieces, call) == whole


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=20)
@given(data=st.data())
def test_recorded_stream_reads_the_same_cut_anywhere(name: str, data: st.DataObject) -> None:
    body = recordings.load("bedrock", name).body
    call = ask(stream=True)
    assert read(data.draw(cuts(body)), call) == read([body], call)


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_stream_keeps_every_text_call_and_count(name: str) -> None:
    events = _events(name)
    chunks = read(recordings.load("bedrock", name).pieces)
    said = [event["delta"] for kind, event in events if kind == "contentBlockDelta"]
    assert text(chunks) == "".join(each.get("text", "") for each in said)
    assert text(chunks, "reasoning_content") == "".join(
        each.get("reasoningContent", {}).get("text", "") for each in said
    )
    calls = tool_calls(chunks)
    assert "".join(call["function"]["arguments"] for call in calls) == "".join(
        each["toolUse"]["input"] for each in said if "toolUse" in each
    )
    (stop,) = [event for kind, event in events if kind == "messageStop"]
    assert finish_reason(chunks) == FINISH_REASONS[stop["stopReason"]]
    usage: Any = chunks[-1]["usage"]
    (counted,) = [event["usage"] for kind, event in events if kind == "metadata"]
    found = usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]
    assert found == _counts(counted)


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_stream_is_one_of_openai(name: str) -> None:
    chunks = read(recordings.load("bedrock", name).pieces)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    assert [each["role"] for each in deltas(chunks) if "role" in each] == ["assistant"]
    assert deltas(chunks)[0]["role"] == "assistant"


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("missing", [1, 2])
def test_stream_without_its_end_is_an_error_after_what_came(name: str, missing: int) -> None:
    pieces = recordings.load("bedrock", name).pieces[:-missing]
    chunks, error = read_until_error(b"".join(pieces))
    assert type(error) is UpstreamError
    assert error.message == "The provider broke off its answer before the end."
    assert all(x["finish_reason"] is None for chunk in chunks for x in chunk["choices"])


@pytest.mark.parametrize("name", WHOLE)
def test_recorded_answer_says_what_the_model_said(name: str) -> None:
    recording = recordings.load("bedrock", name)
    recorded = orjson.loads(recording.body)
    completion = ask().parse_response(recording.body)
    ChatCompletion.model_validate(completion, strict=True)
    (choice,) = completion["choices"]
    message = choice["message"]
    blocks = recorded["output"]["message"]["content"]
    texts = [
        each["text"]
        for block in blocks
        for each in block.get("citationsContent", {}).get("content", [block])
        if "text" in each
    ]
    assert (message["content"] or "") == "".join(texts)
    calls = [block["toolUse"] for block in blocks if "toolUse" in block]
    assert [
        (call["id"], call["function"]["name"], orjson.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls", ())
    ] == [(use["toolUseId"], use["name"], use["input"]) for use in calls]
    thoughts = [block["reasoningContent"] for block in blocks if "reasoningContent" in block]
    assert message.get("reasoning_content", "") == "".join(
        each["reasoningText"]["text"] for each in thoughts
    )
    assert choice["finish_reason"] == FINISH_REASONS[recorded["stopReason"]]
    usage = completion["usage"]
    found = usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]
    assert found == _counts(recorded["usage"])


def test_recorded_citations_are_kept() -> None:
    recording = recordings.load("bedrock", "converse-whole-file-citations-claude-sonnet-5")
    message = ask().parse_response(recording.body)["choices"][0]["message"]
    assert [each["title"] for each in message["citations"]] == ["company_policy"]
    chunks = read(recordings.load("bedrock", "converse-stream-file-claude-haiku-4-5").pieces)
    cited = [each for delta in deltas(chunks) for each in delta.get("citations", ())]
    assert [each["title"] for each in cited] == ["facts"]


def test_a_guardrails_trace_is_kept() -> None:
    recording = recordings.load("bedrock", "converse-whole-refusal-titan-text-express-v1")
    assert "guardrail" in ask().parse_response(recording.body)["trace"]


@pytest.mark.parametrize(
    ("name", "kind", "param", "code"),
    [
        (
            "converse-error-400-the-provided-model-identifier-is-invalid",
            NotFoundError,
            "model",
            "model_not_found",
        ),
        (
            "converse-error-400-this-model-doesn-t-support-the-s3uri-field-r",
            InvalidRequestError,
            None,
            None,
        ),
        (
            "converse-error-403-the-security-token-included-in-the-request-i",
            UpstreamError,
            None,
            "upstream_error",
        ),
        (
            "count-tokens-error-400-the-provided-model-identifier-is-invalid",
            NotFoundError,
            "model",
            "model_not_found",
        ),
        (
            "invoke-error-400-the-provided-model-identifier-is-invalid",
            NotFoundError,
            "model",
            "model_not_found",
        ),
        (
            "invoke-error-403-the-security-token-included-in-the-request-i",
            UpstreamError,
            None,
            "upstream_error",
        ),
    ],
)
def test_recorded_error_is_told_in_openai_terms(
    name: str, kind: type[GatewayError], param: str | None, code: str | None
) -> None:
    recording = recordings.load("bedrock", name)
    error = Bedrock().parse_error(recording.status, recording.headers, recording.body, target())
    assert type(error) is kind
    assert (error.param, error.code) == (param, code)
    assert error.upstream_status == recording.status
    assert "token" not in error.message


def test_every_recorded_error_is_in_the_table_above() -> None:
    failed = [n for n in recordings.names("bedrock") if recordings.load("bedrock", n).status != 200]
    assert len(failed) == 6


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_recorded_embeddings_are_a_list_of_openai(name: str) -> None:
    recording = recordings.load("bedrock", name)
    model = recording.request["path"].split("/")[2]
    request = {"model": "my-model", "input": "text"}
    call = Bedrock().build_embeddings(request, target(model))
    answer = call.parse_response(recording.body)
    CreateEmbeddingResponse.model_validate(answer, strict=True)
    assert len(answer["data"][0]["embedding"]) >= 256
