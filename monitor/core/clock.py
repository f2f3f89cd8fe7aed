"""The clock's one door. Everything else is handed a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present in UTC."""


class SystemClock:
    """The host's clock."""

    def now(self) -> datetime:
        """Return the present in UTC."""
        return datetime.now(UTC)
