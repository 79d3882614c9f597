"""What commands print: tables for people, JSON for programs.

Knows terminals. Must not know what is shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

_GAP = "  "


def print_json(value: Any) -> None:
    """Print one JSON value."""
    click.echo(json.dumps(value, indent=2))


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns as wide as they need to be."""
    shown = [[_printable(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(_GAP.join(cells).rstrip())


def print_list(
    described: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool
) -> None:
    """Print a list: whole as JSON, or a table of the fields that are its ``columns``."""
    if as_json:
        print_json(described)
        return
    _print_table(
        [name.upper().replace("_", " ") for name in columns],
        [[_as_text(each[name]) for name in columns] for each in described],
    )


def print_fields(described: Mapping[str, Any]) -> None:
    """Print what was described for the admin API, a line a field."""
    width = max(map(len, described))
    for name, value in described.items():
        click.echo(f"{name.ljust(width)}{_GAP}{_as_text(value)}")


def _as_text(value: Any) -> str:
    """Return a value of JSON as people read it."""
    if value is None or value == [] or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict) and "per" in value:
        return _format_budget(value)
    return _printable(json.dumps(value) if isinstance(value, dict) else str(value))


def _format_budget(budget: Mapping[str, Any]) -> str:
    """Return a budget as the command line takes it: ``20/month``, ``5000tokens/day``."""
    amount = f"{budget['usd']:g}" if "usd" in budget else f"{budget['tokens']}tokens"
    return f"{amount}/{budget['per']}"


def _printable(text: str) -> str:
    """Return text that can't steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
