"""Usage is hidden from a client that did not ask, and nothing else is."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import pytest

from gateway.dialects.openai_usage import without_usage
from gateway.providers.openai.stream import iter_chunks
from gateway.types import RawChunk
from tests.recordings import load, names

CHOICES = [{"index": 0, "delta": {"content": "a"}}]


def raw_chunk(data: bytes | dict[str, Any]) -> RawChunk:
    data = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":")).encode()
    chunk = RawChunk(json.loads(data))
    chunk.raw = b"data: " + data + b"\n\n"
    return chunk


def cut(data: bytes | dict[str, Any]) -> bytes:
    chunk = raw_chunk(data)
    before = (dict(chunk), chunk.raw)
    bare = without_usage(chunk)
    assert (dict(chunk), chunk.raw) == before
    assert bare is not None
    assert "usage" not in bare
    assert json.loads(bare.raw[6:]) == bare
    return bare.raw


@pytest.mark.parametrize("name", names("openai", "stream-"))
def test_recorded_stream_is_what_it_would_be_had_nobody_asked(name: str) -> None:
    body = load("openai", name).body
    bare = [without_usage(chunk) for chunk in chain.from_iterable(iter_chunks(iter([body])))]
    with_numbers = [event for event in body.split(b"\n\n") if b'"choices":[],"usage":{' in event]
    expected = [
        event.replace(b',"usage":null', b"") + b"\n\n"
        for event in body.split(b"\n\n")[:-2]
        if event not in with_numbers
    ]
    assert [chunk.raw for chunk in bare if chunk is not None] == expected
    assert bare.count(None) == len(with_numbers) == ("no-usage" not in name)


def test_a_chunk_without_usage_is_left_as_it_is() -> None:
    chunk = raw_chunk({"choices": CHOICES, "x": 1.0})
    assert without_usage(chunk) is chunk


def test_the_chunk_with_the_numbers_is_dropped() -> None:
    envelope = {"id": "a", "choices": [], "usage": {"total_tokens": 3}, "obfuscation": "x"}
    assert without_usage(raw_chunk(envelope)) is None
    assert without_usage(raw_chunk({**envelope, "moderation": None})) is None


def test_moderation_beside_the_numbers_stays() -> None:
    raw = cut({"choices": [], "usage": {"total_tokens": 3}, "moderation": {"flagged": True}})
    assert raw == b'data: {"choices":[],"moderation":{"flagged":true}}\n\n'


def test_numbers_beside_content_are_taken_out() -> None:
    raw = cut({"choices": CHOICES, "usage": {"total_tokens": 3}, "id": "a"})
    assert json.loads(raw[6:]) == {"choices": CHOICES, "id": "a"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"n":1e0,"choices":[],"usage":null}', b'{"n":1e0,"choices":[]}'),
        (b'{"n":1e0,"usage":null,"choices":[]}', b'{"n":1e0,"choices":[]}'),
        (b'{"usage":null,"choices":[]}', b'{"choices":[]}'),
        (b'{"choices":[], "usage": null}', b'{"choices":[]}'),
        (b'{"x":{"a":1,"usage":null},"choices":[],"usage": null}',
         b'{"x":{"a":1,"usage":null},"choices":[]}'),
        (b'{"x":{"a":1,"usage":null},"choices":[],"usage":null}',
         b'{"x":{"a":1,"usage":null},"choices":[]}'),
        (b'{"x":",\\"usage\\":null","choices":[],"n":1e0,"usage":null}',
         b'{"x":",\\"usage\\":null","choices":[],"n":1e0}'),
        (b'{"choices":[],"usage":{"a":1},"usage":null}', b'{"choices":[]}'),
    ],
)  # fmt: skip
def test_only_the_top_level_null_is_taken_out(data: bytes, expected: bytes) -> None:
    assert cut(data) == b"data: " + expected + b"\n\n"
