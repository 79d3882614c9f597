"""Chunks that add up to a whole answer, and choices that become one stream."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.chunks import Gathering, gather
from gateway.types import Chunk


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> Chunk:
    envelope: Any = {"id": "1", "object": "chat.completion.chunk", "created": 2, "model": "m"}
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, **more}
    envelope["choices"] = [choice]
    gathered: Chunk = envelope
    return gathered


def message(*chunks: Chunk) -> dict[str, Any]:
    said: dict[str, Any] = gather([[each] for each in chunks])["choices"][0]["message"]
    return said


def test_pieces_of_text_become_one_answer() -> None:
    usage: Any = {**chunk({}), "choices": [], "usage": {"total_tokens": 3}}
    stream = [
        [chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"})],
        [],
        [chunk({"content": "lo"}), chunk({}, "stop"), usage],
    ]
    assert gather(stream) == {
        "id": "1",
        "object": "chat.completion",
        "created": 2,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"total_tokens": 3},
    }


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_kept_under_its_name(name: str) -> None:
    said = message(chunk({name: "2 + "}), chunk({name: "2"}), chunk({"content": "4"}))
    assert said == {"role": "assistant", "content": "4", "refusal": None, name: "2 + 2"}


def test_a_refusal_has_no_content() -> None:
    said = message(chunk({"refusal": "I "}), chunk({"refusal": "won't"}, "stop"))
    assert said == {"role": "assistant", "content": None, "refusal": "I won't"}


def test_arguments_of_a_tool_call_come_in_pieces() -> None:
    begin = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    pieces: list[dict[str, Any]] = [
        {"index": 0, "function": {"arguments": text}} for text in ('{"a"', ": 1}")
    ]
    said = message(*(chunk({"tool_calls": [call]}) for call in (begin, *pieces)))
    function = {"name": "f", "arguments": '{"a": 1}'}
    assert said["tool_calls"] == [{"id": "c", "type": "function", "function": function}]
    assert said["content"] is None


def test_fields_of_a_provider_keep_their_last_value() -> None:
    first: Any = {**chunk({"content": "Hi"}, stop_reason=None), "system_fingerprint": "fp"}
    last: Any = {**chunk({}, "stop", stop_reason="</s>"), "x": {"id": 7}, "obfuscation": "aa"}
    completion = gather([[first], [last]])
    assert completion["system_fingerprint"] == "fp"
    assert completion["x"] == {"id": 7}
    assert "obfuscation" not in completion
    assert completion["choices"][0]["stop_reason"] == "</s>"


@pytest.mark.parametrize(
    "delta",
    [
        {"content": [{"type": "text"}]},
        {"audio": {"data": "AA=="}},
        {"tool_calls": [{"index": 0, "id": "c", "type": "shell", "shell": {"input": "x"}}]},
    ],
    ids=["parts", "audio", "tool of a new kind"],
)
def test_pieces_of_an_unknown_kind_are_noticed(delta: dict[str, Any]) -> None:
    gathering = Gathering()
    gathering.add([chunk({"role": "assistant", "content": "Hi", "audio": None})])
    assert gathering.is_whole
    gathering.add([chunk(delta)])
    assert not gathering.is_whole


def test_the_size_counts_all_text() -> None:
    gathering = Gathering()
    call = {"index": 0, "id": "c", "type": "function", "function": {"arguments": "xxxx"}}
    gathering.add([chunk({"content": "x"}), chunk({"reasoning": "xx"}), chunk({"refusal": "xxx"})])
    gathering.add([chunk({"tool_calls": [call]})])
    assert gathering.size == 10


def test_what_providers_say_besides_is_kept_with_the_message_and_the_call() -> None:
    extra = {"google": {"thought_signature": "AAAA"}}
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    gathering = Gathering()
    gathering.add([chunk({"content": "a"}), chunk({"extra_content": extra})])
    gathering.add([chunk({"tool_calls": [{**call, "extra_content": extra}]})])
    said = gathering.to_completion()["choices"][0]["message"]
    assert said["extra_content"] == extra
    assert said["tool_calls"][0]["extra_content"] == extra
    assert gathering.is_whole


def test_calls_of_custom_tools_are_joined_and_counted() -> None:
    gathering = Gathering()
    first = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "g", "input": "l"}}
    gathering.add([chunk({"tool_calls": [first]})])
    gathering.add([chunk({"tool_calls": [{"index": 0, "custom": {"input": "s"}}]})])
    said = gathering.to_completion()["choices"][0]["message"]
    assert said["tool_calls"] == [
        {"id": "c", "type": "custom", "custom": {"name": "g", "input": "ls"}}
    ]
    assert gathering.is_whole
    assert gathering.size == 2


def test_lists_that_come_in_pieces_are_joined() -> None:
    gathering = Gathering()
    first, second = {"signature": "a"}, {"signature": "b"}
    gathering.add([chunk({"thinking_blocks": [first]}), chunk({"content": "x"})])
    gathering.add([chunk({"thinking_blocks": [second], "citations": [{"start": 0}]})])
    said = gathering.to_completion()["choices"][0]["message"]
    assert said["thinking_blocks"] == [first, second]
    assert said["citations"] == [{"start": 0}]
    assert gathering.is_whole
    assert gathering.size > 20
