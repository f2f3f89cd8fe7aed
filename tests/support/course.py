"""The course of incidents, bucket after bucket, without a store; what is planned counts as delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors.base import Finding
from monitor.actions.plan import split_open
from monitor.actions.plan_actions import ActionPlan, PlanContext, plan_actions
from monitor.alerting.alert_context import AlertContext
from monitor.alerting.decide import decide
from monitor.alerting.decisions import Decisions
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor
from monitor.core.action import Action, AlertHistory, PastAction
from monitor.core.incident import Incident
from monitor.core.incident_response import Handling
from monitor.core.matchers import Silence
from monitor.core.schedule import Bucket
from tests.support.decisions import MINUTE, SLACK, SPEC, START, monitor_of, webhook

RECEIVERS = {"slack": SLACK, "r": SPEC, "hook": webhook("notify"), "boss": webhook("notify")}


class Course:
    """Decides and plans buckets of a minute; everything that is planned counts as delivered."""

    def __init__(self, monitor: Monitor | None = None) -> None:
        self.monitor = monitor or monitor_of(do=["slack", "r"])
        self.end = START
        self.incidents: dict[str, Incident] = {}
        self.past: list[PastAction] = []
        self.decisions = Decisions()

    def step(
        self,
        findings: Sequence[Finding],
        silences: Sequence[Silence] = (),
        handling: Handling | None = None,
        missing: int | None = None,
    ) -> ActionPlan:
        """Decide a bucket with its findings, or with so many buckets without data."""
        bucket = Bucket(self.end - MINUTE, self.end)
        newest, older = split_open(one for one in self.incidents.values() if one.state != "resolved")
        history = AlertHistory(
            open=newest,
            older=older,
            resolved={one.group: one for one in self.incidents.values() if one.state == "resolved"},
            silences=silences,
            handling=dict.fromkeys(self.incidents, handling) if handling else {},
            sequences=dict.fromkeys(self.incidents, len(self.past)),
            past=self.past,
        )
        evaluation = Evaluation(findings, missing_buckets=missing, reason="no rows")
        self.decisions = decide(self.monitor, evaluation, AlertContext(history), bucket)
        plan = plan_actions(self.monitor, RECEIVERS, self.decisions, PlanContext(history, bucket, self.end))
        self.past += [self._deliver(action) for action in plan.actions]
        self.incidents |= {one.incident.id: one.incident for one in plan.incidents}
        self.end += MINUTE
        return plan

    def _deliver(self, action: Action) -> PastAction:
        return PastAction(
            action.name,
            action.created_at,
            "delivered",
            action.id,
            action.incident,
            action.kind,
            sequence=action.sequence,
            at=self.end,
            severity=action.payload["data"]["severity"],
        )


def kinds(plan: ActionPlan) -> list[tuple[str, str]]:
    """Return receiver and kind of every action."""
    return [(action.name, action.kind) for action in plan.actions]


def escalations(plan: ActionPlan) -> Mapping[str, str | None]:
    """Return by receiver why its message is an escalation."""
    return {action.name: action.payload["data"].get("escalation") for action in plan.actions}
