"""From an evaluation to incidents, messages and effects, where nothing but the evaluation decides. Pure."""

from __future__ import annotations

from datetime import datetime

from monitor.actions.plan_actions import ActionPlan, PlanContext, Receivers, plan_actions
from monitor.alerting.decide import AlertContext, Decisions, decide
from monitor.checks.comparisons import ComparisonUpdate
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket


def decide_and_plan(
    monitor: Monitor, receivers: Receivers, evaluation: Evaluation, context: AlertContext, bucket: Bucket, at: datetime
) -> tuple[Decisions, ActionPlan]:
    """Decide what an evaluation means, and plan what follows from it.

    Parameters
    ----------
    monitor
        Its rules are applied; see `Monitor.with_rules` for findings that belong to other rules.
    at
        The time of the source: what is older than its `not_after` is not sent.
    """
    decisions = decide(monitor, evaluation, context, bucket)
    return decisions, plan_actions(monitor, receivers, decisions, PlanContext(context.history, bucket, at))


def plan_comparisons(
    monitor: Monitor, receivers: Receivers, update: ComparisonUpdate, history: AlertHistory, at: datetime
) -> ActionPlan:
    """Plan what the newest reports of comparisons mean, up to the end of the last bucket that was counted."""
    start = update.counts[-1].start
    bucket, evaluation = Bucket(start, start + update.step), Evaluation(comparisons=update)
    return decide_and_plan(monitor.with_rules([]), receivers, evaluation, AlertContext(history), bucket, at)[1]
