"""A clock that stands where it is put."""

from __future__ import annotations

from datetime import datetime

from monitor.core.clock import Clock


class Hand(Clock):
    """Time as an argument."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """Return where it stands."""
        return self.moment
