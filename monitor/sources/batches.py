"""Convert rows of a database driver to record batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from detectors.records import Column
from monitor.config.source import Source
from monitor.core.record_batch import RecordBatch
from monitor.sources import arrow
from monitor.sources.chat import read_texts
from monitor.sources.times import TimeColumn
from monitor.sources.values import make_column


@dataclass(frozen=True)
class Page:
    """A page of rows to read.

    Parameters
    ----------
    start, end
        Half-open time interval.
    after
        Time and key of the last row of the previous page; None for the first page.
    size
        Maximum number of rows.
    """

    start: datetime
    end: datetime
    after: tuple[Any, ...] | None
    size: int

    def contains(self, seconds: np.ndarray) -> np.ndarray:
        """Return whether each time lies in the interval."""
        return np.asarray((seconds >= self.start.timestamp()) & (seconds < self.end.timestamp()))


class BatchDecoder:
    """Converts the rows of a source, whose first columns are the time and the key, to batches."""

    def __init__(self, source: Source) -> None:
        self._limit = source.text_limit
        self._chats = {role for role, spec in source.columns.items() if spec.chat}

    def is_chat(self, role: str) -> bool:
        """Return whether a column has chat messages, see ``chat:`` of the configuration."""
        return role in self._chats

    def column(self, role: str, values: Sequence[Any]) -> Column:
        """Convert values of the driver to a column."""
        return read_texts(values, role, self._limit) if self.is_chat(role) else make_column(values, self._limit)

    def from_rows(
        self, page: Page, time: TimeColumn, rows: Sequence[Sequence[Any]], roles: Sequence[str], keys: int
    ) -> RecordBatch:
        """Convert rows of time, key, and a value for each role to a batch."""
        parts: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * (1 + keys + len(roles))
        columns = {"timestamp": Column.floats(time.seconds(parts[0]))}
        for role, values in zip(roles, parts[1 + keys :], strict=True):
            columns[role] = self.column(role, values)
        return _inside(page, time, RecordBatch(columns))

    def from_arrow(
        self,
        page: Page,
        time: TimeColumn,
        table: Any,  # noqa: ANN401
        roles: Sequence[str],
        keys: int,
    ) -> RecordBatch:
        """Convert an Arrow table with the same columns to a batch."""
        stamps = table.column(0)
        plain = time.kind == "zoned" or (time.kind == "naive" and time.exact)
        seconds = arrow.seconds(stamps) if plain else None
        columns = {"timestamp": Column.floats(time.seconds(stamps.to_pylist()) if seconds is None else seconds)}
        for place, role in enumerate(roles):
            values = table.column(1 + keys + place)
            if self.is_chat(role):
                columns[role] = self.column(role, values.to_pylist())
            else:
                columns[role] = arrow.column(values, self._limit)
        return _inside(page, time, RecordBatch(columns))


def _inside(page: Page, time: TimeColumn, batch: RecordBatch) -> RecordBatch:
    """Remove rows outside the interval if the SQL condition is not exact."""
    return batch if time.exact else batch.take(page.contains(batch.times))
