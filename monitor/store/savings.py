"""Counterfactual costs of each day's requests, and the newest estimate of savings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.cost.savings import Cells, DayCells
from detectors.outcome import OUTCOME
from monitor.actions.drift_cost import MeasuredBucket
from monitor.config.models import BASELINE_RULE
from monitor.core.plain import plain
from monitor.profiling.facts import Facts
from monitor.store import aggregates
from monitor.store.aggregates import Entry, Range
from monitor.store.database import now, upsert
from monitor.store.rows import SavingsRow, read_first
from monitor.store.tables import aggregates as aggregate_table
from monitor.store.tables import findings, incidents, savings_reports, versions

KIND = "savings"
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def load_days(
    connection: Connection,
    monitor: str,
    plan: str,
    definition: str,
    first: datetime = EARLIEST,
    last: datetime = LATEST,
) -> dict[datetime, DayCells]:
    """Return the counted days of an interval with the current definition of the plan."""
    wanted = Range(KIND, plan, first, last, definition)
    (rows,) = aggregates.load(connection, monitor, [wanted])
    empty = DayCells(definition, first)
    return {row.start: empty.from_bytes(row.data) for row in rows if row.start is not None}


def counted_days(connection: Connection, monitor: str, plan: str, definition: str) -> dict[datetime, datetime]:
    """Return by day when it was counted with the current definition of the plan."""
    return {day: counts.counted_at for day, counts in load_days(connection, monitor, plan, definition).items()}


def cells(
    connection: Connection, monitor: str, plan: str, definition: str, first: datetime, last: datetime
) -> list[Cells]:
    """Return the sums of the counted days of a range."""
    return [counts.cells for counts in load_days(connection, monitor, plan, definition, first, last).values()]


def save(
    connection: Connection, monitor: str, plan: str, day: datetime, definition: str, at: datetime, summed: Cells
) -> None:
    """Store the sums of a day, or replace them if the day is counted again."""
    aggregates.save(connection, monitor, [Entry((KIND, plan), day, DayCells(definition, at, summed))])


def delete_before(connection: Connection, monitor: str, first: datetime) -> None:
    """Delete the days before ``first``."""
    aggregates.delete_before(connection, monitor, KIND, first)


def save_report(connection: Connection, monitor: str, summary: Mapping[str, object]) -> None:
    """Store the newest estimate of a monitor's savings."""
    values = {"at": now(connection), "told": plain(summary)}
    upsert(connection, savings_reports, [{"monitor": monitor, **values}], replace=values)


def load_report(connection: Connection, monitor: str) -> SavingsRow | None:
    """Return the newest estimate of savings, or None."""
    return read_first(connection, SavingsRow, sa.select(savings_reports).where(savings_reports.c.monitor == monitor))


def models(connection: Connection, monitor: str, most: int) -> list[str]:
    """Return the models with the most requests."""
    query = sa.select(versions.c.value).where(versions.c.monitor == monitor, versions.c.role == "model_version")
    return list(connection.execute(query.order_by(versions.c.rows.desc(), versions.c.value).limit(most)).scalars())


def drift_began(connection: Connection, monitor: str) -> datetime | None:
    """Return the start of the oldest firing incident."""
    query = sa.select(sa.func.min(incidents.c.opened_at)).where(
        incidents.c.monitor == monitor,
        incidents.c.state == "firing",
        incidents.c.rule.not_in(("no_data", BASELINE_RULE)),
    )
    return connection.execute(query).scalar_one_or_none()


def is_of_measure(measure: str) -> sa.ColumnElement[bool]:
    """Return the condition of the findings of a measure over all rows."""
    of_model = sa.and_(findings.c.column == OUTCOME, findings.c.method.in_([measure, f"estimated_{measure}"]))
    of_signal = sa.and_(findings.c.column == measure, findings.c.method == "rate_rise")
    return sa.and_(findings.c.segment.is_(None), sa.or_(of_model, of_signal))


def load_measure(
    connection: Connection, monitor: str, measure: str, since: datetime, most: int = 20_000
) -> list[MeasuredBucket]:
    """Return the facts and the findings of a measure by bucket since a time, oldest first."""
    stored = aggregate_table.c
    same = sa.and_(
        stored.monitor == monitor, stored.kind == "facts", stored.name == "", stored.start == findings.c.start
    )
    query = (
        sa.select(findings.c.start, findings.c.method, findings.c.detail, stored.data)
        .outerjoin(aggregate_table, same)
        .where(findings.c.monitor == monitor, findings.c.start >= since, is_of_measure(measure))
        .order_by(findings.c.start, findings.c.method)
        .limit(most)
    )
    return [
        MeasuredBucket(start, method, detail, None if data is None else Facts.from_bytes(data))
        for start, method, detail, data in connection.execute(query)
    ]
