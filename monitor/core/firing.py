"""Which monitors fire at the same time, over all monitors of a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

FEWEST_MONITORS = 3
"""Fewer monitors than these are no evidence of a common cause, whatever their share."""


@dataclass(frozen=True)
class FiringMonitors:
    """The monitors with a firing incident, and how many monitors there are.

    Parameters
    ----------
    fired_at
        By monitor, when the newest of its firing incidents fired.
    incidents
        Number of firing incidents.
    watched
        Number of monitors that ran within the last day.
    """

    fired_at: Mapping[str, datetime] = field(default_factory=dict)
    incidents: int = 0
    watched: int = 0

    def list_since(self, moment: datetime) -> list[str]:
        """Return the monitors with a firing incident that fired at a time or later."""
        return sorted(monitor for monitor, at in self.fired_at.items() if at >= moment)

    def are_most(self, since: datetime) -> bool:
        """Return whether most monitors have an incident that fired since a time: suspect what they share.

        Examples
        --------
        >>> from datetime import UTC
        >>> noon = datetime(2026, 11, 2, 12, tzinfo=UTC)
        >>> [FiringMonitors({name: noon for name in names}, 9, 5).are_most(noon) for names in ("ab", "abc")]
        [False, True]
        """
        firing = len(self.list_since(since))
        return firing >= FEWEST_MONITORS and 2 * firing > self.watched
