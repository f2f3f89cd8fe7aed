"""What every reader of their tables promises."""

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
"""A value of these very rows cannot be read; all other errors are of the source as a whole and may pass."""
LASTING: tuple[Reason, ...] = ("configuration", "missing_file", "missing_table", "missing_column")
"""Reasons that waiting does not remove: somebody has to change the configuration, or make what it names."""


class SourceError(Exception):
    """Their database could not answer. ``reason`` is of a closed set, the message a sentence for people."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class ColumnInfo:
    """One column as found: its canonical name, type, role, and what a sample of rows says of it.

    ``name`` is the role for a mapped column (``model_version``) and their own name otherwise. The shares are
    of the sampled rows; ``distinct`` counts distinct values in it; ``mean_length`` is that of texts, ``typical`` the
    median of numbers, else None. ``unfit`` says why the values can be no feature, ``personal`` which types of personal
    data texts hold. Of the column of the event's time, ``newest`` is the newest time, also one in the future, and
    ``naive`` says that it was logged without a zone and that none is configured.
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
    """What the audit compares: rows, and those whose label or feedback is present."""

    rows: int
    labels: int = 0
    feedback: int = 0


READ_STEP = timedelta(hours=6)


class Reader(Protocol):
    """Reads one monitor's records; every call is a short read-only transaction of its own."""

    def now(self) -> datetime:
        """Return the database's clock in UTC."""

    def quiet_since(self, end: datetime) -> bool | None:
        """Say whether no transaction older than ``end`` is open; None when the role may not see it."""

    def describe(self, sample: int = 1000, until: datetime | None = None) -> list[ColumnInfo]:
        """List every readable column, with what the newest rows before ``until`` say of it."""

    def schema(self) -> dict[str, ColumnType]:
        """Return canonical column name to type, without reading rows."""

    def counts(self, start: datetime, end: datetime) -> Counts:
        """Count rows with ``start <= timestamp < end``."""

    def read(self, start: datetime, end: datetime, columns: Sequence[str]) -> Iterator[RecordBatch]:
        """Yield the named canonical columns, plus ``timestamp`` (float64 epoch seconds, UTC)."""

    def condition(self, start: datetime, end: datetime) -> tuple[str, bool]:
        """Return the SQL condition for ``[start, end)`` in words of their dialect, and whether it is exact.

        Where it is not, it selects a little more, and the time of each row decides.
        """

    @property
    def dialect(self) -> str:
        """Return the kind of database."""

    def newest(self) -> datetime | None:
        """Return the newest event time that is not in the future; None for an empty table."""

    def oldest(self) -> datetime | None:
        """Return the oldest event time."""

    def close(self) -> None:
        """Give the connections back."""


def read_in_steps(reader: Reader, columns: Sequence[str], start: datetime, end: datetime) -> Iterator[RecordBatch]:
    """Yield the records of a long stretch, read in short steps."""
    while start < end:
        stop = min(start + READ_STEP, end)
        yield from reader.read(start, stop, columns)
        start = stop
