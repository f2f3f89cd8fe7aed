"""Delete stored rows whose retention has ended."""

from __future__ import annotations

from datetime import timedelta

from monitor.store import breakers, judge_labels
from monitor.store.database import Database, now

EVERY = timedelta(hours=1)


def delete_expired(database: Database) -> int:
    """Delete the expired verdicts of judges and transitions of breakers of all monitors; return their number.

    Costs and the counts of experiments are deleted where their sums are updated, since a sum and its parts must agree.
    """
    with database.write() as connection:
        at = now(connection)
        return judge_labels.delete_expired(connection, at) + breakers.delete_expired(connection, at)
