"""``python -m gateway db …``: the database as a whole.

Knows click. How databases are copied and checked is in ``gateway.accounts``.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from gateway.commands.opening import EXIT_UNAVAILABLE, exits, fail, load_own_settings
from gateway.commands.options import json_option
from gateway.commands.output import print_fields, print_json
from gateway.config.settings import SQLITE_PREFIX
from gateway.config.values import parse_database_url


@click.group("db", help="Upgrade, check, back up and move the database of keys and usage.")
def database_command() -> None:
    pass


@database_command.command("upgrade")
def upgrade_database() -> None:
    """Bring the database to this version's schema; a start does the same."""
    from sqlalchemy.exc import SQLAlchemyError

    from gateway.accounts.store.schema import head_revision, prepare_schema

    with exits():
        url = load_own_settings().database_url
        try:
            before = prepare_schema(url)
        except (SQLAlchemyError, OSError) as error:
            _fail_unavailable(error)
    head = head_revision()
    click.echo(
        f"The schema is {head}"
        + (f" (it was {before or 'empty'})." if before != head else " already.")
    )


@database_command.command("check")
@json_option
def check_database(as_json: bool) -> None:
    """Check that the database is sound and up to date; exits with 1 where it is not."""
    from sqlalchemy.exc import SQLAlchemyError

    from gateway.accounts.store.transfer import check

    with exits():
        url = load_own_settings().database_url
        try:
            report = check(url)
        except (SQLAlchemyError, OSError) as error:
            _fail_unavailable(error)
    described = {"schema": report.revision, **report.rows, "problems": list(report.problems)}
    (print_json if as_json else print_fields)(described)
    if report.problems:
        raise SystemExit(1)


@database_command.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def back_up_database(file: Path) -> None:
    """Write all that is in the database into a new SQLite FILE, while gateways go on."""
    from sqlalchemy.exc import SQLAlchemyError

    from gateway.accounts.store.transfer import back_up

    with exits():
        url = load_own_settings().database_url
        if file.exists():
            fail(f"{file} is there already; a backup does not overwrite.")
        try:
            back_up(url, file.absolute())
        except (SQLAlchemyError, OSError) as error:
            _fail_unavailable(error)
    click.echo(f"{file} holds {file.stat().st_size} bytes.")


@database_command.command("copy")
@click.option("--to", "target", required=True, help="The DATABASE_URL of an empty database.")
@click.option("--from", "source", help="Another source than DATABASE_URL, such as a backup.")
def copy_database(target: str, source: str | None) -> None:
    """Copy everything into another, empty database: to move to PostgreSQL, or to restore."""
    from sqlalchemy.exc import SQLAlchemyError

    from gateway.accounts.store.transfer import copy

    with exits():
        from_url = _read_url(source, "--from") if source else load_own_settings().database_url
        to_url = _read_url(target, "--to")
        try:
            copied = copy(from_url, to_url)
        except (SQLAlchemyError, OSError) as error:
            _fail_unavailable(error)
    print_fields(copied)


def _read_url(text: str, option: str) -> str:
    try:
        url = parse_database_url(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
    if url.startswith(SQLITE_PREFIX):
        return SQLITE_PREFIX + str(Path(url.removeprefix(SQLITE_PREFIX)).absolute())
    return url


def _fail_unavailable(error: Exception) -> NoReturn:
    from gateway.accounts.store.database import describe_failure

    fail(f"The database can't be used: {describe_failure(error)}", EXIT_UNAVAILABLE)
