"""Answers piece by piece: what each part becomes, why answers end, and what is no answer."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import (
    GatewayError,
    RateLimitError,
    ServiceUnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.providers.gemini import Gemini, finish
from gateway.providers.gemini.signatures import parse_id
from tests.cutting import iter_cuts
from tests.providers.answers import deltas, finish_reason, text, tool_calls, usage
from tests.providers.gemini.asking import (
    ask,
    called,
    encode,
    part,
    piece,
    read,
    read_pieces,
    read_until_error,
    read_whole,
    target,
)
from tests.providers.tools import TIME, WEATHER

SIGNATURE = "Et4BCtsBAQw51scb57yHasGasjVnyfOaJ55iqkMHi+EqW3tdi0Ms/A=="
EXTRA = {"google": {"thought_signature": SIGNATURE}}
TARGET = "google/gemini-3-flash-preview"


def test_parts_of_one_piece_are_told_in_order() -> None:
    chunks = read(
        piece(part("hm", thought=True), part("a"), called("f", {"x": [1, None]}), reason="STOP")
    )
    first, second, third, last = deltas(chunks)
    assert first == {"role": "assistant", "reasoning_content": "hm"}
    assert second == {"content": "a"}
    (call,) = third["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": '{"x":[1,null]}'}
    assert (call["index"], call["type"]) == (0, "function")
    assert last == {}
    assert finish_reason(chunks) == "tool_calls"


def test_calls_of_several_pieces_are_numbered_and_have_ids_of_their_own() -> None:
    chunks = read(
        piece(called("f", id="1"), called("f")),
        piece(called("g", id="1"), called("g", signature=SIGNATURE), reason="STOP"),
    )
    calls = tool_calls(chunks)
    assert [each["index"] for each in calls] == [0, 1, 2, 3]
    assert calls[0]["id"] == "1"
    assert len({each["id"] for each in calls}) == 4
    assert parse_id(calls[3]["id"], TARGET)[1] == SIGNATURE
    assert calls[3]["extra_content"] == EXTRA
    assert "extra_content" not in calls[0]


def test_only_the_first_call_is_told_where_one_was_asked_for() -> None:
    call = ask(tools=[TIME, WEATHER], parallel_tool_calls=False, stream=True)
    chunks = read(piece(called("get_time"), called("get_weather"), reason="STOP"), call=call)
    assert [each["function"]["name"] for each in tool_calls(chunks)] == ["get_time"]


def test_older_functions_are_called_in_the_older_way() -> None:
    call = ask(functions=[TIME["function"]])
    answer = piece(called("get_time", {"a": 1}), reason="STOP")
    (choice,) = read_whole(answer, call)["choices"]
    assert choice["message"]["function_call"] == {"name": "get_time", "arguments": '{"a":1}'}
    assert choice["finish_reason"] == "function_call"


@pytest.mark.parametrize("signed", [part("a", thoughtSignature=SIGNATURE), None])
def test_signature_of_a_text_is_told_in_googles_field(signed: Any) -> None:
    parts = [signed] if signed else [part("a"), {"text": "", "thoughtSignature": SIGNATURE}]
    answer = piece(*parts, reason="STOP")
    assert [each["extra_content"] for each in deltas(read(answer)) if "extra_content" in each] == [
        EXTRA
    ]
    message = read_whole(answer)["choices"][0]["message"]
    assert (message["content"], message["extra_content"]) == ("a", EXTRA)


def test_images_are_told_as_data_uris() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": "AAAA"}
    answer = piece(part("look"), image, reason="STOP")
    told = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    assert [each["images"] for each in deltas(read(answer)) if "images" in each] == [told]
    assert read_whole(answer)["choices"][0]["message"]["images"] == told


def test_what_openai_has_no_word_for_is_kept() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    answer = piece(code, part("1"), reason="STOP")
    answer["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["q"]}
    kept = {"google": {"parts": [code], "grounding_metadata": {"webSearchQueries": ["q"]}}}
    whole = read_whole(answer)["choices"][0]
    assert whole["extra_content"] == kept
    assert whole["message"]["content"] == "1"
    (last,) = [c for each in read(answer) for c in each["choices"] if c["finish_reason"]]
    assert last["extra_content"] == kept  # type: ignore[typeddict-item]


REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(sorted(finish._FILTERED), "content_filter"),
    **dict.fromkeys(sorted(finish._FAILED), "stop"),
    "CONTINUATION": "stop",
    "A_REASON_OF_TOMORROW": "stop",
}


@pytest.mark.parametrize(("reason", "told"), REASONS.items())
def test_every_reason_has_its_word(reason: str, told: str) -> None:
    answer = piece(part("a"), reason=reason)
    assert finish_reason(read(answer)) == told
    assert read_whole(answer)["choices"][0]["finish_reason"] == told


@pytest.mark.parametrize("reason", types.FinishReason)
def test_every_reason_google_knows_is_known(
    reason: types.FinishReason, caplog: pytest.LogCaptureFixture
) -> None:
    finish._log_unknown_reason.cache_clear()
    read_whole(piece(part("a"), reason=reason.value))
    assert caplog.records == []


@pytest.mark.parametrize("reason", sorted(finish._FAILED))
def test_model_that_failed_before_it_said_anything_gave_no_answer(reason: str) -> None:
    answer = piece(part("hm", thought=True), reason=reason)
    with pytest.raises(UpstreamError, match=reason):
        read_whole(answer)
    chunks, error = read_until_error(encode(answer))
    assert text(chunks, "reasoning_content") == "hm"
    assert reason in error.message


def test_answer_cut_by_safety_has_no_content() -> None:
    answer = {"candidates": [{"content": {}, "finishReason": "SAFETY"}]}
    (choice,) = read_whole(answer)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "content_filter")
    chunks = read(answer)
    assert finish_reason(chunks) == "content_filter"
    assert deltas(chunks) == [{"role": "assistant", "content": ""}]


def test_blocked_prompt_is_one_choice_without_content() -> None:
    feedback = {"blockReason": "PROHIBITED_CONTENT"}
    answer = {"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 3}}
    completion = read_whole(answer)
    (choice,) = completion["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "content_filter")
    assert choice["extra_content"] == {"google": {"prompt_feedback": feedback}}
    assert completion["usage"]["prompt_tokens"] == 3
    chunks = read(answer)
    assert finish_reason(chunks) == "content_filter"
    assert deltas(chunks) == [{"role": "assistant", "content": None}]
    assert usage(chunks)["total_tokens"] == 3


def test_empty_answer_is_an_empty_answer() -> None:
    answer = {"candidates": [{"content": {"role": "model"}, "finishReason": "STOP"}]}
    assert read_whole(answer)["choices"][0]["message"]["content"] == ""
    assert deltas(read(answer)) == [{"role": "assistant", "content": ""}]


def test_reasons_with_every_piece_are_told_once_and_last() -> None:
    chunks = read(piece(part("a"), reason="STOP"), piece(part("b"), reason="STOP"))
    assert text(chunks) == "ab"
    assert finish_reason(chunks) == "stop"
    reasons = [choice["finish_reason"] for each in chunks for choice in each["choices"]]
    assert reasons == [None, None, "stop"]


def test_choices_are_told_apart() -> None:
    def both(*texts: str, reason: str | None = None) -> dict[str, Any]:
        candidates = []
        for index, each in enumerate(texts):
            (candidate,) = piece(part(each), reason=reason)["candidates"]
            candidates.append({**candidate, "index": index})
        return {"candidates": candidates}

    call = ask(n=2, stream=True)
    chunks = read(both("a", "x"), both("b", "y", reason="STOP"), call=call)
    for index, expected in enumerate(("ab", "xy")):
        own = [c for each in chunks for c in each["choices"] if c["index"] == index]
        assert "".join(each["delta"].get("content", "") for each in own) == expected
        assert [each["delta"].get("role") for each in own] == ["assistant", None, None]
        assert [each["finish_reason"] for each in own] == [None, None, "stop"]
    whole = read_whole(both("a", "b", reason="STOP"), ask(n=2))
    assert [each["message"]["content"] for each in whole["choices"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"promptTokenCount": 3, "candidatesTokenCount": 4}, (3, 4, None, None)),
        (
            {"promptTokenCount": 3, "candidatesTokenCount": 4, "thoughtsTokenCount": 5},
            (3, 9, None, 5),
        ),
        (
            {"promptTokenCount": 9, "toolUsePromptTokenCount": 2, "cachedContentTokenCount": 8},
            (11, 0, 8, None),
        ),
        ({"thoughtsTokenCount": 5}, (0, 5, None, 5)),
        ({"promptTokenCount": None, "candidatesTokenCount": -1}, (0, 0, None, None)),
    ],
)
def test_counts_are_openais(metadata: dict[str, Any], expected: tuple[Any, ...]) -> None:
    told = read_whole({**piece(part("a"), reason="STOP"), "usageMetadata": metadata})["usage"]
    assert told["total_tokens"] == told["prompt_tokens"] + told["completion_tokens"]
    assert (
        told["prompt_tokens"],
        told["completion_tokens"],
        told.get("prompt_tokens_details", {}).get("cached_tokens"),
        told.get("completion_tokens_details", {}).get("reasoning_tokens"),
    ) == expected


def test_the_last_counts_of_a_stream_are_the_right_ones() -> None:
    chunks = read(
        piece(part("a"), usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 1}),
        piece(part("b"), usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 2}),
        piece(part(""), reason="STOP", usageMetadata={"trafficType": "ON_DEMAND"}),
    )
    assert usage(chunks)["completion_tokens"] == 2
    assert [each for each in chunks if each.get("usage")] == chunks[-1:]


def test_log_probabilities_are_openais() -> None:
    def told(token: str, logprob: float) -> dict[str, Any]:
        return {"token": token, "tokenId": 1, "logProbability": logprob}

    answer = piece(part("hé"), reason="STOP")
    answer["candidates"][0]["logprobsResult"] = {
        "chosenCandidates": [told("h", -0.5), {"token": "é", "tokenId": 2}],
        "topCandidates": [{"candidates": [told("h", -0.5), told("H", -1)]}, {}],
    }
    expected = {
        "content": [
            {
                "token": "h",
                "logprob": -0.5,
                "bytes": [104],
                "top_logprobs": [
                    {"token": "h", "logprob": -0.5, "bytes": [104]},
                    {"token": "H", "logprob": -1.0, "bytes": [72]},
                ],
            },
            {"token": "é", "logprob": 0.0, "bytes": [195, 169], "top_logprobs": []},
        ],
        "refusal": None,
    }
    asked: dict[str, Any] = {"logprobs": True, "top_logprobs": 2}
    assert read_whole(answer, ask(**asked))["choices"][0]["logprobs"] == expected
    chunks = read(answer, call=ask(**asked, stream=True))
    assert chunks[0]["choices"][0]["logprobs"] == expected
    assert read_whole(answer)["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(
    "frame",
    [
        b"data: %b\n\n",
        b"data:%b\n\n",
        b"data: %b\r\r",
        b": hi\r\ndata: %b\r\n\r\n",
        b"event: x\ndata: %b\n\n",
    ],
)
def test_events_may_be_framed_in_any_way(frame: bytes) -> None:
    answers = [piece(part("a")), piece(part("b"), reason="STOP")]
    body = b"".join(frame % json.dumps(each).encode() for each in answers)
    assert text(read_pieces([body, b"data: [DONE]\n\n"])) == "ab"


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"{}",
        b"{",
        b'{"candidates":3}',
        b'{"candidates":[1]}',
        b'{"candidates":[{"index":"a"}]}',
        b'{"candidates":[{"content":{"parts":3}}]}',
        b'{"candidates":[{"content":{"parts":[1]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":3}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"inlineData":{}}]}}]}',
    ],
)
def test_what_is_no_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        ask().parse_response(body)
    _, error = read_until_error(b"data: %b\r\n\r\n" % body)
    assert type(error) is UpstreamError


def test_empty_stream_is_an_error() -> None:
    for body in (b"", b"\r\n\r\n", b": hi\r\n\r\n"):
        chunks, error = read_until_error(body)
        assert chunks == []
        assert "broke off" in error.message


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"code": 503, "message": "m", "status": "UNAVAILABLE"}, ServiceUnavailableError),
        ({"status": "RESOURCE_EXHAUSTED", "message": "m"}, RateLimitError),
        ({"code": 504}, UpstreamTimeoutError),
        ({"message": "?"}, UpstreamError),
        ("text", UpstreamError),
    ],
)
def test_error_in_a_stream_comes_after_what_was_said(told: Any, kind: type[GatewayError]) -> None:
    chunks, error = read_until_error(encode(piece(part("a")), {"error": told}))
    assert text(chunks) == "a"
    assert type(error) is kind


def _broken(body: bytes, error: GatewayError) -> Any:
    yield body
    raise error


def test_connection_that_breaks_after_the_end_does_no_harm() -> None:
    call = ask(stream=True)
    for error in (UpstreamError("gone"), UpstreamTimeoutError("silent")):
        batches = call.iter_chunks(_broken(encode(piece(part("a"), reason="STOP")), error), 0)
        assert finish_reason([chunk for batch in batches for chunk in batch]) == "stop"
        batches = call.iter_chunks(_broken(encode(piece(part("a"))), error), 0)
        with pytest.raises(type(error)):
            list(batches)


def test_whole_request_out_of_time_is_never_an_end() -> None:
    error = UpstreamTimeoutError("late", code="request_timeout")
    pieces = _broken(encode(piece(part("a"), reason="STOP")), error)
    with pytest.raises(UpstreamTimeoutError):
        list(ask(stream=True).iter_chunks(pieces, 0))


_NAMES = st.sampled_from(
    [
        "candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall",
        "name", "args", "id", "inlineData", "data", "mimeType", "finishReason", "index",
        "promptFeedback", "blockReason", "usageMetadata", "promptTokenCount", "error", "code",
        "message", "status", "details", "retryDelay", "violations", "logprobsResult",
        "chosenCandidates", "topCandidates", "token", "logProbability",
    ]
)  # fmt: skip
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)
_PARTS = st.lists(st.dictionaries(_NAMES, _ANYTHING, max_size=3), max_size=3)
_CANDIDATES = st.fixed_dictionaries(
    {},
    optional={
        "content": st.fixed_dictionaries({"parts": _PARTS}) | _ANYTHING,
        "finishReason": st.just("STOP") | _ANYTHING,
        "logprobsResult": st.fixed_dictionaries(
            {
                "chosenCandidates": st.just([{"token": "a"}]) | _ANYTHING,
                "topCandidates": st.lists(st.fixed_dictionaries({"candidates": _ANYTHING}))
                | _ANYTHING,
            }
        ),
        "index": _ANYTHING,
    },
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(_NAMES, _ANYTHING)
    | st.fixed_dictionaries({"candidates": st.lists(_CANDIDATES, max_size=2)})
    | st.fixed_dictionaries({"error": _ANYTHING})
)
def test_whatever_comes_is_an_answer_or_an_error(value: dict[str, Any]) -> None:
    body = json.dumps(value).encode()
    with contextlib.suppress(GatewayError):
        ask(logprobs=True).parse_response(body)
    with contextlib.suppress(GatewayError):
        list(ask(logprobs=True, stream=True).iter_chunks(iter([b"data: %b\r\n\r\n" % body]), 0))
    assert isinstance(Gemini().parse_error(400, {}, body, target()), GatewayError)


@pytest.mark.parametrize("tops", [3, [3], [{"candidates": 3}], [{"candidates": [3, {}]}], []])
def test_log_probabilities_that_are_none_are_left_out(tops: Any) -> None:
    answer = piece(part("a"), reason="STOP")
    result = {"chosenCandidates": [{"token": "a"}, {}, 3], "topCandidates": tops}
    answer["candidates"][0]["logprobsResult"] = result
    (entry,) = read_whole(answer, ask(logprobs=True))["choices"][0]["logprobs"]["content"]
    assert (entry["token"], entry["top_logprobs"]) == ("a", [])


@pytest.mark.parametrize("indent", [None, 2])
def test_pieces_that_come_as_a_list_are_a_stream_too(indent: int | None) -> None:
    pieces = [piece(part("Hel")), piece(part("lo"), reason="STOP")]
    body = json.dumps(pieces, indent=indent).encode()
    for cut in iter_cuts(body):
        chunks = read_pieces(cut)
        assert (text(chunks), finish_reason(chunks)) == ("Hello", "stop")
    assert text(read_pieces([b"\n", json.dumps(pieces[1]).encode()])) == "lo"


@pytest.mark.parametrize("body", [b"%b", b"[%b]", b"data: [%b]\r\n\r\n", b"[%b\n]\n"])
def test_an_error_without_an_event_of_its_own_is_that_error(body: bytes) -> None:
    error = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "Overloaded."}}
    _, told = read_until_error(body % json.dumps(error).encode())
    assert isinstance(told, ServiceUnavailableError)


@pytest.mark.parametrize("body", [b"[", b"[{}", b'{"candidates": [', b"[1]", b"[]", b"{}"])
def test_a_list_that_is_cut_or_no_answer_is_an_error(body: bytes) -> None:
    _, told = read_until_error(body)
    assert isinstance(told, UpstreamError)


def test_sketches_on_the_way_to_an_image_are_no_part_of_the_answer() -> None:
    sketch = part(inlineData={"mimeType": "image/png", "data": "AA=="}, thought=True)
    image = part(inlineData={"mimeType": "image/png", "data": "AQ=="})
    chunks = read(piece(sketch, image, reason="STOP"))
    shown = [each for delta in deltas(chunks) for each in delta.get("images", ())]
    assert [each["image_url"]["url"] for each in shown] == ["data:image/png;base64,AQ=="]
    assert chunks[-2]["choices"][0]["extra_content"] == {"google": {"parts": [sketch]}}  # type: ignore[typeddict-item]
