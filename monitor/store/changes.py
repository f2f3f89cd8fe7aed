"""Changes (the first records of versions, categories and columns), and the traffic of versions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.checks.new_values import moment
from monitor.core.incident import Change
from monitor.profiling.facts import Facts
from monitor.store import windows
from monitor.store.claims import Claim
from monitor.store.database import Columns, upsert
from monitor.store.tables import changes, versions

MOST_CHANGES = 1000


def save_changes(connection: Connection, monitor: str, new_values: Sequence[Change]) -> None:
    """Store the time of each change, up to 1,000 per monitor; late rows can make a time earlier."""
    stored = connection.execute(
        sa.select(sa.func.count()).select_from(changes).where(changes.c.monitor == monitor)
    ).scalar_one()
    rows = [{"monitor": monitor, **vars(change)} for change in new_values[: max(0, MOST_CHANGES - stored)]]
    upsert(connection, changes, rows, first_seen=earlier(changes))


def earlier(table: sa.Table) -> Callable[[Columns], sa.Case[datetime]]:
    """Return the earlier of the stored ``first_seen`` and the new one."""
    return lambda new: sa.case((new.first_seen < table.c.first_seen, new.first_seen), else_=table.c.first_seen)


def save_versions(connection: Connection, claim: Claim, facts: Facts) -> None:
    """Add the traffic of versions in a bucket, and subtract that of its earlier revision."""
    monitor, start = claim.monitor, claim.bucket.start
    before = windows.load_facts(connection, monitor, start) if claim.revision else Facts()
    for row in _version_rows(facts, before):
        upsert(
            connection,
            versions,
            [{"monitor": monitor, **row}],
            rows=lambda new: versions.c.rows + new.rows,
            first_seen=earlier(versions),
            last_seen=lambda new: sa.case(
                (new.last_seen > versions.c.last_seen, new.last_seen), else_=versions.c.last_seen
            ),
        )


def _version_rows(facts: Facts, before: Facts) -> list[dict[str, object]]:
    rows = []
    for role, values in facts.versions.items():
        for value, (count, first, last) in values.items():
            earlier = before.versions.get(role, {}).get(value, [0])[0]
            rows.append(
                {
                    "role": role,
                    "value": value,
                    "first_seen": moment(first),
                    "last_seen": moment(last),
                    "rows": int(count - earlier),
                }
            )
    return rows
