"""Reader of a source with other records than served traffic: counts, times and samples are of the monitored traffic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from detectors.records import Column
from monitor.config.models import Monitor
from monitor.config.presets.base import Narrow
from monitor.config.source import Source
from monitor.core.record_batch import RecordBatch
from monitor.sources.base import READ_STEP, Counts
from monitor.sources.dialects.base import Dialect, raw
from monitor.sources.reader import SqlReader
from monitor.sources.times import TimeColumn
from monitor.sources.traffic_roles import are_monitored, keep_monitored, keep_own_arms, role_columns

FIRST_STEP = timedelta(minutes=5)
"""First range in which the newest record is searched; each further range before it is twice as long."""
MARKS = ("label", "feedback")
"""Columns whose values are counted."""
ROWS = "(rows)"
"""Column with the number of rows that a counted record stands for."""
MOST_SAMPLED = 16
"""A sample reads at most this many times its size, for a source that is mostly not served traffic."""


class TrafficReader(SqlReader):
    """Counts, samples and looks for the records of served traffic only; :meth:`read` yields all records.

    Parameters
    ----------
    monitor
        The monitor whose ``role_rules`` decide the role of a record.
    """

    def __init__(
        self, engine: sa.Engine, source: Source, dialect: Dialect, narrow: Narrow | None, monitor: Monitor
    ) -> None:
        super().__init__(engine, source, dialect, narrow)
        self._monitor = monitor
        self._newest: datetime | None = None

    def counts(self, start: datetime, end: datetime) -> Counts:
        """Count the rows with ``start <= timestamp < end``."""
        counted = self._count_groups(start, end)
        parts = [counted] if counted is not None else self._read_counted(start, end)
        rows, compared, present = 0, 0, dict.fromkeys(MARKS, 0)
        for part in parts:
            kept = keep_monitored(part, self._monitor)
            arms = [keep_own_arms(part, self._monitor, spec) for spec in self._monitor.comparisons]
            rows, compared = rows + _total(kept, ROWS), compared + sum(_total(arm, ROWS) for arm in arms)
            present = {mark: count + _total(kept, mark) for mark, count in present.items()}
        return Counts(rows, present["label"], present["feedback"], compared)

    def _read_counted(self, start: datetime, end: datetime) -> Iterator[RecordBatch]:
        """Yield records with the number of rows and of marks that each stands for."""
        columns = role_columns(self._monitor, self.schema())
        for batch in self.read(start, end, [*columns, *MARKS]):
            present = {mark: (~batch[mark].missing).astype(np.float64) for mark in MARKS if mark in batch}
            ones = {ROWS: np.ones(batch.rows), **present}
            yield batch.with_columns({name: Column.floats(values) for name, values in ones.items()})

    def _count_groups(self, start: datetime, end: datetime) -> RecordBatch | None:
        """Count in the database: a record for each combination of values, with its number of rows and of marks.

        None if records with the same values may differ in their role, or if the condition of the range is not exact.
        """
        bounds = [bound for rule in self._monitor.role_rules for bound in (rule.start, rule.end) if bound is not None]
        with self._session() as connection:
            name = self._origin.resolve(connection)
            infos = self._columns(connection, name)
            time = self._time(connection, name, infos)
            if not time.exact or any(start < bound < end for bound in bounds):
                return None
            columns, marks = role_columns(self._monitor, infos), [mark for mark in MARKS if mark in infos]
            values = [self._value(infos[column]).label(f"c{place}") for place, column in enumerate(columns)]
            marked = [raw(infos[mark].name).label(f"m{place}") for place, mark in enumerate(marks)]
            read = [infos[column].name for column in (*columns, *marks)]
            rows = sa.select(sa.literal_column("1").label("one"), *values, *marked)
            inner = rows.select_from(self._from(name, start, read)).where(self._within(time, start, end)).subquery()
            groups = [inner.c[value.name] for value in values]
            counts = [sa.func.count(), *(sa.func.count(inner.c[mark.name]) for mark in marked)]
            answer = connection.execute(sa.select(*groups, *counts).select_from(inner).group_by(*groups)).all()
        parts = list(zip(*answer, strict=True)) or [()] * (len(columns) + len(counts))
        counted = zip((ROWS, *marks), parts[len(columns) :], strict=True)
        return RecordBatch(
            {
                "timestamp": Column.floats(np.full(len(answer), start.timestamp())),
                **{name: self._decoder.column(name, part) for name, part in zip(columns, parts, strict=False)},
                **{name: Column.floats(np.array(part)) for name, part in counted},
            }
        )

    def newest(self) -> datetime | None:
        """Return the newest event time that is not in the future; None if there is none.

        The search begins at the result of the last call.
        """
        last = super().newest()
        first = self._newest or super().oldest()
        if last is None or first is None:
            return None
        end, step = last + timedelta(seconds=1), FIRST_STEP
        while end > first:
            start = max(first, end - step)
            times = self._times(start, end)
            if len(times):
                self._newest = datetime.fromtimestamp(float(times.max()), UTC)
                break
            end, step = start, 2 * step
        return self._newest

    def oldest(self) -> datetime | None:
        """Return the oldest event time."""
        start, last = super().oldest(), super().newest()
        while start is not None and last is not None and start <= last:
            times = self._times(start, start + READ_STEP)
            if len(times):
                return datetime.fromtimestamp(float(times.min()), UTC)
            start += READ_STEP
        return None

    def _times(self, start: datetime, end: datetime) -> np.ndarray:
        """Return the times of the records of a range, float64 seconds since 1970."""
        columns = role_columns(self._monitor, self.schema())
        pages = [keep_monitored(page, self._monitor).times for page in self.read(start, end, columns)]
        return np.concatenate([np.zeros(0), *pages])

    def _sample(
        self,
        connection: Connection,
        query: sa.Select[Any],
        size: int,
        roles: Sequence[str],
        time: TimeColumn | None,
    ) -> Sequence[Row[Any]]:
        """Return the newest rows of served traffic."""
        limit = size
        while True:
            rows = super()._sample(connection, query, limit, roles, time)
            kept = self._keep(rows, roles, time)
            if len(kept) >= size or len(rows) < limit or limit >= MOST_SAMPLED * size:
                return kept[:size]
            limit *= 2

    def _keep(self, rows: Sequence[Row[Any]], roles: Sequence[str], time: TimeColumn | None) -> list[Row[Any]]:
        if time is None or not rows:
            return list(rows)
        columns = {"timestamp": Column.floats(time.seconds([row[-1] for row in rows]))}
        for name in role_columns(self._monitor, roles):
            columns[name] = self._decoder.column(name, [row[roles.index(name)] for row in rows])
        kept = are_monitored(RecordBatch(columns), self._monitor)
        return [row for row, keep in zip(rows, kept, strict=True) if keep]


def _total(records: RecordBatch, column: str) -> int:
    return int(records[column].values.sum()) if column in records else 0
