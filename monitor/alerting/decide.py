"""Decide incidents and verdicts from an evaluation, and mute them.

A muted incident is decided as usual and gets the reason why it is muted, and no action is planned for it.
"""

from __future__ import annotations

from dataclasses import replace

from monitor.alerting.alert_context import AlertContext
from monitor.alerting.changes import find_growth, list_changes
from monitor.alerting.decisions import Decisions
from monitor.alerting.explain import explain
from monitor.alerting.incident_decisions import decide_incidents
from monitor.alerting.verdicts import find_new_verdicts
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket


def decide(monitor: Monitor, evaluation: Evaluation, context: AlertContext, bucket: Bucket) -> Decisions:
    """Decide the incidents and verdicts of an evaluation. There is no other path to an incident or a message.

    Parameters
    ----------
    monitor
        The monitor whose rules are applied. To apply a single rule, pass a copy with that rule.
    bucket
        The evaluated interval; its end is the time of the decisions.
    """
    baseline, window = context.baseline, evaluation.window
    history, ended = context.end_removed(monitor, bucket.end)
    changes = list_changes(evaluation, history)
    findings = explain(monitor, baseline, window, evaluation.findings, history.open, changes, bucket.end)
    possible = [*changes, *find_growth(findings, baseline, window)]
    going = replace(context, history=history)
    decided, muting = decide_incidents(monitor, evaluation, findings, possible, going, bucket)
    muted = [*(muting.mute(decision, None) for decision in ended), *decided]
    return Decisions(findings, muted, find_new_verdicts(evaluation.comparisons, muting))
