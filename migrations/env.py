"""Alembic's entry: runs inside the transaction and under the lock that `monitor.store.migrate` holds."""

from __future__ import annotations

from alembic import context

from monitor.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("run `driftd db upgrade`: it opens the store that driftd.yaml names, and holds the lock.")
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
