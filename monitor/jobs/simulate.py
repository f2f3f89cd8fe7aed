"""Simulate: inject a drift into a copy of past records, to test alerting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from detectors.binning import numbers
from detectors.records import Column
from monitor.config.models import ConfigError, Monitor
from monitor.config.sections import nearest
from monitor.core.record_batch import RecordBatch
from monitor.sources.base import ColumnInfo, ColumnType, Counts, Reader

DRIFTS = {
    "shift": "{column!r} shifted by {size:g} standard deviations",
    "scale": "{column!r} scaled by a factor of {size:g} about its mean",
    "missing": "{column!r} set to NULL in {size:.1%} of the rows",
    "new_category": "{column!r} set to a new category in {size:.1%} of the rows",
    "version_swap": "{column!r} set to a new version in all rows",
}
UNSEEN = "driftd-simulated"
SAMPLE = timedelta(days=7)


@dataclass(frozen=True)
class Injection:
    """Drift of one column from a time on.

    Parameters
    ----------
    kind
        A key of ``DRIFTS``.
    size
        Standard deviations of a shift, factor of a scale, share of rows of the others.
    mean, deviation
        Of the column before the period.
    """

    kind: str
    column: str
    size: float
    at: datetime
    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(
        cls, kind: str, column: str, size: float, at: datetime, reader: Reader, monitor: Monitor, before: datetime
    ) -> Injection:
        """Validate the options, and measure the column over the week before the period."""
        if kind not in DRIFTS:
            raise ConfigError(
                f"--drift {kind!r} is not allowed. Allowed: {', '.join(DRIFTS)}.{nearest(kind, list(DRIFTS))}"
            )
        columns = list(reader.schema())
        if column not in columns:
            raise ConfigError(
                f"--column {column!r} is not in the source. Columns: {', '.join(columns)}.{nearest(column, columns)}"
            )
        if kind in ("missing", "new_category") and not 0 < size <= 1:
            raise ConfigError("--size of this kind of drift is a share of the rows: above 0 and at most 1.")
        if kind not in ("shift", "scale"):
            return cls(kind, column, size, at)
        parts = [numbers(page[column])[0] for page in reader.read(before - SAMPLE, before, [column])]
        values = np.concatenate(parts) if parts else np.zeros(0)
        finite = values[np.isfinite(values)]
        if len(finite) < monitor.min_samples:
            raise ConfigError(
                f"--column {column!r} has only {len(finite)} numbers in the week before --from; choose another."
            )
        return cls(kind, column, size, at, float(finite.mean()), float(finite.std()))

    @property
    def description(self) -> str:
        """Return the drift and its start as text."""
        what = DRIFTS[self.kind].format(size=self.size, column=self.column)
        return f"{what}, from {self.at.isoformat()}"

    def apply(self, page: RecordBatch) -> RecordBatch:
        """Return a page with the drift in its rows after the start; deterministic for equal pages."""
        times = page.times
        late = times >= self.at.timestamp()
        if self.column not in page or not late.any():
            return page
        if self.kind in ("missing", "new_category"):
            late &= _chosen(times, self.size)
        return page.with_columns({self.column: self._changed(page[self.column], late)})

    def _changed(self, column: Column, rows: np.ndarray) -> Column:
        if self.kind == "missing":
            return Column(column.values, column.missing | rows)
        if self.kind in ("new_category", "version_swap"):
            values = column.values.astype(object)
            values[rows & ~column.missing] = UNSEEN
            return Column(values, column.missing)
        values, mistyped = numbers(column)
        moved = values + self.size * self.deviation
        if self.kind == "scale":
            moved = self.mean + self.size * (values - self.mean)
        changed = rows & ~column.missing & ~mistyped
        if column.values.dtype != object:
            return Column(np.where(changed, moved, column.values), column.missing)
        result = column.values.copy()
        result[changed] = moved[changed]
        return Column(result, column.missing)


def _chosen(times: np.ndarray, share: float) -> np.ndarray:
    """Select a share of rows by their times alone, independent of the division into pages."""
    bits = times.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray((bits >> np.uint64(11)).astype(np.float64) / 2**53 < share)


@dataclass(frozen=True)
class InjectingReader:
    """Reader of the same source with the drift."""

    reader: Reader
    injection: Injection

    def now(self) -> datetime:
        """Return the source's clock."""
        return self.reader.now()

    def quiet_since(self, end: datetime) -> bool | None:
        """Return the source's result."""
        return self.reader.quiet_since(end)

    def describe(self, sample: int = 1000, until: datetime | None = None) -> list[ColumnInfo]:
        """Return the description of the original columns."""
        return self.reader.describe(sample, until)

    def schema(self) -> dict[str, ColumnType]:
        """Return the original columns."""
        return self.reader.schema()

    def counts(self, start: datetime, end: datetime) -> Counts:
        """Count rows, which a drift does not change."""
        return self.reader.counts(start, end)

    def read(self, start: datetime, end: datetime, columns: Sequence[str]) -> Iterator[RecordBatch]:
        """Yield the pages with the drift."""
        yield from (self.injection.apply(page) for page in self.reader.read(start, end, columns))

    def condition(self, start: datetime, end: datetime) -> tuple[str, bool]:
        """Return the source's condition."""
        return self.reader.condition(start, end)

    @property
    def dialect(self) -> str:
        """Return the kind of database."""
        return self.reader.dialect

    def newest(self) -> datetime | None:
        """Return the newest event time."""
        return self.reader.newest()

    def oldest(self) -> datetime | None:
        """Return the oldest event time."""
        return self.reader.oldest()

    def close(self) -> None:
        """Do nothing: the connections belong to their owner."""
