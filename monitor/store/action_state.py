"""Load the state that planning actions needs: the breakers of a monitor and the history for a retraining."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from monitor.actions.bucket import ActionState
from monitor.actions.retraining_context import RetrainingHistory
from monitor.actions.retraining_requests import earliest_moment, retraining_rules
from monitor.checks.monitor_plan import MonitorPlan
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket, floor
from monitor.profiling.spend import SpendState
from monitor.store import breakers, buckets, savings


def load_action_state(
    connection: Connection, plan: MonitorPlan, bucket: Bucket, past: AlertHistory, spending: SpendState | None
) -> ActionState:
    """Load the state to plan the actions of a bucket; ``past`` and ``spending`` are already loaded."""
    return ActionState(
        past,
        breakers.load_breakers(connection, [spec.name for spec in plan.monitor.breakers]),
        spending,
        _load_retraining_history(connection, plan, bucket, past),
    )


def _load_retraining_history(
    connection: Connection, plan: MonitorPlan, bucket: Bucket, past: AlertHistory
) -> RetrainingHistory | None:
    """Load the history of earlier buckets for a retraining; None if the monitor cannot request one."""
    monitor, baseline = plan.monitor, plan.reference(bucket)
    rules = retraining_rules(monitor, plan.receivers)
    if not rules or baseline is None:
        return None
    first = earliest_moment(monitor, past, bucket, rules)
    spec = monitor.savings.retraining if monitor.savings else None
    of_baseline = (0, 0)
    if baseline.start is not None and baseline.end is not None:
        start = floor(baseline.start, monitor.bucket)
        of_baseline = buckets.count_records(connection, monitor.name, start, min(baseline.end, bucket.start))
    return RetrainingHistory(
        buckets.logged_by_bucket(connection, monitor.name, first, bucket.start),
        of_baseline,
        savings.load_measure(connection, monitor.name, spec.measure, first) if spec else (),
    )
