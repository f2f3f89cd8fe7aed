"""Decide incidents and verdicts from an evaluation, and mute them.

A muted incident is decided as usual and gets the reason why it is muted, and no action is planned for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.base import Finding
from monitor.alerting.alert_context import AlertContext
from monitor.alerting.changes import find_growth, list_changes
from monitor.alerting.explain import explain
from monitor.alerting.muting import Muting
from monitor.alerting.no_data import decide_no_data
from monitor.alerting.rules import decide_rules
from monitor.alerting.verdicts import VerdictChange, find_new_verdicts
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor
from monitor.core.incident import Decision
from monitor.core.schedule import Bucket


@dataclass(frozen=True)
class Decisions:
    """The findings with explanations, the decisions about incidents, and the verdicts to announce."""

    findings: Sequence[Finding] = ()
    incidents: Sequence[Decision] = ()
    verdicts: Sequence[VerdictChange] = ()


def decide(monitor: Monitor, evaluation: Evaluation, context: AlertContext, bucket: Bucket) -> Decisions:
    """Decide the incidents and verdicts of an evaluation. There is no other path to an incident or a message.

    Parameters
    ----------
    monitor
        The monitor whose rules are applied. To apply a single rule, pass a copy with that rule.
    bucket
        The evaluated interval; its end is the time of the decisions.
    """
    baseline = context.baseline
    history, ended = context.end_removed(monitor, bucket.end)
    changes = list_changes(evaluation, history)
    findings = explain(monitor, baseline, evaluation.window, evaluation.findings, history.open, changes, bucket.end)
    muting = Muting(monitor, history.silences, bucket.end)
    possible = [*changes, *find_growth(findings, baseline, evaluation.window)]
    decided = [
        *ended,
        *decide_rules(monitor, findings, possible, history, bucket, context.shifts, muting.find_muted(findings)),
        *decide_no_data(monitor, evaluation, history, baseline, bucket),
    ]
    earlier = {incident.id: incident for incident in (*history.open.values(), *history.older)}
    muted = [muting.mute(decision, earlier.get(decision.incident.id)) for decision in decided]
    return Decisions(findings, muted, find_new_verdicts(evaluation.comparisons, muting))
