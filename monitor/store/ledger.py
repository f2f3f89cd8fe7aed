"""What every bucket cost: the truth that budgets are held against, for all replicas alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.spend.bill import ALL, MISSING, OTHER, Bill, Part
from detectors.spend.budget import DAY, HOUR, PERIODS, Period, Spent, bounds, starts
from detectors.spend.forecast import Forecast
from detectors.spend.outlook import DAYS_KNOWN, outlook
from monitor.config import Monitor
from monitor.engine.spend import Spending
from monitor.schedule import Bucket
from monitor.store.database import insert_for, upsert
from monitor.store.tables import ledger, ledger_parts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_VALUES = 1000
"""Values of a column that are summed over a period: named ones, then the dearest."""


def spending(connection: Connection, monitor: Monitor, bucket: Bucket, bill: Bill | None) -> Spending | None:
    """Return all that the budgets of a monitor ask for at the end of a bucket, its own bill included."""
    if bill is None or not monitor.budgets:
        return None
    asked = sorted({start for check in monitor.budgets for start in starts(bucket.end, check.zone)})
    own = bill.total or Spent()
    before = since(connection, monitor.name, asked, bucket.start)
    values: dict[tuple[str, datetime], Mapping[str, Spent]] = {}
    for check in monitor.budgets:
        for period in PERIODS:
            start, _ = bounds(bucket.end, period, check.zone)
            if check.by and (check.by, start) not in values:
                named = {value for c in monitor.budgets if c.by == check.by for value in c.limits}
                held = by_value(connection, monitor.name, check.by, start, bucket.start, named)
                values[check.by, start] = _with(held, check.by, bill)
    sums = {start: spent + own for start, spent in before.items()}
    ends = {
        zone: _ends(connection, monitor.name, bucket, own, zone, sums)
        for zone in {check.zone for check in monitor.budgets if not check.by}
    }
    return Spending(bucket.end, bill, sums, values, ends)


def _ends(
    connection: Connection, monitor: str, bucket: Bucket, own: Spent, zone: str, sums: Mapping[datetime, Spent]
) -> dict[Period, Forecast | None]:
    """Forecast the ends of the day and the month in a zone, from hours, or quarters where midnight is no whole hour."""
    offset = bucket.end.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)
    step = HOUR if offset % HOUR == timedelta(0) else HOUR / 4
    first = bucket.end - (DAYS_KNOWN + 1) * DAY
    spent = by_step(connection, monitor, first, bucket.start, step)
    begun = oldest(connection, monitor)
    here = bucket.start - (bucket.start - EPOCH) % step
    spent[here] = spent.get(here, 0.0) + own.amount
    so_far = {period: sums[bounds(bucket.end, period, zone)[0]].amount for period in PERIODS}
    return outlook(spent, max(first, begun or bucket.start), bucket.end, zone, so_far)


def by_step(
    connection: Connection, monitor: str, start: datetime, until: datetime, step: timedelta
) -> dict[datetime, float]:
    """Return what each hour (or other step since the epoch) of a stretch cost, those without a bucket left out."""
    seconds = int(step.total_seconds())
    number: sa.ColumnElement[int]
    if connection.dialect.name == "postgresql":
        number = sa.cast(sa.func.floor(sa.extract("epoch", ledger.c.start) / seconds), sa.BigInteger)
    else:
        number = sa.cast(sa.func.strftime("%s", ledger.c.start), sa.BigInteger).op("/")(seconds)
    query = (
        sa.select(number.label("number"), sa.func.sum(ledger.c.amount))
        .where(ledger.c.monitor == monitor, ledger.c.start >= start, ledger.c.start < until)
        .group_by(sa.text("number"))
    )
    return {EPOCH + int(place) * step: float(amount) for place, amount in connection.execute(query)}


def oldest(connection: Connection, monitor: str) -> datetime | None:
    """Return since when the ledger knows what a monitor spends."""
    query = sa.select(sa.func.min(ledger.c.start)).where(ledger.c.monitor == monitor)
    found: datetime | None = connection.execute(query).scalar_one_or_none()
    return found


def _with(held: Mapping[str, Spent], column: str, bill: Bill) -> dict[str, Spent]:
    newest = {value: spent for (name, value), spent in bill.parts.items() if name == column}
    return {value: held.get(value, Spent()) + newest.get(value, Spent()) for value in {*held, *newest}}


def since(
    connection: Connection, monitor: str, starts: Sequence[datetime], until: datetime
) -> Mapping[datetime, Spent]:
    """Return what was spent from each of several moments up to another."""
    if not starts:
        return {}
    columns = (ledger.c.amount, ledger.c.requests, ledger.c.unpriced)
    sums = [
        sa.func.coalesce(sa.func.sum(sa.case((ledger.c.start >= start, column), else_=0)), 0)
        for start in starts
        for column in columns
    ]
    query = sa.select(*sums).where(ledger.c.monitor == monitor, ledger.c.start >= min(starts), ledger.c.start < until)
    found = list(connection.execute(query).one())
    parts = [found[place : place + len(columns)] for place in range(0, len(found), len(columns))]
    return {start: _spent(part) for start, part in zip(starts, parts, strict=True)}


def by_value(
    connection: Connection, monitor: str, column: str, start: datetime, until: datetime, named: Collection[str] = ()
) -> dict[str, Spent]:
    """Return what each value of a column cost in a stretch, the named ones first, then the dearest, at most 1,000."""
    parts = ledger_parts.c
    always = sa.case((parts.value.in_([*named, OTHER, MISSING]), 0), else_=1)
    amount = sa.func.sum(parts.amount)
    query = (
        sa.select(parts.value, amount, sa.func.sum(parts.requests), sa.func.sum(parts.unpriced))
        .where(parts.monitor == monitor, parts.column == column, parts.start >= start, parts.start < until)
        .group_by(parts.value)
        .order_by(always, amount.desc(), parts.value)
        .limit(MOST_VALUES + len(named))
    )
    return {row[0]: _spent(row[1:]) for row in connection.execute(query)}


def _spent(sums: Sequence[Any]) -> Spent:
    amount, requests, unpriced = sums
    return Spent(float(amount), int(requests), int(unpriced))


def save(connection: Connection, monitor: str, bucket: Bucket, bill: Bill) -> None:
    """Write what a bucket cost; computed again, it replaces what stood there."""
    if bill.total is None:
        return
    upsert(connection, ledger, [{"monitor": monitor, "start": bucket.start, **vars(bill.total)}], **vars(bill.total))
    here = sa.and_(ledger_parts.c.monitor == monitor, ledger_parts.c.start == bucket.start)
    connection.execute(sa.delete(ledger_parts).where(here))
    rows = [_row(monitor, bucket, part, spent) for part, spent in bill.parts.items() if part != ALL]
    if rows:
        connection.execute(insert_for(connection)(ledger_parts), rows)


def _row(monitor: str, bucket: Bucket, part: Part, spent: Spent) -> dict[str, Any]:
    return {"monitor": monitor, "start": bucket.start, "column": part[0], "value": part[1], **vars(spent)}
