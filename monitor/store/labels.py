"""Imported labels, by the id of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.pseudonym import PREFIX
from monitor.store.database import now, upsert
from monitor.store.tables import labels, verdicts

AT_ONCE = 500
_ANY = sa.select(labels.c.record).where(labels.c.monitor == sa.bindparam("monitor")).limit(1)
_PSEUDONYMS = sa.union_all(
    *(
        sa.select(table.c.record).where(table.c.monitor == sa.bindparam("monitor"), table.c.record.startswith(PREFIX))
        for table in (labels, verdicts)
    )
).limit(1)


def put(connection: Connection, monitor: str, values: Mapping[str, str]) -> None:
    """Store labels by record; a later label replaces an earlier one."""
    at = now(connection)
    rows = [{"monitor": monitor, "record": record, "label": label, "at": at} for record, label in values.items()]
    upsert(connection, labels, rows, replace=("label", "at"))


def has_labels(connection: Connection, monitor: str) -> bool:
    """Return whether a monitor has imported labels."""
    return connection.execute(_ANY, {"monitor": monitor}).first() is not None


def has_pseudonyms(connection: Connection, monitor: str) -> bool:
    """Return whether labels or verdicts of a monitor are stored by pseudonyms of ids."""
    return connection.execute(_PSEUDONYMS, {"monitor": monitor}).first() is not None


def load_labels(connection: Connection, monitor: str, records: Sequence[str]) -> dict[str, str]:
    """Return the labels of the records that have one."""
    by_record: dict[str, str] = {}
    for place in range(0, len(records), AT_ONCE):
        query = sa.select(labels.c.record, labels.c.label).where(
            labels.c.monitor == monitor, labels.c.record.in_(records[place : place + AT_ONCE])
        )
        by_record.update((row.record, row.label) for row in connection.execute(query))
    return by_record
