"""The schema: from nothing, and up from each earlier revision with data, on both engines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, text

from gateway.accounts.store.database import Database
from gateway.accounts.store.engines import WRITES, build_engine, is_sqlite, make_file
from gateway.accounts.store.schema import (
    MIGRATIONS,
    head_revision,
    prepare_schema,
    read_revision,
    upgrade,
)
from gateway.accounts.store.tables import metadata
from gateway.errors import ConfigurationError
from tests.gateway_process import ROOT

REVISIONS = sorted(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v*.py"))

FIRST_DATA = (
    "UPDATE store_version SET version = 3",
    "INSERT INTO tenants (id, name, enabled, budget_usd, budget_per, metadata, created_at, "
    "updated_at, version) VALUES ('tenant_1', 'team', true, '20.5', 'month', '{}', 1.5, 1.5, 1)",
    "INSERT INTO keys (id, name, tenant_id, role, enabled, models, allowed_ips, priority, "
    "metadata, created_at, updated_at, cuts_streams, version) VALUES ('key_1', 'alice', "
    "'tenant_1', 'user', true, '[\"fast\"]', '[]', 0, '{}', 2.5, 2.5, false, 2)",
)
"""What a gateway of the first revision may have written."""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = build_engine(url, is_patient=True)
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        yield connection
    engine.dispose()


def compare(connection: Connection) -> list[Any]:
    """Return how the database's schema differs from that of the tables, as alembic sees it."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    return list(compare_metadata(MigrationContext.configure(connection), metadata))


def build(url: str, revision: str) -> None:
    """Make the schema of an earlier revision by its migrations, with data in it."""
    if is_sqlite(url):
        make_file(url)
    with connected(url) as connection:
        upgrade(connection, REVISIONS[0])
        for statement in FIRST_DATA:
            connection.execute(text(statement))
        upgrade(connection, revision)


def test_a_new_database_has_exactly_the_tables(database_url: str) -> None:
    assert prepare_schema(database_url) is None
    with connected(database_url) as connection:
        assert read_revision(connection) == head_revision()
        assert compare(connection) == []


def test_the_migrations_lead_to_exactly_the_tables(database_url: str) -> None:
    build(database_url, "head")
    with connected(database_url) as connection:
        assert read_revision(connection) == head_revision() == REVISIONS[-1]
        assert compare(connection) == []


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_earlier_schema_is_upgraded_with_its_data(database_url: str, revision: str) -> None:
    build(database_url, revision)
    database = Database(database_url)
    database.prepare()
    try:
        key = database.read(
            lambda connection: connection.execute(text("SELECT name, models FROM keys")).one()
        )
        assert tuple(key) == ("alice", '["fast"]')
        money = text("SELECT budget_usd FROM tenants")
        assert database.read(lambda connection: connection.scalar(money)) == "20.5"
        assert database.read(read_revision) == head_revision()
    finally:
        database.close()
    with connected(database_url) as connection:
        assert compare(connection) == []


def test_the_tables_that_a_command_left_out_are_made(database_url: str) -> None:
    build(database_url, "0002")
    with connected(database_url) as connection:
        for name in ("usage_requests", "usage_sums", "budget_warnings"):
            connection.execute(text(f"DROP TABLE {name}"))
    prepare_schema(database_url)
    with connected(database_url) as connection:
        assert compare(connection) == []


@pytest.mark.parametrize("module", ["database", "schema", "transfer"])
def test_whoever_makes_the_schema_knows_all_tables(module: str) -> None:
    code = (
        f"import gateway.accounts.store.{module}; "
        "from gateway.accounts.store.tables import metadata; print(*metadata.tables)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert set(run.stdout.decode().split()) == set(metadata.tables)


def test_the_schema_of_a_newer_gateway_stops_the_start(database_url: str) -> None:
    prepare_schema(database_url)
    with connected(database_url) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database = Database(database_url)
    with pytest.raises(ConfigurationError, match="9999 of a newer gateway"):
        database.prepare()
    database.close()


def test_revisions_follow_one_another() -> None:
    assert [f"{number:04}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS
