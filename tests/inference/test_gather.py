"""Chunks put together: into one answer, however they were cut, and several streams into one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamError
from gateway.inference.gather import gather, has_content, merge
from gateway.types import Chunk

TEXTS = ("content", "reasoning_content", "refusal")

texts = st.lists(st.text(min_size=1, max_size=5), max_size=4)
tokens = st.lists(st.fixed_dictionaries({"token": st.text(max_size=3)}), min_size=1, max_size=3)
calls = st.lists(
    st.tuples(st.text("abc", min_size=1, max_size=5), st.lists(st.text(max_size=4), max_size=4)),
    max_size=3,
)


def chunk(*choices: dict[str, Any], **fields: Any) -> Any:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    return {**head, "choices": list(choices), **fields}


def delta(index: int = 0, finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    logprobs = fields.pop("logprobs", None)
    choice = {"index": index, "delta": fields, "finish_reason": finish_reason}
    return choice if logprobs is None else {**choice, "logprobs": logprobs}


@st.composite
def choices(draw: st.DrawFn, index: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Draw one choice as deltas, and as it has to be in the whole answer."""
    parts = {name: draw(texts) for name in TEXTS}
    drawn_calls = draw(calls)
    logprobs = draw(st.one_of(st.none(), tokens))
    reason = draw(st.sampled_from(["stop", "length", "tool_calls"]))
    deltas = [delta(index, role="assistant", content="")]
    deltas += [delta(index, **{name: text}) for name in TEXTS for text in parts[name]]
    for number, (name, fragments) in enumerate(drawn_calls):
        deltas.append(delta(index, tool_calls=[first_fragment(number, name)]))
        deltas += [
            delta(index, tool_calls=[{"index": number, "function": {"arguments": fragment}}])
            for fragment in fragments
        ]
    for token in logprobs or ():
        deltas.append(delta(index, content="", logprobs={"content": [token], "refusal": None}))
    deltas.append(delta(index, reason))
    content = "".join(parts["content"])
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content if content or not drawn_calls else None,
        "refusal": "".join(parts["refusal"]) if parts["refusal"] else None,
    }
    if parts["reasoning_content"]:
        message["reasoning_content"] = "".join(parts["reasoning_content"])
    if drawn_calls:
        message["tool_calls"] = [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {"name": name, "arguments": "".join(fragments)},
            }
            for number, (name, fragments) in enumerate(drawn_calls)
        ]
    whole = {
        "index": index,
        "message": message,
        "logprobs": None if logprobs is None else {"content": logprobs, "refusal": None},
        "finish_reason": reason,
    }
    return deltas, whole


def first_fragment(number: int, name: str) -> dict[str, Any]:
    function = {"name": name, "arguments": ""}
    return {"index": number, "id": f"call_{number}", "type": "function", "function": function}


@given(st.data(), st.integers(1, 3))
def test_whole_answer_is_what_the_stream_says_however_it_is_batched(
    data: st.DataObject, count: int
) -> None:
    drawn = [data.draw(choices(index)) for index in range(count)]
    waiting = [list(deltas) for deltas, _ in drawn]
    batches: list[list[Chunk]] = [[]]
    while any(waiting):
        deltas = data.draw(st.sampled_from([each for each in waiting if each]))
        batches[-1].append(chunk(deltas.pop(0)))
        batches += [[]] * data.draw(st.integers(0, 1))
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    batches.append([chunk(usage=usage)])
    assert gather(batches) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [whole for _, whole in drawn],
        "usage": usage,
    }


def test_answer_without_usage_has_none() -> None:
    assert "usage" not in gather([[chunk(delta(content="a"))]])


def test_function_call_of_old_is_gathered_too() -> None:
    fragments = [{"name": "f", "arguments": ""}, {"arguments": "{"}, {"arguments": "}"}]
    completion = gather([[chunk(delta(function_call=fragment)) for fragment in fragments]])
    message = completion["choices"][0]["message"]
    assert message["function_call"] == {"name": "f", "arguments": "{}"}
    assert message["content"] is None


def test_logprobs_of_a_refusal_are_gathered_too() -> None:
    deltas = [delta(logprobs={"content": None, "refusal": [{"token": t}]}) for t in ("a", "b")]
    (choice,) = gather([[chunk(each) for each in deltas]])["choices"]
    assert choice["logprobs"] == {"content": None, "refusal": [{"token": "a"}, {"token": "b"}]}


def test_failure_of_the_stream_is_raised() -> None:
    def broken() -> Iterator[list[Chunk]]:
        yield [chunk(delta(content="a"))]
        raise UpstreamError("cut")

    with pytest.raises(UpstreamError, match="cut"):
        gather(broken())


@pytest.mark.parametrize(
    ("said", "is_content"),
    [
        (chunk(), False),
        (chunk(delta(role="assistant", content="")), False),
        (chunk(usage={"total_tokens": 1}), False),
        ({"choices": [{"index": 0, "delta": None}]}, False),
        ({}, False),
        (chunk(delta(content="a")), True),
        (chunk(delta(reasoning_content="a")), True),
        (chunk(delta(reasoning="a")), True),
        (chunk(delta(refusal="a")), True),
        (chunk(delta(tool_calls=[{"index": 0}])), True),
        (chunk(delta(function_call={"name": "f"})), True),
        (chunk(delta(audio={"data": "x"})), True),
        (chunk(delta(finish_reason="stop")), True),
        (chunk(delta(), delta(1, content="a")), True),
    ],
)
def test_content_is_what_a_reader_would_see(said: Any, is_content: bool) -> None:
    assert has_content(said) is is_content


class Streams:
    """Several streams that pause where their scripts have ``[]``, and who was waited for."""

    def __init__(self, *scripts: list[list[Chunk]]) -> None:
        self.streams = [iter(script) for script in scripts]
        self.waits: list[list[int]] = []
        self.ready = True

    def wait(self, running: list[int]) -> bool:
        self.waits.append(running)
        return self.ready


@given(st.data(), st.integers(1, 4))
def test_merged_stream_has_all_chunks_in_the_order_of_each(data: st.DataObject, count: int) -> None:
    scripts = []
    for index in range(count):
        size = data.draw(st.integers(1, 4))
        script = [[chunk(delta(index, content=str(number)))] for number in range(size)]
        for place in sorted(data.draw(st.lists(st.integers(0, size), max_size=3)), reverse=True):
            script.insert(place, [])
        tokens = {"prompt_tokens": 5, "completion_tokens": size, "total_tokens": 5 + size}
        scripts.append([*script, [chunk(usage=tokens)]])
    streams = Streams(*scripts)
    merged = list(chain.from_iterable(merge(streams.streams, streams.wait)))
    said = [each for each in merged if each["choices"]]
    for index in range(count):
        own = [each for each in said if each["choices"][0]["index"] == index]
        whole = [each for each in chain.from_iterable(scripts[index]) if each["choices"]]
        assert own == whole
    completion = len(said)
    assert [each["usage"] for each in merged if not each["choices"]] == [
        {"prompt_tokens": 5, "completion_tokens": completion, "total_tokens": 5 + completion}
    ]
    assert not merged[-1]["choices"]


def test_merge_waits_only_for_those_that_run() -> None:
    streams = Streams([], [[], [chunk(delta(1, content="a"))]])
    assert list(merge(streams.streams, streams.wait)) == [[chunk(delta(1, content="a"))]]
    assert streams.waits == [[1]]


def test_ping_that_is_due_is_an_empty_batch() -> None:
    streams = Streams([[], [chunk(delta(content="a"))]], [[], []])
    streams.ready = False
    assert next(merge(streams.streams, streams.wait)) == []


def test_one_stream_that_fails_fails_all() -> None:
    def broken() -> Iterator[list[Chunk]]:
        yield []
        raise UpstreamError("cut")

    script = [[chunk(delta(content="a"))], [chunk(delta(content="b"))]]
    merged = merge([iter(script), broken()], lambda running: True)
    assert next(merged) == [chunk(delta(content="a"))]
    with pytest.raises(UpstreamError, match="cut"):
        next(merged)
