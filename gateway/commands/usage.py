"""``python -m gateway usage``: what was used, for people and for programs.

Knows how usage is printed. Asks the database itself, so that no gateway has to run.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import click

from gateway.commands.opening import exits, load_own_settings
from gateway.config.settings import Settings

_WIDTHS_FROM = 1000
"""Rows by which the widths of a table's columns are chosen; the rest is printed as it comes."""


@click.command("usage")
@click.option("--by", default="key,model", help="What to sum up by: key,owner,model,provider,day…")
@click.option("--since", default="30d", help="From when on: 7d, 24h, 2026-11-25, or 'beginning'.")
@click.option("--key", default=None, help="The id of one key.")
@click.option(
    "--format", "how", type=click.Choice(("table", "csv", "json")), default="table",
    help="json is one object a line.",
)  # fmt: skip
@click.option("--json", "how", flag_value="json", help="The same as --format json.")
def usage_command(by: str, since: str, key: str | None, how: str) -> None:
    """Sum up requests, tokens and costs."""
    from gateway.accounts.ledger.moments import parse_moment
    from gateway.accounts.ledger.usage import parse_dimensions

    try:
        names = parse_dimensions(by)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--by") from error
    try:
        start = 0.0 if since == "beginning" else parse_moment(since, time.time())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from error
    with exits():
        _print(load_own_settings(), names, start, key, _PRINTERS[how])


def _print(
    settings: Settings,
    by: tuple[str, ...],
    since: float,
    key: str | None,
    write: Callable[[Iterator[dict[str, Any]]], None],
) -> None:
    from gateway.accounts.ledger.ledger import Ledger
    from gateway.accounts.ledger.usage import build_scope, describe_entry, iter_usage
    from gateway.accounts.store.database import Database

    database = Database(settings.database_url)
    Ledger(database, settings.data_directory).drain()
    scope = build_scope(since, key, settings.usage_retention_days)
    database.read(lambda connection: write(map(describe_entry, iter_usage(connection, scope, by))))
    database.close()


def _print_json(entries: Iterator[dict[str, Any]]) -> None:
    for entry in entries:
        click.echo(json.dumps(entry))


def _print_csv(entries: Iterator[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, entry in enumerate(entries):
        if number == 0:
            writer.writerow(entry)
        writer.writerow("" if value is None else _plain(value) for value in entry.values())


def _print_table(entries: Iterator[dict[str, Any]]) -> None:
    first = list(islice(entries, _WIDTHS_FROM))
    if not first:
        click.echo("Nothing was used.")
        return
    lines = [list(first[0]), *map(_to_cells, first)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    is_number = [not isinstance(value, str) for value in first[0].values()]
    rest: Iterable[list[str]] = map(_to_cells, entries)
    for cells in (*lines, *rest):
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, is_number, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def _to_cells(entry: dict[str, Any]) -> list[str]:
    return ["unknown" if value is None else _plain(value) for value in entry.values()]


def _plain(value: Any) -> str:
    """Return a value as text; money without an exponent."""
    return f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


_PRINTERS = {"table": _print_table, "csv": _print_csv, "json": _print_json}
