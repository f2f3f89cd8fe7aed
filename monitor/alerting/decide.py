"""Decide incidents and verdicts from an evaluation, and apply silences.

A silenced incident is decided as usual and gets the id of the silence, and no action is planned for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from detectors.base import Finding
from monitor.alerting.explain import explain
from monitor.alerting.no_data import decide_no_data
from monitor.alerting.rules import decide_rules
from monitor.alerting.verdicts import VerdictChange, find_new_verdicts
from monitor.checks.baseline import Baseline
from monitor.checks.evaluation import Evaluation
from monitor.checks.new_values import earliest
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory
from monitor.core.incident import Decision
from monitor.core.schedule import Bucket


@dataclass(frozen=True)
class Decisions:
    """The findings with explanations, the decisions about incidents, and the verdicts to announce."""

    findings: Sequence[Finding] = ()
    incidents: Sequence[Decision] = ()
    verdicts: Sequence[VerdictChange] = ()


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
    """

    history: AlertHistory = AlertHistory()
    baseline: Baseline | None = None
    shifts: Mapping[str, Sequence[Finding]] = field(default_factory=dict)


def decide(monitor: Monitor, evaluation: Evaluation, context: AlertContext, bucket: Bucket) -> Decisions:
    """Decide the incidents and verdicts of an evaluation. There is no other path to an incident or a message.

    Parameters
    ----------
    monitor
        The monitor whose rules are applied. To apply a single rule, pass a copy with that rule.
    bucket
        The evaluated interval; its end is the time of the decisions.
    """
    history, baseline = context.history, context.baseline
    changes = earliest([*history.changes, *evaluation.changes], history.versions)
    findings = explain(monitor, baseline, evaluation.window, evaluation.findings, history.open, changes, bucket.end)
    decided = [
        *decide_rules(monitor, findings, changes, history, bucket, context.shifts),
        *decide_no_data(monitor, evaluation, history, baseline, bucket),
    ]
    return Decisions(
        findings, [_apply_silence(one, history) for one in decided], find_new_verdicts(evaluation.comparisons, history)
    )


def _apply_silence(decision: Decision, history: AlertHistory) -> Decision:
    """Set the silence on a decision whose rules are all silenced, and add it to the reason of a transition."""
    names = decision.incident.announcing_rules
    if not all(name in history.silences for name in names):
        return decision
    number = history.silences[names[0]]
    reason = decision.incident.reason
    return replace(
        decision, silence=number, reason=f"{reason} (silenced by #{number})" if decision.transition else reason
    )
