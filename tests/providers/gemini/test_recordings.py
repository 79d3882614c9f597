"""What real Gemini models answered, whole and in pieces of every size."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chunks import gather
from gateway.errors import GatewayError, InvalidRequestError, NotFoundError, UpstreamError
from gateway.providers.gemini import Gemini
from tests import recordings
from tests.cutting import cuts
from tests.providers.answers import finish_reason, text, tool_calls, usage
from tests.providers.gemini.asking import (
    ask,
    read_pieces,
    read_until_error,
    read_whole,
    target,
    vertex_target,
)

Name = tuple[str, str]
ALL: list[Name] = [(door, name) for door in ("gemini", "vertex") for name in recordings.names(door)]
STREAMS = [each for each in ALL if each[1].startswith("stream-")]
WHOLE = [each for each in ALL if each[1].startswith("whole-")]
FAILED = [each for each in ALL if recordings.load(*each).status != 200]


def _ask(door: str, **fields: Any) -> Any:
    return ask(target() if door == "gemini" else vertex_target(), **fields)


def _pieces_of(body: bytes) -> list[Any]:
    """Return the objects of an answer, as they came."""
    if body.startswith(b"data:"):
        return [json.loads(each[5:]) for each in re.split(rb"\r\n\r\n", body) if each.strip()]
    parsed = json.loads(body)
    return parsed if isinstance(parsed, list) else [parsed]


def _expected(body: bytes) -> dict[str, Any]:
    """Return what an answer says, read in the plainest way."""
    pieces = _pieces_of(body)
    parts = [
        part
        for each in pieces
        for candidate in each.get("candidates", ())
        for part in candidate.get("content", {}).get("parts", ())
    ]
    count = [each["usageMetadata"] for each in pieces if "Count" in str(each["usageMetadata"])][-1]
    prompt = count.get("promptTokenCount", 0) + count.get("toolUsePromptTokenCount", 0)
    thoughts = count.get("thoughtsTokenCount", 0)
    completion = count.get("candidatesTokenCount", 0) + thoughts
    return {
        "content": "".join(p.get("text", "") for p in parts if not p.get("thought")),
        "reasoning": "".join(p.get("text", "") for p in parts if p.get("thought")),
        "calls": [
            (p["functionCall"]["name"], p["functionCall"].get("args", {}))
            for p in parts
            if "functionCall" in p
        ],
        "usage": (prompt, completion, thoughts),
    }


def _counts(told: dict[str, Any]) -> tuple[int, int, int]:
    thoughts = told.get("completion_tokens_details", {}).get("reasoning_tokens", 0)
    assert told["total_tokens"] == told["prompt_tokens"] + told["completion_tokens"]
    return told["prompt_tokens"], told["completion_tokens"], thoughts


def _calls(calls: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(each["function"]["name"], json.loads(each["function"]["arguments"])) for each in calls]


@pytest.mark.parametrize(("door", "name"), STREAMS)
def test_recorded_stream_says_what_the_model_said(door: str, name: str) -> None:
    recording = recordings.load(door, name)
    chunks = read_pieces(recording.pieces, _ask(door, stream=True))
    expected = _expected(recording.body)
    assert text(chunks) == expected["content"]
    assert text(chunks, "reasoning_content") == expected["reasoning"]
    assert _calls(tool_calls(chunks)) == expected["calls"]
    assert _counts(usage(chunks)) == expected["usage"]
    length = "MAX_TOKENS" in recording.body.decode()
    reason = "length" if length else "tool_calls" if expected["calls"] else "stop"
    assert finish_reason(chunks) == reason
    roles = [c["delta"].get("role") for chunk in chunks for c in chunk["choices"]]
    assert roles == ["assistant"] + [None] * (len(roles) - 1)


@pytest.mark.parametrize(("door", "name"), WHOLE)
def test_recorded_whole_answer_says_what_the_model_said(door: str, name: str) -> None:
    recording = recordings.load(door, name)
    completion = read_whole(recording.body, _ask(door))
    expected = _expected(recording.body)
    (choice,) = completion["choices"]
    message = choice["message"]
    assert (message["content"] or "") == expected["content"]
    assert message.get("reasoning_content", "") == expected["reasoning"]
    assert _calls(message.get("tool_calls", [])) == expected["calls"]
    assert choice["finish_reason"] == ("tool_calls" if expected["calls"] else "stop")
    assert _counts(completion["usage"]) == expected["usage"]
    assert completion["model"] == "my-model"


@pytest.mark.parametrize(("door", "name"), STREAMS)
def test_recorded_stream_reads_the_same_cut_around_every_event_and_byte_by_byte(
    door: str, name: str
) -> None:
    body = recordings.load(door, name).body
    call = _ask(door, stream=True)
    whole = _without_new_ids(read_pieces([body], call))
    ends = [match.start() for match in re.finditer(rb"\r\n\r\n|data: ", body)]
    places = sorted({at for end in ends for at in range(max(0, end - 2), end + 7)})
    for at in places:
        assert _without_new_ids(_read(call, [body[:at], body[at:]])) == whole
    single = [body[at : at + 1] for at in range(len(body))]
    assert _without_new_ids(_read(call, single)) == whole


def _read(call: Any, pieces: list[bytes]) -> list[Any]:
    return [chunk for batch in call.iter_chunks(iter(pieces), 0) for chunk in batch]


@pytest.mark.parametrize(("door", "name"), STREAMS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_recorded_stream_reads_the_same_cut_anywhere(
    door: str, name: str, data: st.DataObject
) -> None:
    body = recordings.load(door, name).body
    call = _ask(door, stream=True)
    pieces = data.draw(cuts(body))
    assert _without_new_ids(_read(call, pieces)) == _without_new_ids(_read(call, [body]))


def _without_new_ids(chunks: list[Any]) -> str:
    return re.sub(r"call_[0-9a-f]{24}", "call_new", json.dumps(chunks))


@pytest.mark.parametrize(("door", "name"), STREAMS)
def test_stream_gathers_to_what_it_would_have_been_whole(door: str, name: str) -> None:
    recording = recordings.load(door, name)
    streamed = gather([read_pieces(recording.pieces, _ask(door, stream=True))])
    array = json.dumps(_pieces_of(recording.body)).encode()
    whole = read_whole(array, _ask(door))
    for each in (streamed, whole):
        each.update(id="", created=0)
    assert _without_new_ids([streamed]) == _without_new_ids([_as_gathered(whole, streamed)])


def _as_gathered(whole: dict[str, Any], streamed: dict[str, Any]) -> dict[str, Any]:
    """Return a whole answer with its keys in the order of a gathered one."""
    (choice,), (model,) = whole["choices"], streamed["choices"]
    choice["message"] = {name: choice["message"].get(name) for name in model["message"]}
    ordered = {name: choice.get(name) for name in model}
    assert ordered.keys() == choice.keys()
    return {**{name: whole[name] for name in streamed}, "choices": [ordered]}


@pytest.mark.parametrize(("door", "name"), STREAMS)
def test_stream_without_its_last_event_is_an_error_after_what_came(door: str, name: str) -> None:
    pieces = recordings.load(door, name).pieces[:-1]
    chunks, error = read_until_error(b"".join(pieces), _ask(door, stream=True))
    assert type(error) is UpstreamError
    assert "broke off" in error.message
    assert all(choice["finish_reason"] is None for each in chunks for choice in each["choices"])


@pytest.mark.parametrize(
    ("name", "kind", "param", "code"),
    [
        ("count-tokens-error-404", NotFoundError, "model", "model_not_found"),
        ("embeddings-error-404", NotFoundError, "model", "model_not_found"),
        ("error-400-invalid-argument-gen", InvalidRequestError, "model", "invalid_value"),
        ("error-400-invalid-argument-log", InvalidRequestError, None, None),
        ("error-404-not-found", NotFoundError, "model", "model_not_found"),
        ("error-400-invalid-argument-cannot-fetch", InvalidRequestError, None, None),
    ],
)
def test_recorded_error_is_told_in_openai_terms(
    name: str, kind: type[GatewayError], param: str | None, code: str | None
) -> None:
    (found,) = [each for each in FAILED if each[1].startswith(name)]
    recording = recordings.load(*found)
    model = str(recording.request["path"]).rpartition("models/")[2].partition(":")[0]
    error = Gemini().parse_error(recording.status, recording.headers, recording.body, target(model))
    assert type(error) is kind
    assert (error.param, error.code) == (param, code)
    assert error.upstream_status == recording.status


def test_every_recorded_error_is_in_the_table_above() -> None:
    assert len(FAILED) == 6


@pytest.mark.parametrize(("door", "name"), [each for each in STREAMS + WHOLE if "tools" in each[1]])
def test_recorded_calls_go_back_as_they_came_even_without_unknown_fields(
    door: str, name: str
) -> None:
    recording = recordings.load(door, name)
    if name.startswith("stream-"):
        calls = tool_calls(read_pieces(recording.pieces, _ask(door, stream=True)))
    else:
        completion = read_whole(recording.body, _ask(door))
        calls = completion["choices"][0]["message"].get("tool_calls", [])
    plain = [{k: each[k] for k in ("id", "type", "function")} for each in calls]
    if not plain:
        return
    results = [{"role": "tool", "tool_call_id": each["id"], "content": "1"} for each in plain]
    request = _ask(
        door,
        messages=[
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "tool_calls": plain},
            *results,
        ],
    ).requests[0]
    _, model, answered = json.loads(request.body)["contents"]
    made = [
        part
        for each in _pieces_of(recording.body)
        for part in each["candidates"][0]["content"]["parts"]
        if "functionCall" in part
    ]
    assert [p["functionCall"]["args"] for p in model["parts"]] == [
        p["functionCall"]["args"] for p in made
    ]
    signed = [p.get("thoughtSignature") for p in made]
    if signed[0] is None:
        signed[0] = "skip_thought_signature_validator"
    assert [p.get("thoughtSignature") for p in model["parts"]] == signed
    assert [p["functionResponse"]["name"] for p in answered["parts"]] == [
        p["functionCall"]["name"] for p in made
    ]
    assert [p["functionResponse"]["id"] for p in answered["parts"]] == [
        p["functionCall"]["id"] for p in model["parts"]
    ]
