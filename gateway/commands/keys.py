"""``python -m gateway keys …``: stored keys, without a running server.

Knows click. What is changed is in force in running gateways within a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gateway.commands.opening import exits, fail, open_stores
from gateway.commands.options import json_option, key_options, read_options
from gateway.commands.output import print_fields, print_json, print_list

if TYPE_CHECKING:
    from gateway.accounts.keys.key_store import KeyStore, NewKey
    from gateway.accounts.keys.records import KeyRecord

_COLUMNS = ("id", "name", "owner", "role", "status", "models", "budget", "last_used_at")


@click.group("keys", help="Make, list, change, rotate and revoke stored keys.")
def keys_command() -> None:
    pass


@keys_command.command("create")
@click.option("--name", required=True, help="What logs and reports call it.")
@key_options
@json_option
def create_key(as_json: bool, **given: Any) -> None:
    """Make a key and print it: it is shown only now."""
    fields = _load(given)
    with open_stores() as stores:
        _print_new(stores.keys.create(fields), as_json, "was made")


@keys_command.command("list")
@click.option("--search", help="A part of the name, the owner or the id.")
@click.option("--owner", default="", help="Only those of this tenant.")
@click.option("--limit", type=click.IntRange(1), default=100, help="How many at most.")
@json_option
def list_keys(as_json: bool, search: str | None, owner: str, limit: int) -> None:
    """List keys, the newest first."""
    from gateway.accounts.keys.records import describe_key

    with open_stores() as stores:
        page = stores.keys.list_keys(limit, search=search, owner=owner)
    described = [describe_key(record) for record in page.data]
    print_list(described, _COLUMNS, as_json=as_json)
    if page.next is not None and not as_json:
        click.echo(f"There are more than {limit}; use --limit or --search.", err=True)


@keys_command.command("show")
@click.argument("key")
@json_option
def show_key(key: str, as_json: bool) -> None:
    """Show one key's settings, by its name or id."""
    with open_stores() as stores:
        _print(_find(stores.keys, key), as_json)


@keys_command.command("set")
@click.argument("key")
@click.option("--name", help="What logs and reports call it.")
@key_options
@json_option
def set_key(key: str, as_json: bool, **given: Any) -> None:
    """Change a key, by its name or id; an empty text takes a setting away."""
    changes = _load(given, partial=True)
    if not changes:
        raise click.UsageError("Nothing to change: give an option.")
    with open_stores() as stores:
        _print(stores.keys.change(_find(stores.keys, key).id, changes), as_json)


@keys_command.command("revoke")
@click.argument("key")
@click.option("--now", is_flag=True, help="End its requests under way, too.")
@json_option
def revoke_key(key: str, now: bool, as_json: bool) -> None:
    """Revoke a key for ever, by its name or id."""
    from gateway.accounts.keys.records import describe_key

    with open_stores() as stores:
        record = stores.keys.revoke(_find(stores.keys, key).id, cut=now)
    if as_json:
        print_json(describe_key(record))
    else:
        click.echo(f"Key {record.name} ({record.id}) is revoked.")


@keys_command.command("rotate")
@click.argument("key")
@click.option(
    "--overlap", type=click.IntRange(0), help="Seconds for which the old text is good, too."
)
@json_option
def rotate_key(key: str, overlap: int | None, as_json: bool) -> None:
    """Give a key another text and print it: it is shown only now."""
    from gateway.accounts.keys.schemas import RotationSchema, load_fields

    with exits():
        asked = {} if overlap is None else {"overlap_seconds": overlap}
        seconds = load_fields(RotationSchema(), asked)["overlap_seconds"]
    with open_stores() as stores:
        new = stores.keys.rotate(_find(stores.keys, key).id, seconds)
        _print_new(new, as_json, f"has another text; the old one is good for {seconds} s more")


def _load(given: dict[str, Any], *, partial: bool = False) -> dict[str, Any]:
    from gateway.accounts.keys.schemas import KeySchema, load_fields

    with exits():
        return load_fields(KeySchema(partial=partial), read_options(given))


def _find(store: KeyStore, name: str) -> KeyRecord:
    """Return the one key of that name or id; exits where there is none, or are more."""
    found = store.find_by_name(name)
    if not found:
        fail(f"There is no key {name!r}; keys list shows those there are.")
    if len(found) > 1:
        ids = ", ".join(record.id for record in found)
        fail(f"There are {len(found)} keys called {name!r}; name one by its id: {ids}")
    return found[0]


def _print(record: KeyRecord, as_json: bool) -> None:
    from gateway.accounts.keys.records import describe_key

    (print_json if as_json else print_fields)(describe_key(record))


def _print_new(new: NewKey, as_json: bool, what: str) -> None:
    from gateway.accounts.keys.records import describe_key

    if as_json:
        print_json({**describe_key(new.record), "key": new.key})
        return
    click.echo(f"Key {new.record.name} ({new.record.id}) {what}.", err=True)
    click.echo("It is shown only now:", err=True)
    click.echo(new.key)
