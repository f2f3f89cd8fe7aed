"""State that the actions of one decision are planned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.core.action import PastAction, Version
from monitor.core.incident import Incident
from monitor.core.payload import RetrainingData
from monitor.core.schedule import Bucket


@dataclass(frozen=True)
class DecisionContext:
    """State that the actions of a decision are planned from.

    Parameters
    ----------
    now
        The time of the source.
    sequence
        Number of the action within its incident.
    versions, blamed
        Traffic of versions, and versions with an incident of their own, to select the last known good version.
    past
        Earlier actions of the monitor.
    repeat_interval
        Interval of reminders; None for no reminders.
    fresh
        Whether this bucket itself is bad, which is required to plan an effect again.
    retraining
        Payload of a retraining, see :mod:`monitor.actions.retraining`.
    """

    bucket: Bucket
    now: datetime
    sequence: int
    versions: Sequence[Version] = ()
    blamed: Sequence[str] = ()
    past: Sequence[PastAction] = ()
    repeat_interval: timedelta | None = None
    fresh: bool = True
    retraining: RetrainingData | None = None

    def list_actions(self, incident: Incident) -> list[PastAction]:
        """Return the earlier actions of an incident in order."""
        return sorted((row for row in self.past if row.incident == incident.id), key=lambda row: row.sequence)
