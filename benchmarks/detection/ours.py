"""driftd on the benchmark's streams: the real backtest, over a reader that holds a stream in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.detection import tables
from benchmarks.detection.streams import Stream
from detectors.records import Column
from monitor.checks.baseline import Baseline
from monitor.config.models import Monitor
from monitor.core.record_batch import RecordBatch
from monitor.core.schedule import floor
from monitor.jobs.backtest import backtest
from monitor.jobs.memory_baseline import baseline_for
from monitor.sources.base import ColumnInfo, ColumnType, Counts

PAGE = 50_000


class FrameReader:
    """A stream as a source: what a database reader answers, from memory."""

    def __init__(self, stream: Stream) -> None:
        self._times = stream.frame["timestamp"].to_numpy("datetime64[us]").astype(np.int64) / 1e6
        self._columns = {name: _column(stream.frame[name]) for name in stream.columns}

    def now(self) -> datetime:
        """Return the end of the stream."""
        return pd.Timestamp(self._times[-1], unit="s", tz="UTC").to_pydatetime()

    def quiet_since(self, _end: datetime) -> bool | None:
        """Nothing is ever open."""
        return True

    def describe(self, sample: int = 1000, until: datetime | None = None) -> list[ColumnInfo]:
        """Describe every column; none of them is an id or free text."""
        rows = min(sample, int(np.searchsorted(self._times, until.timestamp() if until else np.inf)))
        return [
            ColumnInfo(name, name, kind, kind, None, rows, float(self._columns[name].missing.mean()), rows // 3)
            for name, kind in self.schema().items()
        ]

    def schema(self) -> dict[str, ColumnType]:
        """Return column to type."""
        return {name: "text" if c.values.dtype == object else "numeric" for name, c in self._columns.items()}

    def counts(self, start: datetime, end: datetime) -> Counts:
        """Count rows of a stretch."""
        first, last = np.searchsorted(self._times, [start.timestamp(), end.timestamp()])
        return Counts(int(last - first))

    def read(self, start: datetime, end: datetime, columns: Sequence[str]) -> Iterator[RecordBatch]:
        """Yield pages of a stretch."""
        first, last = np.searchsorted(self._times, [start.timestamp(), end.timestamp()]).tolist()
        for place in range(first, last, PAGE):
            rows = np.arange(place, min(place + PAGE, last))
            page = {name: self._columns[name].take(rows) for name in columns if name in self._columns}
            yield RecordBatch({"timestamp": Column.floats(self._times[rows]), **page})

    def newest(self) -> datetime | None:
        """Return the end of the stream."""
        return self.now()

    def oldest(self) -> datetime | None:
        """Return the start of the stream."""
        return pd.Timestamp(self._times[0], unit="s", tz="UTC").floor("us").to_pydatetime()

    def close(self) -> None:
        """Nothing is held."""


def _column(series: pd.Series) -> Column:
    missing = series.isna().to_numpy()
    if series.dtype.kind == "f":
        return Column.floats(series.to_numpy("float64"), missing)
    return Column(series.to_numpy(object), missing)


def run(
    stream: Stream,
    budget: str,
    baseline: Baseline | None = None,
    start: datetime | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Backtest the live part of a stream (from `start` on) with driftd's defaults and an alert budget."""
    monitor, until = _monitor(stream, budget, settings)
    last = stream.frame["timestamp"].iloc[-1].to_pydatetime() + stream.bucket
    changes = [change.to_pydatetime() for change in stream.changes]
    return backtest(FrameReader(stream), monitor, (start or until, last), changes, baseline=baseline)


def learn(stream: Stream, budget: str, **settings: Any) -> Baseline:
    """Learn the baseline of a stream, to be used for others that share its learn part."""
    monitor, until = _monitor(stream, budget, settings)
    baseline = baseline_for(FrameReader(stream), monitor, until)
    if baseline is None:
        raise ValueError(f"{stream.name} has too few rows to learn from.")
    return baseline


def _monitor(stream: Stream, budget: str, settings: dict[str, Any]) -> tuple[Monitor, datetime]:
    """Return the monitor of a stream, and where its live part begins."""
    first = floor(stream.frame["timestamp"].iloc[0].to_pydatetime(), stream.bucket)
    until = floor(stream.learn_until.to_pydatetime(), stream.bucket)
    monitor = Monitor.model_validate(
        {
            "name": "stream",
            "source": {"url": "sqlite://", "table": "stream", "columns": {"timestamp": "timestamp"}},
            "bucket": stream.bucket,
            "window": stream.window,
            "baseline": {"from": first, "to": until, "min_rows": 1},
            "alert_budget": budget,
            **settings,
        }
    )
    return monitor, until


def weeks_of(told: dict[str, Any], stream: Stream) -> float:
    """Return the live weeks; whole days without a row do not count."""
    return min(told["weeks"], stream.weeks()) or told["weeks"]


def rate(told: dict[str, Any], stream: Stream) -> str:
    """Return pages a week with their 95 % interval, and whether they speak against the budget."""
    weeks = weeks_of(told, stream)
    low, _ = tables.poisson_interval(told["pages"], weeks)
    return tables.rate(told["pages"], weeks) + ("" if low <= told["budget_per_week"] else " BROKEN")


def delay(told: dict[str, Any]) -> timedelta | None:
    """Return how late the first change was paged."""
    seconds = told["changes"][0]["delay_seconds"]
    return None if seconds is None else timedelta(seconds=seconds)
