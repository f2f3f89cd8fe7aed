"""What the requests of each day would have cost otherwise, and what was told of it last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.outcome import OUTCOME
from detectors.spend.savings import Cell, Cells
from monitor.actions.drift_cost import MeasuredBucket
from monitor.config.models import BASELINE_RULE
from monitor.core.plain import plain
from monitor.store.database import now, upsert
from monitor.store.encoding import pack, unpack
from monitor.store.rows import SavingsRow, read_all, read_first
from monitor.store.tables import buckets, findings, incidents, savings, savings_told, versions


def counted_days(connection: Connection, monitor: str, plan: str, definition: str) -> dict[datetime, datetime]:
    """Return by day when it was counted, of the days that are counted as the plan is now."""
    query = sa.select(savings.c.day, savings.c.counted_at).where(
        savings.c.monitor == monitor, savings.c.plan == plan, savings.c.definition == definition
    )
    return {row.day: row.counted_at for row in connection.execute(query)}


def cells(
    connection: Connection, monitor: str, plan: str, definition: str, first: datetime, last: datetime
) -> list[Cells]:
    """Return the sums of the counted days of a stretch."""
    query = sa.select(savings.c.sums).where(
        savings.c.monitor == monitor, savings.c.plan == plan, savings.c.definition == definition,
        savings.c.day >= first, savings.c.day < last,
    )  # fmt: skip
    return [
        {
            (int(tier), str(model), str(stratum)): Cell.from_json(cell)
            for tier, model, stratum, cell in unpack(blob, list)
        }
        for blob in connection.execute(query).scalars()
    ]


def save(
    connection: Connection, monitor: str, plan: str, day: datetime, definition: str, at: datetime, summed: Cells
) -> None:
    """Write what a day came to; counted again, it replaces what stood there."""
    sums = pack([[*key, cell.to_json()] for key, cell in summed.items()])
    values = {"definition": definition, "counted_at": at, "sums": sums}
    upsert(connection, savings, [{"monitor": monitor, "plan": plan, "day": day, **values}], **values)


def forget_before(connection: Connection, monitor: str, first: datetime) -> None:
    """Drop the days that are no longer looked at."""
    connection.execute(sa.delete(savings).where(savings.c.monitor == monitor, savings.c.day < first))


def tell(connection: Connection, monitor: str, told: Mapping[str, object]) -> None:
    """Write what is told of a monitor's savings."""
    values = {"at": now(connection), "told": plain(told)}
    upsert(connection, savings_told, [{"monitor": monitor, **values}], **values)


def load_report(connection: Connection, monitor: str) -> SavingsRow | None:
    """Return what was told last, and when; None when nothing was."""
    return read_first(connection, SavingsRow, sa.select(savings_told).where(savings_told.c.monitor == monitor))


def models(connection: Connection, monitor: str, most: int) -> list[str]:
    """Return the models that answered most requests."""
    query = sa.select(versions.c.value).where(versions.c.monitor == monitor, versions.c.role == "model_version")
    return list(connection.execute(query.order_by(versions.c.rows.desc(), versions.c.value).limit(most)).scalars())


def drift_began(connection: Connection, monitor: str) -> datetime | None:
    """Return since when the oldest firing incident is open."""
    query = sa.select(sa.func.min(incidents.c.opened_at)).where(
        incidents.c.monitor == monitor,
        incidents.c.state == "firing",
        incidents.c.rule.not_in(("no_data", BASELINE_RULE)),
    )
    return connection.execute(query).scalar_one_or_none()


def load_measure(
    connection: Connection, monitor: str, measure: str, since: datetime, most: int = 20_000
) -> list[MeasuredBucket]:
    """Return the facts and what was found of a measure, by bucket since a moment, oldest first."""
    of_model = sa.and_(findings.c.column == OUTCOME, findings.c.method.in_([measure, f"estimated_{measure}"]))
    of_signal = sa.and_(findings.c.column == measure, findings.c.method == "rate_rise")
    query = (
        sa.select(findings.c.start, findings.c.method, findings.c.detail, buckets.c.facts)
        .join(buckets, sa.and_(buckets.c.monitor == findings.c.monitor, buckets.c.start == findings.c.start))
        .where(findings.c.monitor == monitor, findings.c.segment.is_(None), findings.c.start >= since)
        .where(sa.or_(of_model, of_signal))
        .order_by(findings.c.start, findings.c.method)
        .limit(most)
    )
    return read_all(connection, MeasuredBucket, query)
