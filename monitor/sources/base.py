"""Protocol of readers of a source, its errors, and descriptions of columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from monitor.core.record_batch import RecordBatch

ColumnType = Literal["numeric", "text", "boolean", "time", "json", "unknown"]
Reason = Literal[
    "unreachable",
    "timeout",
    "missing_column",
    "missing_table",
    "missing_file",
    "configuration",
    "denied",
    "changed",
    "unreadable",
    "other",
]
UNREADABLE: Reason = "unreadable"
"""Reason of errors caused by values of the rows that were read; all other reasons concern the source as a whole."""
LASTING: tuple[Reason, ...] = ("configuration", "missing_file", "missing_table", "missing_column")
"""Reasons that persist until the configuration or the schema of the source is changed."""


class SourceError(Exception):
    """The source cannot be read. ``reason`` is one of a fixed set, the message is a sentence for users."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class ColumnInfo:
    """A column of a source: name, type, role, and statistics of a sample of its rows.

    ``name`` is the role of a mapped column (``model_version``), else the name in the source. ``distinct`` is the number
    of distinct values in the sample, ``mean_length`` that of texts, ``typical`` the median of numbers, else None.
    ``unfit`` is the reason why the column is not suitable as a feature, ``personal`` are the types of personal data in
    texts. For the timestamp column, ``newest`` is the newest time, which may be in the future, and ``naive`` is whether
    it has no time zone and none is configured.
    """

    name: str
    column: str
    database_type: str
    type: ColumnType
    role: str | None
    sampled: int
    null_share: float
    distinct: int
    mean_length: float | None = None
    typical: float | None = None
    unfit: str | None = None
    personal: tuple[str, ...] = ()
    newest: datetime | None = None
    naive: bool = False


@dataclass(frozen=True)
class Counts:
    """Numbers of rows, labels and feedback values of a bucket; late rows are detected by comparing these.

    ``rows`` are served traffic, ``compared`` the rows of unserved arms, which comparisons count.
    """

    rows: int
    labels: int = 0
    feedback: int = 0
    compared: int = 0

    @property
    def total(self) -> int:
        """Number of rows that are counted anywhere."""
        return self.rows + self.compared


READ_STEP = timedelta(hours=6)


class Reader(Protocol):
    """Reads the records of a monitor. Each call is a separate short read-only transaction."""

    def now(self) -> datetime:
        """Return the time of the database's clock in UTC."""

    def quiet_since(self, end: datetime) -> bool | None:
        """Return whether no transaction started before ``end`` is open; None if this role cannot see transactions."""

    def describe(self, sample: int = 1000, until: datetime | None = None) -> list[ColumnInfo]:
        """Return every readable column, with statistics of the newest ``sample`` rows before ``until``."""

    def schema(self) -> dict[str, ColumnType]:
        """Return the types of the columns by canonical name, without reading rows."""

    def counts(self, start: datetime, end: datetime) -> Counts:
        """Count the rows with ``start <= timestamp < end``."""

    def read(self, start: datetime, end: datetime, columns: Sequence[str]) -> Iterator[RecordBatch]:
        """Yield batches of the named columns and ``timestamp`` (float64 seconds since 1970, UTC)."""

    def condition(self, start: datetime, end: datetime) -> tuple[str, bool]:
        """Return the SQL condition of ``[start, end)`` in the dialect of the source, and whether it is exact.

        A condition that is not exact selects additional rows, which must be filtered by their time.
        """

    @property
    def dialect(self) -> str:
        """Return the name of the SQL dialect."""

    def newest(self) -> datetime | None:
        """Return the newest event time that is not in the future; None if there is none."""

    def oldest(self) -> datetime | None:
        """Return the oldest event time."""

    def close(self) -> None:
        """Close the connections."""


def read_in_steps(reader: Reader, columns: Sequence[str], start: datetime, end: datetime) -> Iterator[RecordBatch]:
    """Yield the records of a long time range, read in steps of ``READ_STEP``."""
    while start < end:
        stop = min(start + READ_STEP, end)
        yield from reader.read(start, stop, columns)
        start = stop
