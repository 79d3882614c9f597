"""Recorded answers of every provider that speaks OpenAI's format, read by a strict client."""

from __future__ import annotations

import json
import random
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError, InvalidRequestError
from gateway.providers.openai.stream import iter_chunks
from gateway.providers.openai.whole import parse_completion
from gateway.types import RawChunk
from tests.cutting import cuts, iter_cuts
from tests.recordings import load, names
from tests.strict_openai import check_completion, check_stream

PROVIDERS = ("openai", "azure-openai", "deepseek", "groq", "mistral", "openai-compat", "openrouter")
FAILED = {
    ("openrouter", "stream-error-in-200-structured-no-usage-qwen3-5-35b-a3b"),
    ("openrouter", "whole-error-in-200-structured-qwen3-5-122b-a10b"),
}
CHATS = [
    (each, name)
    for each in PROVIDERS
    for name in names(each)
    if not name.startswith(("responses-", "completions-")) and (each, name) not in FAILED
]
STREAMS = [(each, name) for each, name in CHATS if "stream-" in name]
WHOLE = [(each, name) for each, name in CHATS if "whole-" in name]


def read(*pieces: bytes) -> list[RawChunk]:
    return list(chain.from_iterable(iter_chunks(iter(pieces), "a-model")))


def without_invented_ids(chunks: list[RawChunk]) -> Any:
    """Return the chunks with the ids of tool calls that had none, which are random, left out."""
    text = json.dumps(chunks)
    for chunk in chunks:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls") or ():
                text = text.replace(call.get("id", "\0"), "call")
    return json.loads(text)


def said(chunks: list[RawChunk], name: str) -> str:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get(name) or "" for delta in deltas)


def recorded_deltas(provider: str, name: str) -> list[dict[str, Any]]:
    """Return the deltas of a recording, read by nothing but ``json``."""
    lines = load(provider, name).body.decode().splitlines()
    events = [json.loads(line[5:]) for line in lines if line[:6].strip() == "data:" and "{" in line]
    return [choice.get("delta") or {} for each in events for choice in each["choices"]]


def test_there_are_recordings_of_all() -> None:
    assert {provider for provider, _ in STREAMS} == set(PROVIDERS)
    assert len(STREAMS) > 35
    assert len(WHOLE) > 65


@pytest.mark.parametrize(("provider", "name"), STREAMS)
def test_a_recorded_stream_is_read_by_a_strict_client(provider: str, name: str) -> None:
    chunks = read(load(provider, name).body)
    check_stream(chunks)
    assert [json.loads(chunk.raw[6:]) for chunk in chunks] == chunks
    assert sum(bool(choice["finish_reason"]) for chunk in chunks for choice in chunk["choices"]
               if "finish_reason" in choice) == 1  # fmt: skip


@pytest.mark.parametrize(("provider", "name"), STREAMS)
def test_a_recorded_stream_says_all_that_was_said(provider: str, name: str) -> None:
    deltas = recorded_deltas(provider, name)
    contents = [delta["content"] for delta in deltas if isinstance(delta.get("content"), str)]
    chunks = read(load(provider, name).body)
    assert said(chunks, "content") == "".join(contents)
    thoughts = [delta.get("reasoning_content") or delta.get("reasoning") or "" for delta in deltas]
    if any(thoughts):
        assert said(chunks, "reasoning_content") == "".join(thoughts)
    pieces = [call for delta in deltas for call in delta.get("tool_calls") or ()]
    told = [call for chunk in chunks for choice in chunk["choices"]
            for call in choice["delta"].get("tool_calls") or ()]  # fmt: skip
    for name in ("name", "arguments"):
        assert "".join(call["function"].get(name) or "" for call in told) == "".join(
            call["function"].get(name) or "" for call in pieces
        )


@pytest.mark.parametrize(("provider", "name"), STREAMS)
def test_a_recorded_stream_cut_anywhere_gives_the_same_chunks(provider: str, name: str) -> None:
    body = load(provider, name).body
    expected = without_invented_ids(read(body))
    every_byte = list(iter_cuts(body))
    few = [*random.Random(7).sample(every_byte, 25), every_byte[-1]]
    for pieces in every_byte if len(body) < 3000 else few:
        assert without_invented_ids(read(*pieces)) == expected


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_recorded_streams_are_the_same_in_any_pieces(data: st.DataObject) -> None:
    provider, name = data.draw(st.sampled_from(STREAMS))
    body = load(provider, name).body
    whole = without_invented_ids(read(body))
    assert without_invented_ids(read(*data.draw(cuts(body)))) == whole


@pytest.mark.parametrize(("provider", "name"), WHOLE)
def test_a_recorded_answer_is_read_by_a_strict_client(provider: str, name: str) -> None:
    body = load(provider, name).body
    answer = parse_completion(body, "a-model")
    check_completion(answer)
    assert json.loads(answer.raw) == answer
    recorded = json.loads(body)
    message = answer["choices"][0]["message"]
    original = recorded.get("choices", [{}])[0].get("message", {})
    if isinstance(original.get("content"), str):
        assert message["content"] == original["content"]
    thought = original.get("reasoning_content") or original.get("reasoning")
    if thought:
        assert message["reasoning_content"] == thought
    for ours, theirs in zip(
        message.get("tool_calls") or (), original.get("tool_calls") or (), strict=True
    ):
        assert ours["function"] == {"arguments": "{}", **theirs["function"]}


WITH_USAGE = [each for each in [*STREAMS, *WHOLE] if b'"prompt_tokens"' in load(*each).body]


@pytest.mark.parametrize(("provider", "name"), WITH_USAGE)
def test_usage_that_was_recorded_is_told(provider: str, name: str) -> None:
    body = load(provider, name).body
    answers = read(body) if (provider, name) in STREAMS else [parse_completion(body, "m")]
    usage = answers[-1]["usage"] or {}
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["total_tokens"] > 0


@pytest.mark.parametrize("name", [name for each, name in STREAMS if each == "openai"])
def test_openais_own_streams_keep_their_bytes(name: str) -> None:
    body = load("openai", name).body
    assert b"".join(chunk.raw for chunk in read(body)) == body.replace(b"data: [DONE]\n\n", b"")


@pytest.mark.parametrize("name", [name for each, name in WHOLE if each == "openai"])
def test_openais_own_answers_keep_their_bytes(name: str) -> None:
    body = load("openai", name).body
    assert parse_completion(body, "m").raw == body


def test_the_two_thoughtful_mistral_answers_have_their_thoughts_apart() -> None:
    whole = parse_completion(load("mistral", "whole-reasoning-mistral-small-latest").body, "m")
    message = whole["choices"][0]["message"]
    assert message["content"] == "4"
    assert message["reasoning_content"].startswith("The user is asking")
    chunks = read(load("mistral", "stream-reasoning-cache-magistral-medium-latest").body)
    assert said(chunks, "reasoning_content").startswith("Okay,")
    assert "thinking" not in said(chunks, "content")


@pytest.mark.parametrize(("provider", "name"), sorted(FAILED))
def test_an_error_inside_a_200_is_an_error(provider: str, name: str) -> None:
    body = load(provider, name).body
    for pieces in (body,), (body[:40], body[40:]):
        with pytest.raises(InvalidRequestError, match="Provider returned error"):
            read(*pieces)


@pytest.mark.parametrize(("provider", "name"), WHOLE)
def test_a_recorded_answer_told_as_a_stream_is_one(provider: str, name: str) -> None:
    body = load(provider, name).body
    check_stream(read(body))


@pytest.mark.parametrize(("provider", "name"), STREAMS)
def test_a_stream_cut_early_never_has_a_made_up_end(provider: str, name: str) -> None:
    body = load(provider, name).body
    first = body.find(b"data:")
    chunks = []
    try:
        for batch in iter_chunks(iter([body[: first + 40]])):
            chunks += batch
    except GatewayError:
        pass
    else:
        pytest.fail("a cut was not told")
    assert not any(choice.get("finish_reason") for chunk in chunks for choice in chunk["choices"])
