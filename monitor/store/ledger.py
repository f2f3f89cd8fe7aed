"""What every bucket cost: the truth that budgets are held against, for all replicas alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.spend.bill import ALL, MISSING, OTHER, Bill, Part
from detectors.spend.budget import DAY, HOUR, PERIODS, Period, Spent, bounds, starts
from detectors.spend.forecast import Forecast
from detectors.spend.outlook import DAYS_KNOWN, outlook
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket, floor
from monitor.profiling.spend import Spending, foreseen
from monitor.store.database import insert_for, upsert
from monitor.store.rows import read_all
from monitor.store.tables import ledger, ledger_hours, ledger_parts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BUCKETS_KEPT = timedelta(days=35)
"""A month and the days that a bucket may still be computed again; older ones are kept as hours."""
HOURS_KEPT = timedelta(days=DAYS_KNOWN + 10)
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
        zone: _ends(connection, monitor.name, bucket, own, zone, _so_far(sums, bucket.end, zone))
        for zone in {check.zone for check in monitor.budgets if not check.by}
    }
    return Spending(bucket.end, bill, sums, values, ends, _forecast_ends(connection, monitor, bucket, bill, values))


def _so_far(sums: Mapping[datetime, Spent], at: datetime, zone: str) -> dict[Period, float]:
    return {period: sums[bounds(at, period, zone)[0]].amount for period in PERIODS}


def _forecast_ends(
    connection: Connection,
    monitor: Monitor,
    bucket: Bucket,
    bill: Bill,
    values: Mapping[tuple[str, datetime], Mapping[str, Spent]],
) -> dict[tuple[str, str, str], dict[Period, Forecast | None]]:
    """Forecast the ends of the values that are nearest to their budgets."""
    ends = {}
    for check in monitor.budgets:
        if not check.by:
            continue
        held = {period: values[check.by, bounds(bucket.end, period, check.zone)[0]] for period in PERIODS}
        for value in sorted({value for period in PERIODS for value in foreseen(check, period, held[period])}):
            own, so_far = bill.parts.get((check.by, value), Spent()), {p: held[p].get(value, Spent()) for p in PERIODS}
            part = (check.by, value)
            ends[check.zone, check.by, value] = _ends(
                connection,
                monitor.name,
                bucket,
                own,
                check.zone,
                {p: spent.amount for p, spent in so_far.items()},
                part,
            )
    return ends


def _ends(
    connection: Connection,
    monitor: str,
    bucket: Bucket,
    own: Spent,
    zone: str,
    so_far: Mapping[Period, float],
    part: Part = ALL,
) -> dict[Period, Forecast | None]:
    """Forecast the ends of the day and the month in a zone.

    Where midnight is no whole hour, past days begin at the next one: a shift of all of them alike. A value is known
    since it was first seen, of the days that are known at all.
    """
    first = bucket.end - (DAYS_KNOWN + 1) * DAY
    spent = hours(connection, monitor, first, bucket.start, part)
    begun = oldest(connection, monitor) if part == ALL else min(spent, default=None)
    here = floor(bucket.start, HOUR)
    spent[here] = spent.get(here, 0.0) + own.amount
    return outlook(spent, max(first, begun or bucket.start), bucket.end, zone, so_far)


def hours(
    connection: Connection, monitor: str, start: datetime, until: datetime, part: Part = ALL
) -> dict[datetime, float]:
    """Return what each hour of a stretch cost, those without a bucket left out; of the last one what came before."""
    column, value = part
    last = floor(until, HOUR)
    query = sa.select(ledger_hours.c.start, ledger_hours.c.amount).where(
        _hourly(monitor, column), ledger_hours.c.value == value,
        ledger_hours.c.start >= start, ledger_hours.c.start < last,
    )  # fmt: skip
    spent = {row.start: float(row.amount) for row in connection.execute(query)}
    table = ledger if part == ALL else ledger_parts
    here = sa.select(sa.func.sum(table.c.amount)).where(
        table.c.monitor == monitor, table.c.start >= last, table.c.start < until
    )
    if part != ALL:
        here = here.where(table.c.column == column, table.c.value == value)
    newest = connection.execute(here).scalar_one_or_none()
    return spent if newest is None else {**spent, last: float(newest)}


def oldest(connection: Connection, monitor: str) -> datetime | None:
    """Return since when the ledger knows what a monitor spends."""
    query = sa.select(sa.func.min(ledger_hours.c.start)).where(_hourly(monitor, ALL[0]))
    found: datetime | None = connection.execute(query).scalar_one_or_none()
    return found


def _with(held: Mapping[str, Spent], column: str, bill: Bill) -> dict[str, Spent]:
    newest = {value: spent for (name, value), spent in bill.parts.items() if name == column}
    return {value: held.get(value, Spent()) + newest.get(value, Spent()) for value in {*held, *newest}}


def since(
    connection: Connection, monitor: str, starts: Sequence[datetime], until: datetime
) -> Mapping[datetime, Spent]:
    """Return what was spent from each of several moments up to another."""
    return {start: _all(connection, monitor, start, until) for start in starts}


def _all(connection: Connection, monitor: str, start: datetime, until: datetime) -> Spent:
    whole = _hourly(monitor, ALL[0])
    query = sa.union_all(
        *(_sums(ledger, ledger.c.monitor == monitor, *edge) for edge in _edges(start, until)),
        _sums(ledger_hours, whole, *_whole_hours(start, until)),
    )
    return sum(read_all(connection, _spent, query), Spent())


def by_value(
    connection: Connection, monitor: str, column: str, start: datetime, until: datetime, named: Collection[str] = ()
) -> dict[str, Spent]:
    """Return what each value of a column cost in a stretch, the named ones first, then the dearest, at most 1,000."""
    raw = ledger_parts.c
    mine = sa.and_(raw.monitor == monitor, raw.column == column)
    every = sa.union_all(
        *(_sums(ledger_parts, mine, *edge, by_value=True) for edge in _edges(start, until)),
        _sums(ledger_hours, _hourly(monitor, column), *_whole_hours(start, until), by_value=True),
    ).subquery()
    always = sa.case((every.c.value.in_([*named, OTHER, MISSING]), 0), else_=1)
    amount = sa.func.sum(every.c.amount)
    query = (
        sa.select(every.c.value, amount, sa.func.sum(every.c.requests), sa.func.sum(every.c.unpriced))
        .group_by(every.c.value)
        .order_by(always, amount.desc(), every.c.value)
        .limit(MOST_VALUES + len(named))
    )
    return {row[0]: _spent(*row[1:]) for row in connection.execute(query)}


def _whole_hours(start: datetime, until: datetime) -> tuple[datetime, datetime]:
    first = -(-(start - EPOCH) // HOUR) * HOUR + EPOCH
    return first, max(first, floor(until, HOUR))


def _edges(start: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return what lies before the first whole hour of a stretch, and after the last."""
    first, last = _whole_hours(start, until)
    return [(start, until)] if first > until else [(start, first), (last, until)]


def _sums(
    table: sa.Table, mine: sa.ColumnElement[bool], start: datetime, until: datetime, *, by_value: bool = False
) -> sa.Select[*tuple[object, ...]]:
    names = ("amount", "requests", "unpriced") if by_value else ("amount", "requests", "unpriced", "unknown")
    sums = [sa.func.coalesce(sa.func.sum(table.c[name]), 0).label(name) for name in names]
    query = sa.select(*([table.c.value] if by_value else []), *sums)
    query = query.where(mine, table.c.start >= start, table.c.start < until)
    return query.group_by(table.c.value) if by_value else query


def _hourly(monitor: str, column: str) -> sa.ColumnElement[bool]:
    return sa.and_(ledger_hours.c.monitor == monitor, ledger_hours.c.column == column)


def _spent(amount: float, requests: int, unpriced: int, unknown: int = 0) -> Spent:
    return Spent(float(amount), int(requests), int(unpriced), int(unknown))


def save(connection: Connection, monitor: str, bucket: Bucket, bill: Bill, *, again: bool = False) -> None:
    """Write what a bucket cost; computed again, it replaces what stood there.

    Of a bucket that is older than what is kept only its hour is left: what was never counted is added to it, and what
    was changes nothing any more.
    """
    if bill.total is None:
        return
    _alone(connection, monitor)
    newest = connection.execute(sa.select(sa.func.max(ledger.c.start)).where(ledger.c.monitor == monitor)).scalar_one()
    if newest is not None and bucket.start < floor(newest + (bucket.end - bucket.start), DAY) - BUCKETS_KEPT:
        if not again:
            _add_to_hour(connection, monitor, floor(bucket.start, HOUR), bill)
        return
    upsert(connection, ledger, [{"monitor": monitor, "start": bucket.start, **vars(bill.total)}], **vars(bill.total))
    here = sa.and_(ledger_parts.c.monitor == monitor, ledger_parts.c.start == bucket.start)
    connection.execute(sa.delete(ledger_parts).where(here))
    rows = [{"start": bucket.start, **_row(monitor, part, spent)} for part, spent in bill.parts.items() if part != ALL]
    if rows:
        connection.execute(insert_for(connection)(ledger_parts), rows)
    _sum_hour(connection, monitor, floor(bucket.start, HOUR))
    if floor(bucket.end, DAY) > bucket.start or newest is None:
        _forget(connection, monitor, floor(bucket.end, DAY))


def _alone(connection: Connection, monitor: str) -> None:
    """Let no other transaction sum hours of this monitor until this one ends; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"ledger of {monitor}"))))


def _add_to_hour(connection: Connection, monitor: str, hour: datetime, bill: Bill) -> None:
    """Add a bucket to an hour whose buckets are no longer kept."""
    mine = sa.and_(ledger_hours.c.monitor == monitor, ledger_hours.c.start == hour)
    held = {(row.column, row.value): Spent(row.amount, row.requests, row.unpriced, row.unknown)
            for row in connection.execute(sa.select(ledger_hours).where(mine))}  # fmt: skip
    for part, spent in bill.parts.items():
        held[part] = held.get(part, Spent()) + spent
    connection.execute(sa.delete(ledger_hours).where(mine))
    rows = [{"start": hour, **_row(monitor, part, spent), "unknown": spent.unknown} for part, spent in held.items()]
    connection.execute(insert_for(connection)(ledger_hours), rows)


def _sum_hour(connection: Connection, monitor: str, hour: datetime) -> None:
    """Sum an hour of buckets anew."""
    connection.execute(sa.delete(ledger_hours).where(ledger_hours.c.monitor == monitor, ledger_hours.c.start == hour))
    for table in (ledger, ledger_parts):
        part = [table.c.column, table.c.value] if table is ledger_parts else []
        names = [name for name in ("amount", "requests", "unpriced", "unknown") if name in table.c]
        query = sa.select(*part, *(sa.func.sum(table.c[name]).label(name) for name in names))
        query = query.where(table.c.monitor == monitor, table.c.start >= hour, table.c.start < hour + HOUR)
        found = connection.execute(query.group_by(*part)).mappings()
        rows = [{"monitor": monitor, "column": "", "value": "", "start": hour, "unknown": 0, **row} for row in found]
        if rows:
            connection.execute(insert_for(connection)(ledger_hours), rows)


def _forget(connection: Connection, monitor: str, at: datetime) -> None:
    """Drop what no budget and no forecast asks for any more, once a day."""
    for table, kept in ((ledger, BUCKETS_KEPT), (ledger_parts, BUCKETS_KEPT), (ledger_hours, HOURS_KEPT)):
        connection.execute(sa.delete(table).where(table.c.monitor == monitor, table.c.start < at - kept))


def _row(monitor: str, part: Part, spent: Spent) -> dict[str, object]:
    key = {"monitor": monitor, "column": part[0], "value": part[1]}
    return {**key, "amount": spent.amount, "requests": spent.requests, "unpriced": spent.unpriced}
