"""What alembic runs: the migrations on the connection it was handed, in its transaction."""

from __future__ import annotations

from alembic import context

from gateway.accounts.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
