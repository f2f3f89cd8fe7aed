"""Release what ended processes were working on, so that a restart need not wait for their leases."""

from __future__ import annotations

from monitor.store import claims, outbox
from monitor.store.database import Database


def release_orphaned(database: Database) -> None:
    """Release the buckets and deliveries of ended processes."""
    with database.write() as connection:
        claims.release_orphaned(connection)
        outbox.release_orphaned(connection)
