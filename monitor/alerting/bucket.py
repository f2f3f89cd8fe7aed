"""Decide a live bucket: with the past of its monitor, and with the plateaus of its open incidents. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.alerting.change_point import Plateaus
from monitor.alerting.decide import AlertContext, Decisions, decide
from monitor.alerting.second_shift import compare_with_plateaus
from monitor.checks.evaluation import Evaluation
from monitor.checks.monitor_plan import MonitorPlan
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket


@dataclass(frozen=True)
class AlertState:
    """What deciding about a bucket needs of the store.

    Parameters
    ----------
    history
        Incidents, silences, changes, versions and actions.
    plateaus
        What the open incidents have led to.
    """

    history: AlertHistory = AlertHistory()
    plateaus: Plateaus = field(default_factory=dict)


def decide_bucket(plan: MonitorPlan, evaluation: Evaluation, state: AlertState, bucket: Bucket) -> Decisions:
    """Decide what the evaluation of a bucket means for the incidents of its monitor."""
    baseline, history = plan.active_baseline, state.history
    shifts = compare_with_plateaus(plan.monitor, baseline, history.open, state.plateaus, evaluation.window)
    return decide(plan.monitor, evaluation, AlertContext(history, baseline, shifts), bucket)
