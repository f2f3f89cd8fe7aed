"""Incidents and actions of a backtest, and the history that each decision needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from monitor.actions.plan import split_open
from monitor.actions.plan_actions import ActionPlan
from monitor.checks.new_values import earliest
from monitor.core.action import Action, AlertHistory, PastAction
from monitor.core.incident import NO_DATA, Change, Decision, Incident, MissingData
from monitor.core.schedule import Bucket

DAY = timedelta(days=1)


@dataclass
class AlertLog:
    """Records the transitions of incidents and the actions that would have been planned."""

    open: dict[str, Incident] = field(default_factory=dict)
    resolved: dict[str, Incident] = field(default_factory=dict)
    alerted_at: list[datetime] = field(default_factory=list)
    all: dict[str, Incident] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    missing: MissingData = MissingData()
    course: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)  # transitions and updates by incident
    actions: list[Action] = field(default_factory=list)
    updates: int = 0

    def history(self, bucket: Bucket) -> AlertHistory:
        """Return the history for the decision about a bucket."""
        newest, older = split_open(self.open.values())
        recent = [one for one in self.actions if one.incident in self.open or bucket.end - one.created_at < DAY]
        return AlertHistory(
            newest,
            older,
            dict(self.resolved),
            changes=self.changes,
            sequences=Counter(action.incident for action in recent),
            past=[_as_delivered(action) for action in recent],
            missing=self.missing,
        )

    def list_announced(self) -> dict[str, datetime]:
        """Return by group when its newest incident was announced last, where that is firing."""
        newest, _ = split_open(self.open.values())
        firing = [one for one in newest.values() if one.state == "firing" and one.evidence]
        return {one.group: one.announced_at for one in firing if one.announced_at}

    def add_changes(self, changes: Sequence[Change]) -> None:
        """Add the versions, categories and columns that are new in a bucket."""
        self.changes = earliest([*self.changes, *changes])

    def add(self, plan: ActionPlan, bucket: Bucket) -> None:
        """Add the decisions and actions of a bucket."""
        self.actions += plan.actions
        for decision in plan.incidents:
            self._note(decision, bucket)

    def _note(self, decision: Decision, bucket: Bucket) -> None:
        incident = decision.incident
        self.all[incident.id] = incident
        if (decision.transition == "firing" or decision.change) and incident.rule != NO_DATA:
            self.alerted_at.append(bucket.end)
            self.course.setdefault(incident.id, []).append(incident.changes[-1])
        self.updates += decision.change is not None
        if incident.state == "resolved":
            self.open.pop(incident.id, None)
            if incident.fired_at is not None:
                self.resolved[incident.group] = incident
        else:
            self.open[incident.id] = incident

    def fired(self) -> list[Incident]:
        """Return the incidents that fired, oldest first."""
        paged = [i for i in self.all.values() if i.fired_at is not None and i.rule != NO_DATA]
        return sorted(paged, key=lambda incident: incident.opened_at)


def _as_delivered(action: Action) -> PastAction:
    """Return an action in the form of a delivered one, for later decisions."""
    data = action.payload["data"]
    suspect, observed = data.get("suspected_change"), data.get("observed_version")
    return PastAction(
        action.name,
        action.created_at,
        "delivered" if action.state == "pending" else action.state,
        action.id,
        action.incident,
        action.kind,
        action.mode,
        action.sequence,
        at=datetime.fromisoformat(action.payload["timestamp"]),
        suspect=suspect["value"] if suspect else None,
        severity=data.get("severity"),
        observed=next(iter((observed or {}).items()), None),
        reason=action.reason,
    )
