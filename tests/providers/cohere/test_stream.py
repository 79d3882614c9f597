"""Cohere's streams and whole answers: what the recordings don't show."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.errors import GatewayError, UpstreamError, UpstreamTimeoutError
from gateway.providers.cohere.answer import FINISH_REASONS
from tests.providers.answers import deltas, finish_reason, text
from tests.providers.cohere.asking import ask, end, event, read, read_until_error, said
from tests.providers.tools import TIME


def whole(message: Any, **fields: Any) -> dict[str, Any]:
    body = {"message": message, "finish_reason": "COMPLETE", "usage": {}, **fields}
    choice: dict[str, Any] = ask().parse_response(orjson.dumps(body))["choices"][0]
    return choice


def start(name: str, call_id: str, **more: Any) -> bytes:
    call = {"id": call_id, "type": "function", "function": {"name": name, **more}}
    return said("tool-call-start", tool_calls=call)


def piece(arguments: str) -> bytes:
    return said("tool-call-delta", tool_calls={"function": {"arguments": arguments}})


STOP = event("tool-call-end", index=0)


def test_calls_are_numbered_by_arrival_and_always_have_arguments() -> None:
    pieces = [start("f", "a", arguments=""), piece('{"x"'), piece(": 1}"), STOP]
    chunks = read([*pieces, start("g", "b"), STOP, end("TOOL_CALL")])
    calls = [call for each in deltas(chunks) for call in each.get("tool_calls", ())]
    assert [(call["index"], call["id"]) for call in calls if "id" in call] == [(0, "a"), (1, "b")]
    arguments = {0: "", 1: ""}
    for call in calls:
        arguments[call["index"]] += call["function"]["arguments"]
    assert arguments == {0: '{"x": 1}', 1: "{}"}


def test_only_the_first_call_is_told_where_the_client_allows_but_one() -> None:
    call = ask(stream=True, tools=[TIME], parallel_tool_calls=False)
    pieces = [start("f", "a"), STOP, start("g", "b"), piece("{}"), STOP, end("TOOL_CALL")]
    calls = [c for each in deltas(read(pieces, call)) for c in each.get("tool_calls", ())]
    assert [c["id"] for c in calls if "id" in c] == ["a"]
    body = {"message": {"tool_calls": [_call("a"), _call("b")]}, "finish_reason": "TOOL_CALL"}
    (choice,) = call.parse_response(orjson.dumps(body))["choices"]
    assert [each["id"] for each in choice["message"]["tool_calls"]] == ["a"]


def _call(call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": ""}}


def test_a_whole_call_without_arguments_has_none() -> None:
    message = whole({"tool_calls": [_call("a")]})["message"]
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert message["content"] is None


@pytest.mark.parametrize("reason", FINISH_REASONS)
def test_every_known_reason_has_its_name_at_openai(reason: str) -> None:
    expected = "stop" if reason == "TOOL_CALL" else FINISH_REASONS[reason]
    assert finish_reason(read([end(reason)])) == expected
    assert whole({"content": []}, finish_reason=reason)["finish_reason"] == expected


def test_an_unknown_reason_is_a_stop() -> None:
    assert finish_reason(read([end("SOMETHING_NEW")])) == "stop"


@pytest.mark.parametrize(
    ("reason", "kind"), [("ERROR", UpstreamError), ("TIMEOUT", UpstreamTimeoutError)]
)
def test_a_failure_is_no_reason(reason: str, kind: type[GatewayError]) -> None:
    chunks, error = read_until_error(said("content-delta", content={"text": "x"}) + end(reason))
    assert (text(chunks), type(error)) == ("x", kind)
    with pytest.raises(kind):
        whole({"content": []}, finish_reason=reason)


def test_logprobs_are_of_pieces_of_text() -> None:
    item = {"text": "Hé", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]}
    content = {"message": {"content": {"text": "Hé"}}}
    chunks = read([event("content-delta", delta=content, logprobs=item), end()])
    expected = {
        "content": [{"token": "Hé", "logprob": -0.75, "bytes": [72, 195, 169], "top_logprobs": []}],
        "refusal": None,
    }
    assert chunks[0]["choices"][0]["logprobs"] == expected
    assert whole({"content": [{"type": "text", "text": "Hé"}]}, logprobs=[item])["logprobs"] == (
        expected
    )


def test_usage_is_of_tokens_not_of_billed_units() -> None:
    usage = read([end(reasoning_tokens=3.0)])[-1]["usage"]
    assert usage == {
        "prompt_tokens": 5,
        "completion_tokens": 7,
        "total_tokens": 12,
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


def test_an_answer_that_says_nothing_has_a_role_and_an_end() -> None:
    assert deltas(read([end()])) == [{"role": "assistant", "content": ""}, {}]


def test_unknown_events_say_nothing() -> None:
    pieces = [event("novelty", delta={"x": 1}), event("debug", prompt="p"), b": hi\n\n"]
    assert text(read([*pieces, said("content-delta", content={"text": "x"}), end()])) == "x"


@pytest.mark.parametrize(
    "body",
    [
        b"data: {\n\n",
        b"data: []\n\n",
        event("error", message="no"),
        b'data: {"message": "too many"}\n\n',
        said("content-delta", content={"text": 5}),
        said("tool-call-start", tool_calls={"function": {}}),
        b"<html>",
        b"data: [DONE]\n\n",
    ],
)
def test_garbage_is_an_error_after_what_came(body: bytes) -> None:
    chunks, error = read_until_error(said("content-delta", content={"text": "x"}) + body)
    assert (text(chunks), type(error)) == ("x", UpstreamError)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"message": {"content": [{"type": "text"}]}}']
)
def test_a_body_that_is_no_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        ask().parse_response(body)


def test_a_pause_is_passed_on() -> None:
    batches = ask(stream=True).iter_chunks(iter([b"", end()[:9], b"", end()[9:]]), 0)
    assert [len(batch) for batch in batches] == [0, 0, 0, 3]


def test_a_call_that_was_not_ended_has_an_empty_object() -> None:
    function = {"name": "get_time", "arguments": ""}
    chunks = read([said("tool-call-start", tool_calls={"id": "a", "function": function}), end()])
    calls = [call for each in deltas(chunks) for call in each.get("tool_calls", ())]
    assert calls[-1] == {"index": 0, "function": {"arguments": "{}"}}
    assert finish_reason(chunks) == "tool_calls"


def test_logprobs_of_no_text_lose_nothing() -> None:
    content = {"message": {"content": {"text": "a"}}}
    chunks = read([event("content-delta", delta=content, logprobs={"token_ids": [1]}), end()])
    assert text(chunks) == "a"
    assert chunks[0]["choices"][0]["logprobs"] == {"content": [], "refusal": None}


def test_billed_units_count_where_no_tokens_are_told() -> None:
    usage = {"billed_units": {"input_tokens": 3, "output_tokens": 2}}
    last = event("message-end", delta={"finish_reason": "COMPLETE", "usage": usage})
    *_, counted = read([said("content-delta", content={"text": "a"}), last])
    assert (counted["usage"] or {})["total_tokens"] == 5
