"""State that the actions of one decision are planned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.actions.last_good import find_target
from monitor.actions.restraints import NONE, Restraints, find_restraints
from monitor.alerting.responses import is_acknowledged
from monitor.config.models import Monitor
from monitor.config.receivers import EffectSettings
from monitor.core.action import PastAction, Releases, Version
from monitor.core.firing import FiringMonitors
from monitor.core.incident import Incident
from monitor.core.incident_response import Handling
from monitor.core.payload import EventData, RetrainingData
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
    handling
        Who acknowledged the incident and who is assigned.
    repeat_interval
        Interval of reminders; None for no reminders.
    escalated
        By receiver, why the incident escalates to it.
    fresh
        Whether this bucket itself is bad, which is required to plan an effect again.
    failure
        That the newest effect of the incident did not help, as a sentence; None if it did or may have.
    firing
        The monitors that fire, over all monitors.
    restraints
        What holds an effect now.
    retraining
        Payload of a retraining, see :mod:`monitor.actions.retraining`.
    """

    bucket: Bucket
    now: datetime
    sequence: int
    versions: Sequence[Version] = ()
    blamed: Sequence[str] = ()
    releases: Releases = Releases()
    past: Sequence[PastAction] = ()
    handling: Handling = Handling()
    repeat_interval: timedelta | None = None
    escalated: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = True
    failure: str | None = None
    firing: FiringMonitors = FiringMonitors()
    restraints: Restraints = NONE
    retraining: RetrainingData | None = None

    def is_acknowledged(self, incident: Incident) -> bool:
        """Return whether the incident is acknowledged as it is now."""
        return is_acknowledged(incident, self.handling)

    def describe_handling(self, incident: Incident) -> EventData:
        """Return the fields of a message about who handles the incident."""
        by = self.handling.acknowledged_by if self.is_acknowledged(incident) else None
        return {"acknowledged_by": by, "assignee": self.handling.assignee}

    def find_target(self, incident: Incident) -> Mapping[str, object] | None:
        """Return what an incident's rollback goes back to."""
        return find_target(incident, self.versions, self.blamed, self.releases)

    def list_actions(self, incident: Incident) -> list[PastAction]:
        """Return the earlier actions of an incident in order."""
        return sorted((row for row in self.past if row.incident == incident.id), key=lambda row: row.sequence)

    def find_restraints(self, monitor: Monitor, effect: EffectSettings, incident: Incident) -> Restraints:
        """Return what restrains an effect of an incident now."""
        return find_restraints(monitor, effect, incident, self.firing, self.now)
