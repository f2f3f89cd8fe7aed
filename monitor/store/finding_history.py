"""The history of findings. Findings of older buckets are stored as points of charts: an hour of buckets in one row.

A point has the statistic, the threshold, the status and, if the finding has a natural unit, the measured value with
its interval. The sentence and other details are deleted: incidents store those of their evidence. Older hours are
thinned to days, and older days to weeks: of every hour or day, the point with the highest statistic and every change of
the status remain. Numbers have six significant digits, and four after thinning.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from detectors.encoding import SMALL, pack, unpack
from detectors.sequential import State
from monitor.core.schedule import floor
from monitor.store.database import upsert
from monitor.store.rows import FindingPoint, columns
from monitor.store.tables import finding_history, findings

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
MOST_POINTS = 60_000
STATUSES = ("ok", "drifted", "inconclusive", "error")
NUMBERS = ("value", "low", "high", "baseline_value")
"""Numbers of the detail that charts draw."""
DIGITS, FEW_DIGITS = 6, 4


@dataclass(frozen=True)
class Thinning:
    """Rows of one length become a row of another, with the points that :func:`thin` chooses of every ``step``."""

    source: timedelta
    length: timedelta
    step: timedelta


HOURLY, DAILY = Thinning(HOUR, DAY, HOUR), Thinning(DAY, WEEK, DAY)
Series = dict[str, dict[datetime, FindingPoint]]
"""Points by key of the finding and start of the bucket."""
States = Mapping[str, Mapping[str, State]]
"""States of sequential detectors by seconds after the start of the hour, and key."""

_OF_MONITOR = finding_history.c.monitor == sa.bindparam("of_monitor")
_POINTS = (
    sa.select(finding_history.c.start, finding_history.c.points)
    .where(
        _OF_MONITOR, finding_history.c.start > sa.bindparam("since"), finding_history.c.start < sa.bindparam("until")
    )
    .order_by(finding_history.c.length.desc(), finding_history.c.start)
)
_STATES = sa.select(finding_history.c.states).where(
    _OF_MONITOR, finding_history.c.length == HOUR.seconds, finding_history.c.start == sa.bindparam("hour")
)
_SUMMARY = [*columns(findings, FindingPoint), findings.c.key]


def load_points(
    connection: Connection, monitor: str, keys: Collection[str], start: datetime, end: datetime
) -> dict[str, list[FindingPoint]]:
    """Return the points of several findings within a time range, oldest first."""
    series: Series = {key: {} for key in keys}
    if not keys:
        return {}
    values = {"of_monitor": monitor, "since": start - WEEK, "until": end}
    for begin, points in connection.execute(_POINTS, values):
        _unpack_into(series, points, begin)
    query = (
        sa.select(*_SUMMARY)
        .where(findings.c.monitor == monitor, findings.c.start >= start, findings.c.start < end)
        .where(findings.c.key.in_(list(keys)))
        .order_by(findings.c.start)
        .limit(MOST_POINTS)
    )
    for key, point in _read(connection, query):
        series[key][point.start] = point
    return {key: [points[at] for at in sorted(points) if start <= at < end] for key, points in series.items()}


def load_states(connection: Connection, monitor: str, start: datetime) -> Mapping[str, State]:
    """Return the states of sequential detectors at the end of a bucket whose findings are in the history, by key."""
    hour = floor(start, HOUR)
    stored = connection.execute(_STATES, {"of_monitor": monitor, "hour": hour}).scalar_one_or_none()
    states: States = unpack(stored, dict) if stored else {}
    return states.get(_offset(start, hour), {})


def hours_to_move(
    connection: Connection, monitor: str, before: datetime, kept: sa.ColumnElement[bool], most: int
) -> list[datetime]:
    """Return the oldest hours before a time with findings that are not in the history yet."""
    query = (
        sa.select(findings.c.start)
        .distinct()
        .where(findings.c.monitor == monitor, findings.c.start < floor(before, HOUR), sa.not_(kept))
        .order_by(findings.c.start)
        .limit(most)
    )
    return list(dict.fromkeys(floor(start, HOUR) for start in connection.execute(query).scalars()))


def move_hour(connection: Connection, monitor: str, hour: datetime, kept: sa.ColumnElement[bool]) -> None:
    """Move the findings of the buckets of an hour to the history, except those that are kept as they are.

    Points of a bucket that was computed again replace those in the history.
    """
    here = sa.and_(findings.c.monitor == monitor, findings.c.start >= hour, findings.c.start < hour + HOUR)
    old = sa.delete(findings).where(here, sa.not_(kept)).returning(*_SUMMARY)  # read and deleted by one statement
    rows = [*_read(connection, old), *_read(connection, sa.select(*_SUMMARY).where(here, kept))]
    series: Series = {}
    states: dict[str, dict[str, State]] = {}
    for points, stored in connection.execute(
        sa.select(finding_history.c.points, finding_history.c.states).where(_is_row(monitor, HOUR, hour))
    ):
        _unpack_into(series, points, hour, of_all=True)
        states = unpack(stored, dict) if stored else {}
    for key, point in rows:
        series.setdefault(key, {})[point.start] = point
        if point.detail and "state" in point.detail:
            states.setdefault(_offset(point.start, hour), {})[key] = cast("State", point.detail["state"])
    _save(connection, monitor, HOUR, hour, series, pack(states) if states else None)


def rows_to_thin(connection: Connection, monitor: str, before: datetime, thinning: Thinning) -> list[datetime]:
    """Return the starts of the thinned rows that rows before a time belong to."""
    table = finding_history.c
    query = sa.select(table.start).where(
        table.monitor == monitor,
        table.length == _seconds(thinning.source),
        table.start < floor(before, thinning.length),
        table.points != EMPTY,
    )
    starts = connection.execute(query.order_by(table.start)).scalars()
    return list(dict.fromkeys(floor(start, thinning.length) for start in starts))


def thin_rows(connection: Connection, monitor: str, start: datetime, thinning: Thinning) -> None:
    """Thin rows to one; states of sequential detectors remain until :func:`delete_before`."""
    table = finding_history.c
    rows = sa.and_(
        table.monitor == monitor,
        table.length == _seconds(thinning.source),
        table.start >= start,
        table.start < start + thinning.length,
    )
    series: Series = {}
    for points in connection.execute(sa.select(table.points).where(_is_row(monitor, thinning.length, start))).scalars():
        _unpack_into(series, points, start, of_all=True)
    for begin, points in connection.execute(sa.select(table.start, table.points).where(rows)):
        _unpack_into(series, points, begin, of_all=True)
    thinned = {key: {one.start: one for one in thin(points.values(), thinning.step)} for key, points in series.items()}
    _save(connection, monitor, thinning.length, start, thinned, None)
    connection.execute(sa.delete(finding_history).where(rows, table.states.is_(None)))
    connection.execute(sa.update(finding_history).where(rows).values(points=EMPTY))


def thin(points: Iterable[FindingPoint], step: timedelta) -> list[FindingPoint]:
    """Return of every step the point with the highest statistic, and every point whose status changed.

    Examples
    --------
    >>> from datetime import UTC
    >>> hour = datetime(2026, 11, 1, tzinfo=UTC)
    >>> at = [hour + place * timedelta(minutes=10) for place in range(6)]
    >>> points = [FindingPoint(one, value, 1.0, "ok", "", None) for one, value in zip(at, (3, 1, 4, 1, 5, 2))]
    >>> [point.statistic for point in thin(points, timedelta(hours=1))]
    [3, 5]
    """
    chosen: list[FindingPoint] = []
    status: str | None = None
    for _, group in groupby(sorted(points, key=lambda point: point.start), lambda point: floor(point.start, step)):
        here = list(group)
        highest = max(here, key=lambda point: -math.inf if point.statistic is None else point.statistic)
        for point in here:
            if point is highest or point.status != status:
                chosen.append(point)
            status = point.status
    return chosen


def delete_before(connection: Connection, monitor: str, points: datetime, states: datetime) -> int:
    """Delete the thinned rows before a time, and states of sequential detectors before another."""
    table = finding_history.c
    old = sa.or_(
        sa.and_(table.length != HOUR.seconds, table.start < points - WEEK),
        sa.and_(table.length == HOUR.seconds, table.start < states, table.points == EMPTY),
    )
    return connection.execute(sa.delete(finding_history).where(table.monitor == monitor, old)).rowcount


def _read(connection: Connection, query: sa.Executable) -> list[tuple[str, FindingPoint]]:
    return [
        (row["key"], FindingPoint(**{name: value for name, value in row.items() if name != "key"}))
        for row in connection.execute(query).mappings()
    ]


def _is_row(monitor: str, length: timedelta, start: datetime) -> sa.ColumnElement[bool]:
    table = finding_history.c
    return sa.and_(table.monitor == monitor, table.length == _seconds(length), table.start == start)


def _save(
    connection: Connection, monitor: str, length: timedelta, start: datetime, series: Series, states: bytes | None
) -> None:
    points = pack_points(series, start, DIGITS if length == HOUR else FEW_DIGITS)
    row = {"monitor": monitor, "length": _seconds(length), "start": start, "points": points, "states": states}
    upsert(connection, finding_history, [row], replace=("points", "states"))


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())


def _offset(start: datetime, begin: datetime) -> str:
    return str(_seconds(start - begin))


def pack_points(series: Series, begin: datetime, digits: int) -> bytes:
    """Serialise points; ``begin`` is the start of their row."""
    encoded = {key: _encode(list(points.values()), begin, digits) for key, points in sorted(series.items()) if points}
    return pack(encoded, SMALL)


def _encode(points: Sequence[FindingPoint], begin: datetime, digits: int) -> list[object]:
    ordered = sorted(points, key=lambda point: point.start)
    numbers: dict[str, list[float | None]] = {
        "statistic": [_round(point.statistic, digits) for point in ordered],
        "threshold": [_round(point.threshold, digits) for point in ordered],
        **{name: [_round((point.detail or {}).get(name), digits) for point in ordered] for name in NUMBERS},
    }
    return [
        ordered[-1].unit,
        [_seconds(point.start - begin) for point in ordered],
        "".join(str(STATUSES.index(point.status)) for point in ordered),
        {name: values for name, values in numbers.items() if any(value is not None for value in values)},
    ]


def _unpack_into(series: Series, points: bytes, begin: datetime, *, of_all: bool = False) -> None:
    """Add the points of a row: of the keys in ``series``, or of all."""
    stored: Mapping[str, Sequence[object]] = unpack(points, dict)
    for key in stored if of_all else stored.keys() & series.keys():
        series.setdefault(key, {}).update((point.start, point) for point in _decode(stored[key], begin))


def _decode(encoded: Sequence[object], begin: datetime) -> Iterable[FindingPoint]:
    unit, offsets, statuses, numbers = encoded
    for place, offset in enumerate(offsets):  # type: ignore[arg-type,var-annotated]
        of_point = {name: values[place] for name, values in numbers.items()}  # type: ignore[attr-defined]
        detail = {name: of_point[name] for name in NUMBERS if of_point.get(name) is not None}
        yield FindingPoint(
            begin + timedelta(seconds=offset),
            of_point.get("statistic"),
            of_point.get("threshold"),
            STATUSES[int(statuses[place])],  # type: ignore[index]
            str(unit),
            detail or None,
        )


def _round(value: object, digits: int) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


EMPTY = pack({}, SMALL)
"""The points of an hour that is thinned."""
