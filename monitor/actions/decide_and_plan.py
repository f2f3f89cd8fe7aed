"""Decide and plan for evaluations without a live bucket, such as source errors and evaluation suites."""

from __future__ import annotations

from datetime import datetime

from monitor.actions.plan_actions import ActionPlan, plan_actions
from monitor.actions.plan_context import PlanContext, Receivers
from monitor.alerting.alert_context import AlertContext
from monitor.alerting.decide import decide
from monitor.alerting.decisions import Decisions
from monitor.checks.comparisons import ComparisonUpdate
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket


def decide_and_plan(
    monitor: Monitor, receivers: Receivers, evaluation: Evaluation, context: AlertContext, bucket: Bucket, at: datetime
) -> tuple[Decisions, ActionPlan]:
    """Decide the incidents of an evaluation and plan its actions.

    Parameters
    ----------
    monitor
        The monitor whose rules are applied; see `Monitor.with_rules` to apply other rules.
    at
        Time of the source's clock; actions are not sent after their `not_after`.
    """
    decisions = decide(monitor, evaluation, context, bucket)
    return decisions, plan_actions(monitor, receivers, decisions, PlanContext(context.history, bucket, at))


def plan_comparisons(
    monitor: Monitor, receivers: Receivers, update: ComparisonUpdate, history: AlertHistory, at: datetime
) -> ActionPlan:
    """Plan the actions about the newest reports of comparisons, as of the end of the last counted bucket."""
    start = update.counts[-1].start
    bucket, evaluation = Bucket(start, start + update.step), Evaluation(comparisons=update)
    return decide_and_plan(monitor.with_rules([]), receivers, evaluation, AlertContext(history), bucket, at)[1]
