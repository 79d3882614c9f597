"""A YAML file read into plain values, with the line of each.

Knows YAML and ``${NAME}``. Must not know what settings there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gateway.errors import ConfigurationError

ValuePath = tuple[str | int, ...]
"""Where a value is in a document: keys of mappings and positions in lists."""

_INTERPOLATION = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NULL_TAG = "tag:yaml.org,2002:null"
_MERGE_TAG = "tag:yaml.org,2002:merge"


class InterpolatedText(str):
    """Text that came at least partly from the environment; ``written`` is what the file has."""

    written: str


@dataclass(frozen=True)
class Document:
    """A file's content: mappings have text as keys, all else is as YAML has it."""

    name: str
    content: dict[str, Any] = field(default_factory=dict)
    lines: Mapping[ValuePath, int] = field(default_factory=dict)

    def origin(self, path: ValuePath) -> str:
        """Return ``file:line`` of the value at ``path``, or of what is around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines.get(path, 1)}"

    def describe(self, path: ValuePath, message: str) -> str:
        """Return the sentence about what is wrong at ``path``."""
        return ": ".join(part for part in (self.origin(path), dotted(path), message) if part)


def dotted(path: ValuePath) -> str:
    """Return ``providers.backup.api_keys[0]`` for people to read."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def read_text(path: Path, name: str) -> str:
    """Return the text of the file at ``path``, called ``name`` in messages.

    Raises ``ConfigurationError`` where it can't be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigurationError(f"{name}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name} can't be read: {error}") from error


def parse_document(
    text: str, name: str, variables: Mapping[str, str], problems: list[str]
) -> Document:
    """Parse the YAML ``text`` of the file called ``name`` in messages.

    ``${NAME}`` becomes the text of ``variables[NAME]`` and ``$${`` becomes ``${``.
    Duplicate keys and unset variables are noted in ``problems``, and what they
    stand in is left out. Raises ``ConfigurationError`` where there is no telling
    what the file says.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigurationError(f"{name}:{line}: is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name}: is not YAML: {error}") from error
    except RecursionError as error:
        raise ConfigurationError(f"{name}: is nested too deeply") from error
    if root is None or root.tag == _NULL_TAG:
        return Document(name)
    if not isinstance(root, yaml.MappingNode):
        raise ConfigurationError(f"{name}:1: must be settings by name, such as providers:")
    reader = _Reader(name, variables, problems)
    content = reader.read_mapping(root, ())
    return Document(name, content, reader.lines)


class _Unreadable(Exception):
    """A value was left out; its problem is noted."""


class _Reader:
    """Turns nodes into values, noting lines and problems on the way."""

    def __init__(self, name: str, variables: Mapping[str, str], problems: list[str]) -> None:
        self.name = name
        self.variables = variables
        self.problems = problems
        self.lines: dict[ValuePath, int] = {}
        self.open_nodes: set[int] = set()
        self.constructor = yaml.SafeLoader("")

    def read_mapping(self, node: yaml.MappingNode, path: ValuePath) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE_TAG:
                self._note(line, path, "a key must be plain text")
                continue
            key_path = (*path, key_node.value)
            if key_path in self.lines:
                self._note(line, key_path, f"is set twice, first in line {self.lines[key_path]}")
                continue
            self.lines[key_path] = line
            try:
                content[key_node.value] = self._read_value(value_node, key_path)
            except _Unreadable:
                continue
        return content

    def _read_value(self, node: yaml.Node, path: ValuePath) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._read_scalar(node, path)
        if id(node) in self.open_nodes:
            raise self._unreadable(node, path, "an alias can't hold itself")
        self.open_nodes.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self.read_mapping(node, path)
            return self._read_sequence(node, path)
        finally:
            self.open_nodes.remove(id(node))

    def _read_sequence(self, node: yaml.Node, path: ValuePath) -> list[Any]:
        items = []
        for position, item in enumerate(node.value):
            self.lines[(*path, position)] = item.start_mark.line + 1
            try:
                items.append(self._read_value(item, (*path, position)))
            except _Unreadable:
                continue
        return items

    def _read_scalar(self, node: yaml.ScalarNode, path: ValuePath) -> Any:
        try:
            value = self.constructor.construct_object(node)
        except (yaml.YAMLError, ValueError):
            raise self._unreadable(node, path, f"can't read {node.value!r}") from None
        if not isinstance(value, str) or "${" not in value:
            return value
        text = InterpolatedText(_INTERPOLATION.sub(lambda m: self._resolve(m, node, path), value))
        text.written = value
        return text

    def _resolve(self, match: re.Match[str], node: yaml.Node, path: ValuePath) -> str:
        if match[0] == "$${":
            return "${"
        name = match[1]
        if not match[2] or not _VARIABLE_NAME.fullmatch(name):
            message = f"{match[0]} is not ${{NAME}}; write $${{ for a plain ${{"
            raise self._unreadable(node, path, message)
        if name not in self.variables:
            raise self._unreadable(node, path, f"the environment variable {name} is not set")
        return self.variables[name]

    def _unreadable(self, node: yaml.Node, path: ValuePath, message: str) -> _Unreadable:
        self._note(node.start_mark.line + 1, path, message)
        return _Unreadable()

    def _note(self, line: int, path: ValuePath, message: str) -> None:
        document_line = f"{self.name}:{line}"
        self.problems.append(": ".join(p for p in (document_line, dotted(path), message) if p))
