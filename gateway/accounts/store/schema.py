"""The database's schema: made, or brought up to date, by one process while the others wait.

Knows the migrations, and every module with tables. Must not know what the tables are
for. A new database gets all tables at once, as ``metadata`` has them; alembic is imported
only to upgrade an older one.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

# Their tables are in ``metadata`` as soon as they are imported.
from gateway.accounts.store import response_tables, usage_tables  # noqa: F401
from gateway.accounts.store.engines import WRITES, build_engine, is_sqlite, make_file
from gateway.accounts.store.tables import metadata, store_version
from gateway.errors import ConfigurationError

MIGRATIONS = Path(__file__).with_name("migrations")
_ADVISORY_LOCK = 0x6761_7465_7761_79
"""What all gateways lock on PostgreSQL: "gateway" in ASCII."""


def head_revision() -> str:
    """Return the newest migration's revision: ``v0002_ledger.py`` is ``0002``."""
    return max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v[0-9]*.py"))


def prepare_schema(url: str) -> str | None:
    """Bring the database at ``url`` to the newest schema; return what it had, None for nothing.

    Any number of processes may do so at once. Raises ``ConfigurationError`` where a newer
    gateway has made the schema, and what SQLAlchemy raises where there is no database.
    """
    if is_sqlite(url):
        make_file(url)
    if _is_current(url):
        return head_revision()
    engine = build_engine(url, is_patient=True)
    try:
        with engine.execution_options(**{WRITES: True}).begin() as connection:
            return _prepare(connection)
    finally:
        engine.dispose()


def _is_current(url: str) -> bool:
    """Tell whether nothing is to be done: the usual start, which locks nothing."""
    engine = build_engine(url)
    try:
        with engine.connect() as connection:
            return read_revision(connection) == head_revision()
    finally:
        engine.dispose()


def read_revision(connection: Connection) -> str | None:
    """Return the schema's revision, None for a database without one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _prepare(connection: Connection) -> str | None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    revision, head = read_revision(connection), head_revision()
    if revision is None:
        metadata.create_all(connection)
        connection.execute(store_version.insert().values(id=1, version=0))
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})
    elif revision > head:
        raise ConfigurationError(
            f"the database has the schema {revision} of a newer gateway; this one knows {head}"
        )
    elif revision < head:
        upgrade(connection, "head")
    return revision


def upgrade(connection: Connection, revision: str) -> None:
    """Run alembic's migrations up to ``revision`` in the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
