"""Whole answers told as streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.chunks import gather
from gateway.resilience.replay import iter_replayed
from gateway.types import Chunk

TEXTS = st.text(max_size=400) | st.text(alphabet="ab \n\N{SNOWMAN}", max_size=900)
SOME_TEXT = TEXTS.filter(bool)
TOKENS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=20)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.uuids().map(str),
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": SOME_TEXT, "arguments": TEXTS}),
        }
    ),
    min_size=1,
    max_size=4,
)


def entries(tokens: list[str]) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": -0.5, "bytes": None} for token in tokens]


@st.composite
def choices(draw: st.DrawFn, index: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    logprobs: dict[str, Any] | None = None
    kind = draw(st.sampled_from(["text", "refusal", "calls", "text and calls", "logprobs"]))
    if draw(st.booleans()):
        message[draw(st.sampled_from(["reasoning_content", "reasoning"]))] = draw(SOME_TEXT)
    if kind == "text":
        message["content"] = draw(TEXTS)
    elif kind == "refusal":
        message["refusal"] = draw(SOME_TEXT)
        if draw(st.booleans()):
            logprobs = {"content": None, "refusal": entries([message["refusal"]])}
    elif kind == "logprobs":
        tokens = draw(TOKENS)
        message["content"] = "".join(tokens) if draw(st.booleans()) else draw(TEXTS)
        logprobs = {"content": entries(tokens), "refusal": None}
    else:
        message["tool_calls"] = draw(CALLS)
        if kind == "text and calls":
            message["content"] = draw(SOME_TEXT)
    reason = draw(st.sampled_from(["stop", "length", "tool_calls"]))
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": reason}


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    number = draw(st.integers(1, 3))
    completion = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "fast",
        "choices": [draw(choices(index)) for index in range(number)],
    }
    if draw(st.booleans()):
        completion["system_fingerprint"] = "fp_1"
    if draw(st.booleans()):
        completion["usage"] = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    return completion


def completion_of(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", **more}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "fast",
        "choices": [choice],
        "usage": {"total_tokens": 7},
    }


def deltas(chunks: list[Any]) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        for choice in chunk["choices"]:
            yield choice["delta"]


def replay(completion: dict[str, Any]) -> list[Chunk]:
    return [chunk for batch in iter_replayed(completion) for chunk in batch]


@given(completions())
def test_a_replay_amounts_to_the_answer(completion: dict[str, Any]) -> None:
    assert gather(iter_replayed(completion)) == completion


@given(completions())
def test_a_replay_is_a_well_formed_stream(completion: dict[str, Any]) -> None:
    chunks = replay(completion)
    usage = chunks.pop() if "usage" in completion else None
    assert usage is None or (usage["choices"], usage["usage"]) == ([], completion["usage"])
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks} == {
        ("chatcmpl-1", 1_700_000_000, "fast")
    }
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert all("usage" not in chunk for chunk in chunks)
    for choice in completion["choices"]:
        parts = [
            part
            for chunk in chunks
            for part in chunk["choices"]
            if part["index"] == choice["index"]
        ]
        assert ["role" in part["delta"] for part in parts] == [True] + [False] * (len(parts) - 1)
        reasons = [part["finish_reason"] for part in parts]
        assert reasons == [None] * (len(parts) - 1) + [choice["finish_reason"]]


def test_text_is_cut_between_words() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 20
    chunks = replay(completion_of({"role": "assistant", "content": text}))
    pieces = [delta["content"] for delta in deltas(chunks) if "content" in delta]
    assert "".join(pieces) == text
    assert len(pieces) > 10
    assert all(piece.endswith(" ") for piece in pieces)
    assert max(map(len, pieces)) < 80


def test_text_without_words_is_cut_all_the_same() -> None:
    chunks = replay(completion_of({"role": "assistant", "content": "x" * 10_000}))
    assert max(len(delta.get("content", "")) for delta in deltas(chunks)) <= 320


def test_reasoning_comes_before_the_text() -> None:
    message = {"role": "assistant", "content": "4.", "reasoning_content": "2 + 2"}
    said = [name for delta in deltas(replay(completion_of(message))) for name in delta]
    assert said == ["role", "reasoning_content", "content"]


def test_log_probabilities_come_with_their_tokens() -> None:
    logprobs = {"content": entries(["Hel", "lo"]), "refusal": None}
    completion = completion_of({"role": "assistant", "content": "Hello"}, logprobs=logprobs)
    parts: list[Any] = [choice for chunk in replay(completion) for choice in chunk["choices"]]
    said = [(part["delta"].get("content"), part.get("logprobs")) for part in parts]
    assert said == [
        ("Hel", {"content": entries(["Hel"]), "refusal": None}),
        ("lo", {"content": entries(["lo"]), "refusal": None}),
        (None, None),
    ]


def test_fields_of_a_provider_survive() -> None:
    message = {"role": "assistant", "content": "Hi", "annotations": [{"type": "url_citation"}]}
    completion = completion_of(message, stop_reason="</s>") | {"service_tier": "flex"}
    chunks: list[Any] = replay(completion)
    assert {chunk["service_tier"] for chunk in chunks} == {"flex"}
    assert {"annotations": [{"type": "url_citation"}]} in list(deltas(chunks))
    assert chunks[-2]["choices"][0]["stop_reason"] == "</s>"


def test_content_in_parts_is_kept_in_one_piece() -> None:
    parts = [{"type": "text", "text": "Hi"}]
    chunks = replay(completion_of({"role": "assistant", "content": parts}))
    assert next(deltas(chunks)) == {"role": "assistant", "content": parts}
