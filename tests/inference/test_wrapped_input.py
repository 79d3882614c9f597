"""A custom tool's input in a function's arguments: whole, in pieces, cut, and almost right."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inference.wrapped_input import InputReader, read_input, wrap_input

PATCH = '*** Begin Patch\n*** Update File: a.py\n@@\n-"\\u00e9"\n+\t"é😀"\n*** End Patch\n'
TEXTS = st.text() | st.just(PATCH)


@given(TEXTS)
def test_what_is_wrapped_is_read_again(text: str) -> None:
    assert read_input(wrap_input(text)) == text


@given(TEXTS, st.booleans(), st.sampled_from(["", " ", "\n  "]), st.data())
def test_pieces_of_any_size_add_up(
    text: str, is_ascii: bool, space: str, data: st.DataObject
) -> None:
    body = json.dumps(text, ensure_ascii=is_ascii)
    arguments = f'{space}{{{space}"input"{space}:{space}{body}{space}}}'
    cuts = sorted(data.draw(st.sets(st.integers(0, len(arguments)))))
    reader = InputReader()
    pieces = [
        arguments[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(arguments)], strict=True)
    ]
    told = "".join(map(reader.feed, pieces))
    assert text.startswith(told)
    assert told + reader.finish() == text
    assert reader.finish() == ""


def test_text_is_told_as_it_comes() -> None:
    reader = InputReader()
    pieces = ['{"inp', 'ut": "a', "b\\", 'n\\"', "\\ud83d", "\\ude00", 'c"', "}"]
    told = [reader.feed(piece) for piece in pieces]
    assert told == ["", "a", "b", '\n"', "", "😀", "c", ""]
    assert reader.finish() == ""


@given(TEXTS, st.integers(0, 400))
def test_arguments_that_are_cut_give_what_there_is_of_the_input(text: str, length: int) -> None:
    arguments = wrap_input(text)[:length]
    assert text.startswith(read_input(arguments))
    reader = InputReader()
    assert text.startswith(reader.feed(arguments) + reader.finish())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"patch": "ls"}', "ls"),
        ('{"cwd": "/", "input": "ls"}', "ls"),
        ('{"input": "two\nlines"}', "two\nlines"),
        ('{"input": {"a": 1}}', '{"input": {"a": 1}}'),
        ('{"a": "x", "b": "y"}', '{"a": "x", "b": "y"}'),
        ('"ls"', "ls"),
        ("ls -l", "ls -l"),
        ("{ls}", "{ls}"),
        ("5", "5"),
        ("{}", ""),
        ("", ""),
    ],
)
def test_what_models_write_otherwise_is_not_lost(arguments: str, text: str) -> None:
    assert read_input(arguments) == text
    reader = InputReader()
    assert "".join(map(reader.feed, arguments)) + reader.finish() == text
