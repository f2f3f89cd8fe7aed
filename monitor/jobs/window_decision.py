"""Decide about one window without history and without `for`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.actions.decide_and_plan import decide_and_plan
from monitor.actions.plan_context import Receivers
from monitor.alerting.alert_context import AlertContext
from monitor.checks.baseline import Baseline
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor
from monitor.config.rules import SEVERITIES
from monitor.core.payload import Suspect
from monitor.core.schedule import Bucket
from monitor.jobs.window_verdict import as_json, rank, verdict


def decide_window(
    monitor: Monitor, evaluation: Evaluation, baseline: Baseline, whole: Baseline, bucket: Bucket, receivers: Receivers
) -> dict[str, Any]:
    """Decide about an evaluation and plan actions, without history and without `for`."""
    at_once = [rule.model_copy(update={"for_": 1}) for rule in monitor.rules]
    alone, context = monitor.with_rules(at_once), AlertContext(baseline=baseline)
    decisions, plan = decide_and_plan(alone, receivers, evaluation, context, bucket, bucket.end)
    firing = [one.incident for one in plan.incidents if one.incident.state == "firing"]
    status, reason = verdict(monitor, decisions.findings, firing=bool(firing))
    worst = min(firing, key=lambda incident: SEVERITIES.index(incident.severity), default=None)
    return {
        "status": status,
        "reason": reason,
        "suspected_change": _earliest_suspect(worst.suspected_change, whole) if worst else None,
        "findings": [as_json(finding) for finding in rank(decisions.findings)],
        "actions": [
            {"receiver": action.name, "kind": action.kind, "state": action.state, "reason": action.reason}
            for action in plan.actions
        ],
    }


def _earliest_suspect(suspect: Suspect | None, whole: Baseline) -> Mapping[str, Any] | None:
    """Return a suspect with its first occurrence, which may be inside the range of the baseline."""
    if suspect is None:
        return None
    first = whole.facts.get("versions", {}).get(suspect["column"], {}).get(suspect["value"])
    return {**suspect, "first_seen": datetime.fromtimestamp(first[1], UTC).isoformat()} if first else suspect
