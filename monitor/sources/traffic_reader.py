"""Reader of a source with other records than served traffic: counts, times and samples are of the monitored traffic."""

from __future__ import annotations

from collections.abc import Sequence
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
from monitor.sources.dialects.base import Dialect
from monitor.sources.reader import SqlReader
from monitor.sources.times import TimeColumn
from monitor.sources.traffic_roles import are_served, keep_own_arms, keep_served, role_columns

FIRST_STEP = timedelta(minutes=5)
"""First range in which the newest record is searched; each further range before it is twice as long."""
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
        schema = self.schema()
        marks = [role for role in ("label", "feedback") if role in schema]
        rows, compared, present = 0, 0, dict.fromkeys(marks, 0)
        for batch in self.read(start, end, [*role_columns(self._monitor, schema), *marks]):
            kept = keep_served(batch, self._monitor)
            rows += kept.rows
            compared += sum(keep_own_arms(batch, self._monitor, spec).rows for spec in self._monitor.comparisons)
            present = {mark: count + int((~kept[mark].missing).sum()) for mark, count in present.items()}
        return Counts(rows, present.get("label", 0), present.get("feedback", 0), compared)

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
        pages = [keep_served(page, self._monitor).times for page in self.read(start, end, columns)]
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
        kept = are_served(RecordBatch(columns), self._monitor)
        return [row for row, keep in zip(rows, kept, strict=True) if keep]
