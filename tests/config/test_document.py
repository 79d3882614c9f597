"""``gateway.yaml`` as text: lines of values, names from the environment, faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.document import (
    Document,
    InterpolatedText,
    dotted,
    parse_document,
    read_text,
)
from gateway.errors import ConfigurationError


def _read(path: Path, text: str, problems: list[str] | None = None, **variables: str) -> Document:
    path = path / "g.yaml"
    path.write_text(text, encoding="utf-8")
    return parse_document(
        read_text(path, "g.yaml"), "g.yaml", variables, [] if problems is None else problems
    )


def test_every_value_has_its_line(tmp_path: Path) -> None:
    document = _read(tmp_path, "a:\n  b: 1\n\n  c: [x,\n      y]\nd: {e: on}\n")
    assert document.content == {"a": {"b": 1, "c": ["x", "y"]}, "d": {"e": True}}
    assert document.lines == {
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "c"): 4,
        ("a", "c", 0): 4,
        ("a", "c", 1): 5,
        ("d",): 6,
        ("d", "e"): 6,
    }
    assert document.describe(("a", "c", 1), "is wrong") == "g.yaml:5: a.c[1]: is wrong"
    assert document.describe(("a", "b", "new"), "is missing") == "g.yaml:2: a.b.new: is missing"


def test_names_come_from_the_environment(tmp_path: Path) -> None:
    text = 'a: ${KEY}\nb: "x-${KEY}-${TWO}"\nc: "$${KEY}"\nd: $5\n'
    document = _read(tmp_path, text, KEY="k", TWO="2")
    assert document.content == {"a": "k", "b": "x-k-2", "c": "${KEY}", "d": "$5"}
    interpolated = document.content["a"]
    assert isinstance(interpolated, InterpolatedText)
    assert interpolated.written == "${KEY}"


def test_what_comes_from_the_environment_is_not_read_again(tmp_path: Path) -> None:
    document = _read(tmp_path, "a: ${KEY}\n", KEY="${OTHER}: [1]")
    assert document.content == {"a": "${OTHER}: [1]"}


def test_problems_are_noted_with_their_line_and_left_out(tmp_path: Path) -> None:
    problems: list[str] = []
    text = (
        "a: 1\na: 2\nb: ${NO_SUCH}\nc: ['${BAD-NAME}', ok, '${open']\nd: {<<: {x: 1}}\n? [e]\n: 1\n"
    )
    document = _read(tmp_path, text, problems)
    assert document.content == {"a": 1, "c": ["ok"], "d": {}}
    assert problems == [
        "g.yaml:2: a: is set twice, first in line 1",
        "g.yaml:3: b: the environment variable NO_SUCH is not set",
        "g.yaml:4: c[0]: ${BAD-NAME} is not ${NAME}; write $${ for a plain ${",
        "g.yaml:4: c[2]: ${open is not ${NAME}; write $${ for a plain ${",
        "g.yaml:5: d: a key must be plain text",
        "g.yaml:6: a key must be plain text",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_says_nothing(tmp_path: Path, text: str) -> None:
    assert _read(tmp_path, text).content == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\n", "g.yaml:2: is not YAML: "),
        ("a: 1\n\tb: 2\n", "g.yaml:2: is not YAML: "),
        ("a: 1\n---\nb: 2\n", "g.yaml:2: is not YAML: "),
        ("a: *nowhere\n", "g.yaml:1: is not YAML: "),
        ("- a\n", "g.yaml:1: must be settings by name"),
        ("a: \x07\n", "g.yaml: is not YAML: "),
        ("[" * 5000, "g.yaml: is nested too deeply"),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _read(tmp_path, text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !!python/object:os.system x\n", "g.yaml:1: a: can't read 'x'"),
        ("a: 2024-99-99\n", "g.yaml:1: a: can't read '2024-99-99'"),
        ("a: &x [1, *x]\n", "g.yaml:1: a[1]: an alias can't hold itself"),
    ],
)
def test_unreadable_values_are_problems(tmp_path: Path, text: str, problem: str) -> None:
    problems: list[str] = []
    _read(tmp_path, text, problems)
    assert problems == [problem]


_SCALARS = st.none() | st.booleans() | st.integers() | st.text(alphabet="ab: #-'é\n${", max_size=6)
_KEYS = st.text(alphabet="ab.-/é", min_size=1, max_size=4)
_TREES = st.recursive(
    _SCALARS,
    lambda t: st.lists(t, max_size=3) | st.dictionaries(_KEYS, t, max_size=3),
    max_leaves=8,
)


def _escape(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _escape(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_escape(item) for item in tree]
    return tree.replace("${", "$${") if isinstance(tree, str) else tree


@given(st.dictionaries(_KEYS, _TREES, max_size=3))
def test_any_tree_is_read_as_written(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    text = yaml.safe_dump(_escape(tree), allow_unicode=True)
    problems: list[str] = []
    path = tmp_path_factory.getbasetemp() / "tree.yaml"
    path.write_text(text, encoding="utf-8")
    document = parse_document(read_text(path, "tree.yaml"), "tree.yaml", {}, problems)
    assert (document.content, problems) == (tree, [])


def test_paths_read_as_people_write_them() -> None:
    assert dotted(("providers", "a", "api_keys", 0)) == "providers.a.api_keys[0]"
