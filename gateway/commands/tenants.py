"""``python -m gateway tenants …``: the owners of keys, without a running server.

Knows click. What is changed is in force in running gateways within a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gateway.commands.opening import exits, fail, open_stores
from gateway.commands.options import json_option, read_options, tenant_options
from gateway.commands.output import print_fields, print_json, print_list

if TYPE_CHECKING:
    from gateway.accounts.keys.records import TenantRecord
    from gateway.accounts.keys.tenant_store import TenantStore

_COLUMNS = ("id", "name", "enabled", "rate_limit", "token_rate_limit", "budget")


@click.group("tenants", help="Make, list, change and delete the owners of keys.")
def tenants_command() -> None:
    pass


@tenants_command.command("create")
@click.option("--name", required=True, help="Unique among tenants.")
@tenant_options
@json_option
def create_tenant(as_json: bool, **given: Any) -> None:
    """Make a tenant."""
    fields = _load(given)
    with open_stores() as stores:
        _print(stores.tenants.create(fields), as_json)


@tenants_command.command("list")
@click.option("--search", help="A part of the name or the id.")
@click.option("--limit", type=click.IntRange(1), default=100, help="How many at most.")
@json_option
def list_tenants(as_json: bool, search: str | None, limit: int) -> None:
    """List tenants, the newest first."""
    from gateway.accounts.keys.records import describe_tenant

    with open_stores() as stores:
        page = stores.tenants.list_tenants(limit, search=search)
    described = [describe_tenant(record) for record in page.data]
    print_list(described, _COLUMNS, as_json=as_json)
    if page.next is not None and not as_json:
        click.echo(f"There are more than {limit}; use --limit or --search.", err=True)


@tenants_command.command("show")
@click.argument("tenant")
@json_option
def show_tenant(tenant: str, as_json: bool) -> None:
    """Show one tenant, by its name or id."""
    with open_stores() as stores:
        _print(_find(stores.tenants, tenant), as_json)


@tenants_command.command("set")
@click.argument("tenant")
@click.option("--name", help="Unique among tenants.")
@tenant_options
@json_option
def set_tenant(tenant: str, as_json: bool, **given: Any) -> None:
    """Change a tenant, by its name or id; an empty text takes a setting away."""
    changes = _load(given, partial=True)
    if not changes:
        raise click.UsageError("Nothing to change: give an option.")
    with open_stores() as stores:
        _print(stores.tenants.change(_find(stores.tenants, tenant).id, changes), as_json)


@tenants_command.command("delete")
@click.argument("tenant")
@click.option("--now", is_flag=True, help="End its keys' requests under way, too.")
@json_option
def delete_tenant(tenant: str, now: bool, as_json: bool) -> None:
    """Delete a tenant and revoke its keys, by its name or id."""
    from gateway.accounts.keys.records import describe_tenant

    with open_stores() as stores:
        record = stores.tenants.delete(_find(stores.tenants, tenant).id, cut=now)
    if as_json:
        print_json(describe_tenant(record))
    else:
        click.echo(f"Tenant {record.name} ({record.id}) is deleted, its keys are revoked.")


def _load(given: dict[str, Any], *, partial: bool = False) -> dict[str, Any]:
    from gateway.accounts.keys.schemas import TenantSchema, load_fields

    with exits():
        return load_fields(TenantSchema(partial=partial), read_options(given))


def _find(store: TenantStore, name: str) -> TenantRecord:
    """Return the tenant of that name or id; exits where there is none."""
    found = store.find_by_name(name)
    if not found:
        fail(f"There is no tenant {name!r}; tenants list shows those there are.")
    return found[0]


def _print(record: TenantRecord, as_json: bool) -> None:
    from gateway.accounts.keys.records import describe_tenant

    (print_json if as_json else print_fields)(describe_tenant(record))
