"""Changes (the first records of versions, categories and columns), and the traffic of versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.checks.new_values import moment
from monitor.core.incident import Change
from monitor.profiling.facts import Facts
from monitor.store import windows
from monitor.store.claims import Claim
from monitor.store.database import Compute, upsert
from monitor.store.tables import changes, versions

MOST_CHANGES = 1000
_COUNT = sa.select(sa.func.count()).select_from(changes).where(changes.c.monitor == sa.bindparam("monitor"))


def _earlier(stored: sa.Column[datetime]) -> Compute:
    """Return the earlier of the stored value of a column and the new one."""
    return lambda new: sa.case((new[stored.name] < stored, new[stored.name]), else_=stored)


def _later(stored: sa.Column[datetime]) -> Compute:
    """Return the later of the stored value of a column and the new one."""
    return lambda new: sa.case((new[stored.name] > stored, new[stored.name]), else_=stored)


_ADD_CHANGE: Sequence[tuple[str, Compute]] = (("first_seen", _earlier(changes.c.first_seen)),)
_ADD_TRAFFIC: Sequence[tuple[str, Compute]] = (
    ("rows", lambda new: versions.c.rows + new.rows),
    ("first_seen", _earlier(versions.c.first_seen)),
    ("last_seen", _later(versions.c.last_seen)),
)


def save_changes(connection: Connection, monitor: str, new_values: Sequence[Change]) -> None:
    """Store the time of each change, up to 1,000 per monitor; late rows can make a time earlier."""
    stored = connection.execute(_COUNT, {"monitor": monitor}).scalar_one()
    rows = [{"monitor": monitor, **vars(change)} for change in new_values[: max(0, MOST_CHANGES - stored)]]
    upsert(connection, changes, rows, compute=_ADD_CHANGE)


def save_versions(connection: Connection, claim: Claim, facts: Facts) -> None:
    """Add the traffic of versions in a bucket, and subtract that of its earlier revision."""
    monitor, start = claim.monitor, claim.bucket.start
    before = windows.load_facts(connection, monitor, start) if claim.revision else Facts()
    for row in _version_rows(facts, before):
        upsert(connection, versions, [{"monitor": monitor, **row}], compute=_ADD_TRAFFIC)


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
