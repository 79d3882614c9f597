"""A custom tool's input as a function's arguments, ``{"input": "…"}``, and back, also in pieces.

Knows JSON's strings. Forgives what models write that is not quite such an object.
"""

from __future__ import annotations

import json
import re
from typing import Any

from gateway.serialization import dumps_ascii

_BEGINNING = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_WHOLE_CHARACTERS = re.compile(
    r'(?:[^"\\]|\\["\\/bfnrt]'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4})*"
)
"""What of a string can be read before the rest has come: no half of an escape or a pair."""


def wrap_input(text: str) -> str:
    """Return the arguments of a function that stands for a custom tool."""
    return dumps_ascii({"input": text}).decode("ascii")


def read_input(arguments: str) -> str:
    """Return the input in ``arguments``: as far as it goes where they are cut.

    Where there is no ``input`` it is the only string in them, or all that they are.
    """
    try:
        value = json.loads(arguments, strict=False)
    except ValueError:
        return _read_cut(arguments)
    if not value:
        return ""
    if not isinstance(value, dict):
        return value if isinstance(value, str) else arguments
    texts = [value["input"]] if "input" in value else list(value.values())
    return texts[0] if len(texts) == 1 and isinstance(texts[0], str) else arguments


class InputReader:
    """Reads the input of one call whose arguments come in pieces."""

    def __init__(self) -> None:
        self._arguments = ""
        self._read = -1
        """Up to where the string was read; -1: it has not begun."""

        self._told: list[str] = []

    def feed(self, piece: str) -> str:
        """Return what ``piece`` adds to the input, as far as that is sure yet."""
        self._arguments += piece
        if self._read < 0:
            begin = _BEGINNING.match(self._arguments)
            if begin is None:
                return ""
            self._read = begin.end()
        text, self._read = _decode(self._arguments, self._read)
        self._told.append(text)
        return text

    def finish(self) -> str:
        """Return what is left once all has come; "" when called again."""
        told, whole = "".join(self._told), read_input(self._arguments)
        if not self._arguments or not whole.startswith(told):
            return ""
        rest = whole[len(told) :]
        self._told.append(rest)
        return rest


def _read_cut(arguments: str) -> str:
    begin = _BEGINNING.match(arguments)
    if begin is not None:
        return _decode(arguments, begin.end())[0]
    return "" if '{"input":"'.startswith("".join(arguments.split())) else arguments


def _decode(arguments: str, begin: int) -> tuple[str, int]:
    """Return the characters from ``begin`` on that are whole, and where they end."""
    found: Any = _WHOLE_CHARACTERS.match(arguments, begin)
    text: str = json.loads(f'"{found[0]}"', strict=False)
    return text, found.end()
