"""Cost history for the budgets of a monitor: the aggregates of its buckets and their hourly sums.

Budgets are evaluated against the aggregates of 35 days, for all replicas. The database sums a month per value of a
column over whole hours: `ledger_hours` is derived from the aggregates when they are written. With 100 values per
bucket, the sum of a month takes 40 ms from it, and 5 s from the aggregates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.cost.budget import DAY, HOUR, PERIODS, Period, SpendTotals, bounds, starts
from detectors.cost.forecast import Forecast
from detectors.cost.ledger import ALL, MISSING, OTHER, CostSummary, Part
from detectors.cost.period_forecast import DAYS_KNOWN, forecast_period
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket, floor
from monitor.profiling.spend import SpendState, foreseen
from monitor.store import aggregates
from monitor.store.aggregates import Entry, Range
from monitor.store.rows import read_all
from monitor.store.tables import ledger_hours

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BUCKETS_KEPT = timedelta(days=35)
"""Retention of the aggregates: a month and the days in which a bucket may be computed again; older costs are hourly."""
HOURS_KEPT = timedelta(days=DAYS_KNOWN + 10)
COST = ("cost", "")
MOST_VALUES = 1000
"""Maximum number of values of a column that are summed over a period: named ones, then those with the highest cost."""


def spending(connection: Connection, monitor: Monitor, bucket: Bucket, bill: CostSummary | None) -> SpendState | None:
    """Return the spending that the budgets of a monitor need at the end of a bucket, including the bucket itself."""
    if bill is None or not monitor.budgets:
        return None
    period_starts = sorted({start for check in monitor.budgets for start in starts(bucket.end, check.zone)})
    own = bill.total or SpendTotals()
    before = since(connection, monitor.name, period_starts, bucket.start)
    values: dict[tuple[str, datetime], Mapping[str, SpendTotals]] = {}
    for check in monitor.budgets:
        for period in PERIODS:
            start, _ = bounds(bucket.end, period, check.zone)
            if check.by and (check.by, start) not in values:
                named = {value for c in monitor.budgets if c.by == check.by for value in c.stored_limits}
                totals = by_value(connection, monitor.name, check.by, start, bucket.start, named)
                values[check.by, start] = _with(totals, check.by, bill)
    sums = {start: spent + own for start, spent in before.items()}
    ends = {
        zone: _ends(connection, monitor.name, bucket, own, zone, _so_far(sums, bucket.end, zone))
        for zone in {check.zone for check in monitor.budgets if not check.by}
    }
    return SpendState(bucket.end, bill, sums, values, ends, _forecast_ends(connection, monitor, bucket, bill, values))


def _so_far(sums: Mapping[datetime, SpendTotals], at: datetime, zone: str) -> dict[Period, float]:
    return {period: sums[bounds(at, period, zone)[0]].amount for period in PERIODS}


def _forecast_ends(
    connection: Connection,
    monitor: Monitor,
    bucket: Bucket,
    bill: CostSummary,
    values: Mapping[tuple[str, datetime], Mapping[str, SpendTotals]],
) -> dict[tuple[str, str, str], dict[Period, Forecast | None]]:
    """Forecast the period totals of the values that are nearest to their budgets."""
    ends = {}
    for check in monitor.budgets:
        if not check.by:
            continue
        totals = {period: values[check.by, bounds(bucket.end, period, check.zone)[0]] for period in PERIODS}
        for value in sorted({value for period in PERIODS for value in foreseen(check, period, totals[period])}):
            own, so_far = (
                bill.parts.get((check.by, value), SpendTotals()),
                {p: totals[p].get(value, SpendTotals()) for p in PERIODS},
            )
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
    own: SpendTotals,
    zone: str,
    so_far: Mapping[Period, float],
    part: Part = ALL,
) -> dict[Period, Forecast | None]:
    """Forecast the totals of the day and the month in a time zone.

    If midnight is not a whole hour, past days begin at the next one, all with the same shift. The history of a value
    begins with its first cost within the stored days.
    """
    first = bucket.end - (DAYS_KNOWN + 1) * DAY
    spent = hours(connection, monitor, first, bucket.start, part)
    begun = oldest(connection, monitor) if part == ALL else min(spent, default=None)
    here = floor(bucket.start, HOUR)
    spent[here] = spent.get(here, 0.0) + own.amount
    return forecast_period(spent, max(first, begun or bucket.start), bucket.end, zone, so_far)


def hours(
    connection: Connection, monitor: str, start: datetime, until: datetime, part: Part = ALL
) -> dict[datetime, float]:
    """Return the cost of each hour of a range, without hours that have no bucket; the last hour ends at ``until``."""
    column, value = part
    last = floor(until, HOUR)
    query = sa.select(ledger_hours.c.start, ledger_hours.c.amount).where(
        _hourly(monitor, column),
        ledger_hours.c.value == value,
        ledger_hours.c.start >= start,
        ledger_hours.c.start < last,
    )
    spent = {row.start: float(row.amount) for row in connection.execute(query)}
    (bills,) = _bills(connection, monitor, [(last, until)])
    here = [bill.parts[part] for bill in bills if part in bill.parts]
    return {**spent, last: sum(here, SpendTotals()).amount} if here else spent


def oldest(connection: Connection, monitor: str) -> datetime | None:
    """Return the start of the stored costs of a monitor."""
    query = sa.select(sa.func.min(ledger_hours.c.start)).where(_hourly(monitor, ALL[0]))
    moment: datetime | None = connection.execute(query).scalar_one_or_none()
    return moment


def _with(totals: Mapping[str, SpendTotals], column: str, bill: CostSummary) -> dict[str, SpendTotals]:
    newest = {value: spent for (name, value), spent in bill.parts.items() if name == column}
    return {value: totals.get(value, SpendTotals()) + newest.get(value, SpendTotals()) for value in {*totals, *newest}}


def since(
    connection: Connection, monitor: str, starts: Sequence[datetime], until: datetime
) -> Mapping[datetime, SpendTotals]:
    """Return the spending from each of several times up to ``until``."""
    return {start: _all(connection, monitor, start, until) for start in starts}


def _all(connection: Connection, monitor: str, start: datetime, until: datetime) -> SpendTotals:
    edges = [
        sum((bill.total or SpendTotals() for bill in bills), SpendTotals())
        for bills in _bills(connection, monitor, _edges(start, until))
    ]
    names = ("amount", "requests", "unpriced", "unknown")
    hourly = sa.select(*(sa.func.coalesce(sa.func.sum(ledger_hours.c[name]), 0).label(name) for name in names))
    first, last = _whole_hours(start, until)
    hourly = hourly.where(_hourly(monitor, ALL[0]), ledger_hours.c.start >= first, ledger_hours.c.start < last)
    return sum([*edges, *read_all(connection, _spent, hourly)], SpendTotals())


def by_value(
    connection: Connection, monitor: str, column: str, start: datetime, until: datetime, named: Collection[str] = ()
) -> dict[str, SpendTotals]:
    """Return the cost per value of a column in a range: named values, then the highest costs, at most 1,000."""
    total: dict[str, SpendTotals] = {}
    for bill in chain(*_bills(connection, monitor, _edges(start, until))):
        for (name, value), spent in bill.parts.items():
            if name == column:
                total[value] = total.get(value, SpendTotals()) + spent
    always = {*named, OTHER, MISSING}
    for value, spent in _most_expensive(connection, monitor, column, _whole_hours(start, until), {*always, *total}):
        total[value] = total.get(value, SpendTotals()) + spent
    ranked = sorted(total, key=lambda value: (value not in always, -total[value].amount, value))
    return {value: total[value] for value in ranked[: MOST_VALUES + len(named)]}


def _most_expensive(
    connection: Connection, monitor: str, column: str, hours: tuple[datetime, datetime], named: Collection[str]
) -> list[tuple[str, SpendTotals]]:
    """Return the cost per value of a column in whole hours: named values, and those with the highest cost."""
    cost, (first, last) = ledger_hours.c, hours
    amount = sa.func.sum(cost.amount)
    query = (
        sa.select(cost.value, amount, sa.func.sum(cost.requests), sa.func.sum(cost.unpriced))
        .where(_hourly(monitor, column), cost.start >= first, cost.start < last)
        .group_by(cost.value)
        .order_by(sa.case((cost.value.in_(sorted(named)), 0), else_=1), amount.desc(), cost.value)
        .limit(MOST_VALUES + len(named))
    )
    return [(row[0], _spent(*row[1:])) for row in connection.execute(query)]


def _bills(
    connection: Connection, monitor: str, intervals: Sequence[tuple[datetime, datetime]]
) -> list[list[CostSummary]]:
    """Load the costs of the buckets of each interval, oldest first."""
    ranges = [Range(*COST, start, end) for start, end in intervals]
    return [[_decode(row.data) for row in rows] for rows in aggregates.load(connection, monitor, ranges)]


_decode = lru_cache(maxsize=128)(CostSummary.from_bytes)
"""The buckets of the current hour are read several times."""


def _whole_hours(start: datetime, until: datetime) -> tuple[datetime, datetime]:
    first = -(-(start - EPOCH) // HOUR) * HOUR + EPOCH
    return first, max(first, floor(until, HOUR))


def _edges(start: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the parts of a range before its first whole hour and after its last."""
    first, last = _whole_hours(start, until)
    return [(start, until)] if first > until else [(start, first), (last, until)]


def _hourly(monitor: str, column: str) -> sa.ColumnElement[bool]:
    return sa.and_(ledger_hours.c.monitor == monitor, ledger_hours.c.column == column)


def _spent(amount: float, requests: int, unpriced: int, unknown: int = 0) -> SpendTotals:
    return SpendTotals(float(amount), int(requests), int(unpriced), int(unknown))


def save(connection: Connection, monitor: str, bucket: Bucket, bill: CostSummary, *, again: bool = False) -> None:
    """Store the cost of a bucket, or replace it if the bucket is computed again."""
    if needs_saving(connection, monitor, bucket, bill, again=again):
        aggregates.save(connection, monitor, [Entry(COST, bucket.start, bill)])
        sum_hour(connection, monitor, bucket)


def needs_saving(
    connection: Connection, monitor: str, bucket: Bucket, bill: CostSummary, *, again: bool = False
) -> bool:
    """Return whether the cost of a bucket is to be stored, followed by a call of :func:`sum_hour`.

    Of a bucket older than the retention only its hour is stored: the cost of a new bucket is added to it here, and a
    bucket that is computed again changes nothing.
    """
    if bill.total is None:
        return False
    _lock_hours(connection, monitor)
    newest = aggregates.newest(connection, monitor, COST)
    if newest is None or bucket.start >= floor(newest + (bucket.end - bucket.start), DAY) - BUCKETS_KEPT:
        return True
    if not again:
        _add_to_hour(connection, monitor, floor(bucket.start, HOUR), bill)
    return False


def sum_hour(connection: Connection, monitor: str, bucket: Bucket) -> None:
    """Recompute the sum of the hour of a bucket; at midnight delete expired costs."""
    hour = floor(bucket.start, HOUR)
    connection.execute(sa.delete(ledger_hours).where(ledger_hours.c.monitor == monitor, ledger_hours.c.start == hour))
    (bills,) = _bills(connection, monitor, [(hour, hour + HOUR)])
    _insert_hour(connection, monitor, hour, sum(bills, CostSummary()).parts)
    midnight = floor(bucket.end, DAY)
    if midnight > bucket.start or aggregates.oldest(connection, monitor, COST) == bucket.start:
        _delete_expired(connection, monitor, midnight)


def _lock_hours(connection: Connection, monitor: str) -> None:
    """Lock the hours of a monitor until the transaction ends; SQLite has a single writer and needs no lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"ledger of {monitor}"))))


def _add_to_hour(connection: Connection, monitor: str, hour: datetime, bill: CostSummary) -> None:
    """Add a bucket to an hour whose buckets are no longer stored."""
    mine = sa.and_(ledger_hours.c.monitor == monitor, ledger_hours.c.start == hour)
    stored = {
        (row.column, row.value): SpendTotals(row.amount, row.requests, row.unpriced, row.unknown)
        for row in connection.execute(sa.select(ledger_hours).where(mine))
    }
    for part, spent in bill.parts.items():
        stored[part] = stored.get(part, SpendTotals()) + spent
    connection.execute(sa.delete(ledger_hours).where(mine))
    _insert_hour(connection, monitor, hour, stored)


def _insert_hour(connection: Connection, monitor: str, hour: datetime, parts: Mapping[Part, SpendTotals]) -> None:
    rows = [
        {"monitor": monitor, "start": hour, "column": column, "value": value, **vars(spent)}
        for (column, value), spent in parts.items()
    ]
    connection.execute(sa.insert(ledger_hours), rows)


def _delete_expired(connection: Connection, monitor: str, at: datetime) -> None:
    """Delete costs that no budget and no forecast needs, once a day."""
    aggregates.delete_before(connection, monitor, COST[0], at - BUCKETS_KEPT)
    old = sa.and_(ledger_hours.c.monitor == monitor, ledger_hours.c.start < at - HOURS_KEPT)
    connection.execute(sa.delete(ledger_hours).where(old))
