"""The state that the decisions about an evaluation depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from detectors.base import Finding
from monitor.alerting.incidents import resolve
from monitor.checks.baseline import Baseline
from monitor.config.models import Monitor
from monitor.config.rules import rule_name
from monitor.core.action import AlertHistory
from monitor.core.incident import Decision, Incident


@dataclass(frozen=True)
class AlertContext:
    """State that the decisions about an evaluation depend on.

    Parameters
    ----------
    history
        Earlier incidents, silences and changes.
    baseline
        The active baseline, if any.
    shifts
        Differences of the window from the plateau of the firing incident, by group.
    has_all_rules
        Whether the monitor has all of its rules: those of open incidents that it lacks were removed.
    """

    history: AlertHistory = AlertHistory()
    baseline: Baseline | None = None
    shifts: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    has_all_rules: bool = False

    def end_removed(self, monitor: Monitor, at: datetime) -> tuple[AlertHistory, list[Decision]]:
        """Remove the rules that are not configured from the open incidents, and resolve an incident without any other.

        Returns
        -------
        AlertHistory
            With the incidents that continue.
        list of Decision
            The incidents that end; none if the monitor does not have all of its rules.
        """
        if not self.has_all_rules:
            return self.history, []
        configured = {rule_name(rule) for rule in monitor.rules}
        ended: list[Decision] = []

        def keep(incident: Incident) -> Incident | None:
            rules = {name: progress for name, progress in incident.rules.items() if name in configured}
            if not incident.rules or _is_evaluation(incident):
                return incident
            if rules:
                return replace(incident, rules=rules)
            ended.append(resolve(incident, "its rules are no longer configured", at))
            return None

        opened = {group: kept for group, one in self.history.open.items() if (kept := keep(one))}
        older = [kept for one in self.history.older if (kept := keep(one))]
        return replace(self.history, open=opened, older=older), ended


def _is_evaluation(incident: Incident) -> bool:
    """Return whether an incident is about a run of a suite, whose rule is not among those of the monitor."""
    return all(item["check"] == "evaluation" for item in incident.evidence.values())
