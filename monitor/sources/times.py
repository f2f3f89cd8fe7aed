"""Time columns of a source: SQL conditions on a time range, and parsing of times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import sqlalchemy as sa

from monitor.config.source import ColumnSpec
from monitor.sources.base import SourceError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
WIDEST_OFFSET = timedelta(hours=15)
SORTING_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y.%m.%d")

Kind = Literal["zoned", "naive", "epoch", "text"]


@dataclass(frozen=True)
class TimeColumn:
    """The representation of the event time, and how it is compared and parsed.

    ``instant``: whether the column has a time type and is converted to ``spec.unit`` only for comparisons. ``exact``:
    whether the SQL condition selects exactly the rows of a range; otherwise it selects more, and :meth:`seconds` is
    used to filter them.
    """

    spec: ColumnSpec
    kind: Kind
    offsets: bool = False
    instant: bool = False

    @property
    def zone(self) -> tzinfo:
        """Return the zone of times without an offset."""
        try:
            return ZoneInfo(self.spec.zone) if self.spec.zone else UTC
        except (ZoneInfoNotFoundError, ValueError):
            raise SourceError(
                "configuration", f"`zone: {self.spec.zone}` is not an IANA time zone; write one such as Europe/Berlin."
            ) from None

    @property
    def exact(self) -> bool:
        """Whether the SQL condition is exact."""
        plain = self.spec.zone in (None, "UTC", "Etc/UTC")
        return self.kind in ("zoned", "epoch") or (plain and not self.offsets and self._sorts)

    @property
    def _sorts(self) -> bool:
        return self.kind != "text" or self.spec.format is None or self.spec.format.startswith(SORTING_FORMATS)

    def within(self, column: sa.ColumnElement[Any], start: datetime, end: datetime) -> sa.ColumnElement[bool]:
        """Return the SQL condition of ``[start, end)``, or of a larger range if it is not exact.

        A text format that does not begin with the year cannot be bounded by SQL: every row is read, which is feasible
        for small tables only. The parameters of the condition are named as in :meth:`limits`.
        """
        if not self._sorts:
            return column.is_not(None)
        kind = sa.BigInteger() if self.kind == "epoch" else None
        limit = {name: sa.bindparam(name, value, kind) for name, value in self.limits(start, end).items()}
        if not self._separated:
            return sa.and_(column >= limit["first"], column < limit["last"])
        # Separators (space and T) do not sort together across days, so each has its own range.
        ranges = [
            sa.and_(column >= limit[f"first_{form}"], column < limit[f"last_{form}"], condition)
            for form, condition in (
                ("spaced", sa.func.substr(column, 11, 1) == " "),
                ("iso", sa.func.substr(column, 11, 1) == "T"),
                ("date", sa.func.length(column) == len("2026-11-23")),
            )
        ]
        return sa.or_(*ranges)

    def limits(self, start: datetime, end: datetime) -> dict[str, object]:
        """Return the parameters of the condition of ``[start, end)``."""
        slack = timedelta(0) if self.exact else WIDEST_OFFSET
        first, last = start - slack, end + slack
        if self.kind == "zoned":
            return {"first": first, "last": last}
        if self.kind == "epoch":
            scale = UNITS[self.spec.unit or "s"]
            return {"first": _epoch(first, scale), "last": _epoch(last, scale)}
        first, last = self._local(first), self._local(last)
        if self.kind == "naive":
            return {"first": first, "last": last}
        if self.spec.format is not None:
            return {"first": first.strftime(self.spec.format), "last": last.strftime(self.spec.format)}
        return {
            "first_spaced": f"{first:%Y-%m-%d %H:%M:%S}",
            "last_spaced": f"{last:%Y-%m-%d %H:%M:%S}",
            "first_iso": f"{first:%Y-%m-%dT%H:%M:%S}",
            "last_iso": f"{last:%Y-%m-%dT%H:%M:%S}",
            "first_date": _day_from(first),
            "last_date": _day_from(last),
        }

    @property
    def _separated(self) -> bool:
        """Whether the column has texts of ISO 8601, with either separator or without a time."""
        return self.kind == "text" and self.spec.format is None

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def seconds(self, values: Sequence[Any]) -> np.ndarray:
        """Return seconds since 1970 in UTC, NaN for invalid times."""
        if self.kind in ("zoned", "naive") and self.exact:
            epoch = EPOCH if self.kind == "zoned" else EPOCH.replace(tzinfo=None)
            try:
                return np.array([(value - epoch).total_seconds() for value in values], dtype=np.float64)
            except (TypeError, AttributeError):
                pass  # a value is not a time, or of the other kind
        return np.fromiter((self._second(value) for value in values), dtype=np.float64, count=len(values))

    def _second(self, value: Any) -> float:  # noqa: ANN401
        try:
            if self.kind == "epoch":
                return float(value) / UNITS[self.spec.unit or "s"]
            return self.moment(value).timestamp()
        except (TypeError, ValueError, OverflowError):
            return float("nan")

    def moment(self, value: Any) -> datetime:  # noqa: ANN401
        """Parse a value as a time in UTC; raises ValueError for invalid times."""
        parsed = self._parse(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=self.zone)).astimezone(UTC)

    def is_naive(self, value: Any) -> bool:  # noqa: ANN401
        """Return whether neither the value nor the configuration has a zone."""
        try:
            return self.spec.zone is None and self._parse(value).tzinfo is None
        except (TypeError, ValueError, OverflowError):
            return False

    def _parse(self, value: Any) -> datetime:  # noqa: ANN401
        if self.kind == "epoch":
            return datetime.fromtimestamp(float(value) / UNITS[self.spec.unit or "s"], UTC)
        if isinstance(value, datetime):
            return value
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day)  # noqa: DTZ001  `moment` gives it its zone
        if self.spec.format is not None:
            return datetime.strptime(str(value), self.spec.format)  # noqa: DTZ007  `moment` gives it its zone
        return datetime.fromisoformat(str(value).strip())


def _epoch(moment: datetime, scale: int) -> int:
    whole = moment - EPOCH
    return (whole // timedelta(microseconds=1)) * scale // 10**6


def _day_from(moment: datetime) -> str:
    """Return the first date whose midnight is not before a time; a date without a time is midnight."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight if midnight == moment else midnight + timedelta(days=1)).strftime("%Y-%m-%d")
