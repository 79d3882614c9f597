"""ConverseStream as chunks: what the recordings don't show."""

from __future__ import annotations

import pytest

from gateway.errors import (
    GatewayError,
    InvalidRequestError,
    RateLimitError,
    ServiceUnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.providers.bedrock.answer import FINISH_REASONS
from tests.event_streams import encode_event, encode_exception, encode_message
from tests.providers.answers import deltas, finish_reason, text
from tests.providers.bedrock.asking import (
    ask,
    delta,
    end,
    read,
    read_until_error,
    start_call,
    stop_block,
)
from tests.providers.tools import WEATHER


def test_parallel_calls_are_numbered_and_have_arguments() -> None:
    pieces = [
        delta(0, text="well"),
        start_call(1, "f", "a"),
        delta(1, toolUse={"input": '{"x":'}),
        start_call(2, "g", "b"),
        delta(1, toolUse={"input": "1}"}),
        stop_block(2),
        stop_block(1),
        end("tool_use"),
    ]
    chunks = read(pieces)
    calls = [call for each in deltas(chunks) for call in each.get("tool_calls", ())]
    assert [(call["index"], call["id"]) for call in calls if "id" in call] == [
        (0, "a"),
        (1, "b"),
    ]
    arguments = {0: "", 1: ""}
    for call in calls:
        arguments[call["index"]] += call["function"]["arguments"]
    assert arguments == {0: '{"x":1}', 1: "{}"}
    assert finish_reason(chunks) == "tool_calls"


def test_only_the_first_call_is_told_where_the_client_allows_but_one() -> None:
    call = ask(stream=True, tools=[WEATHER], parallel_tool_calls=False)
    pieces = [
        start_call(0, "f", "a"),
        delta(0, toolUse={"input": "{}"}),
        stop_block(0),
        start_call(1, "g", "b"),
        delta(1, toolUse={"input": "{}"}),
        stop_block(1),
        end("tool_use"),
    ]
    calls = [c for each in deltas(read(pieces, call)) for c in each.get("tool_calls", ())]
    assert [c["id"] for c in calls if "id" in c] == ["a"]
    assert "".join(c["function"]["arguments"] for c in calls) == "{}"


def test_calls_of_the_servers_own_tools_are_not_the_clients() -> None:
    pieces = [
        start_call(0, "search", "a", type="server_tool_use"),
        delta(0, toolUse={"input": "{}"}),
        stop_block(0),
        delta(1, text="found"),
        end(),
    ]
    chunks = read(pieces)
    assert text(chunks) == "found"
    assert not any("tool_calls" in each for each in deltas(chunks))
    assert finish_reason(chunks) == "stop"


def test_signatures_come_with_the_whole_reasoning() -> None:
    pieces = [
        delta(0, reasoningContent={"text": "so "}),
        delta(0, reasoningContent={"text": "it is"}),
        delta(0, reasoningContent={"signature": "sig"}),
        stop_block(0),
        delta(1, reasoningContent={"redactedContent": "c2VjcmV0"}),
        stop_block(1),
        delta(2, text="42"),
        end(),
    ]
    chunks = read(pieces)
    assert text(chunks, "reasoning_content") == "so it is"
    blocks = [each for d in deltas(chunks) for each in d.get("thinking_blocks", ())]
    assert blocks == [
        {"type": "thinking", "thinking": "so it is", "signature": "sig"},
        {"type": "redacted_thinking", "data": "c2VjcmV0"},
    ]


def test_an_answer_that_says_nothing_has_a_role_and_an_end() -> None:
    chunks = read([end()])
    assert deltas(chunks) == [{"role": "assistant", "content": ""}, {}]
    assert finish_reason(chunks) == "stop"


@pytest.mark.parametrize("reason", FINISH_REASONS)
def test_every_known_reason_has_its_name_at_openai(reason: str) -> None:
    expected = "stop" if reason == "tool_use" else FINISH_REASONS[reason]
    assert finish_reason(read([delta(0, text="x"), end(reason)])) == expected


def test_an_unknown_reason_is_a_stop() -> None:
    assert finish_reason(read([delta(0, text="x"), end("something_new")])) == "stop"


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_malformed_output_is_an_error(reason: str) -> None:
    chunks, error = read_until_error(delta(0, text="x") + end(reason))
    assert (text(chunks), type(error)) == ("x", UpstreamError)


def test_cached_tokens_are_part_of_the_prompt() -> None:
    usage = read([end(cacheReadInputTokens=100, cacheWriteInputTokens=20)])[-1]["usage"]
    assert usage == {
        "prompt_tokens": 125,
        "completion_tokens": 7,
        "total_tokens": 132,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20},
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", RateLimitError),
        ("validationException", InvalidRequestError),
        ("serviceUnavailableException", ServiceUnavailableError),
        ("modelTimeoutException", UpstreamTimeoutError),
        ("modelStreamErrorException", UpstreamError),
        ("internalServerException", UpstreamError),
        ("somethingNewException", UpstreamError),
    ],
)
def test_an_exception_in_the_stream_is_an_error(name: str, kind: type[GatewayError]) -> None:
    body = delta(0, text="so far") + encode_exception(name, "It went wrong.")
    chunks, error = read_until_error(body)
    assert text(chunks) == "so far"
    assert type(error) is kind
    assert "It went wrong." in error.message


def test_an_error_message_of_the_framing_is_an_error() -> None:
    headers = {":message-type": "error", ":error-code": "Boom", ":error-message": "no"}
    _, error = read_until_error(encode_message(headers, b""))
    assert (type(error), error.message) == (UpstreamError, "The provider failed (HTTP 502): no")


@pytest.mark.parametrize(
    "body",
    [
        encode_message({":message-type": "event", ":event-type": "metadata"}, b"{"),
        encode_message({":message-type": "event", ":event-type": "metadata"}, b"[]"),
        delta(0, text=5),
        delta(0, toolUse={"input": "{}"}),
        encode_event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {}}}),
        b"<html>",
        b"",
    ],
)
def test_garbage_is_an_error(body: bytes) -> None:
    assert type(read_until_error(delta(0, text="x") + body)[1]) is UpstreamError


def test_unknown_events_say_nothing() -> None:
    pieces = [encode_event("novelty", {"x": 1}), delta(0, text="x"), delta(0, novelty=1), end()]
    assert text(read(pieces)) == "x"


def test_a_pause_is_passed_on() -> None:
    batches = ask(stream=True).iter_chunks(iter([b"", delta(0, text="x"), b"", end()]), 0)
    assert [len(batch) for batch in batches] == [0, 1, 0, 2]


def test_a_choice_keeps_its_number() -> None:
    batches = ask(n=2).iter_chunks(iter([delta(0, text="x"), end()]), 1)
    assert {x["index"] for batch in batches for chunk in batch for x in chunk["choices"]} == {1}
