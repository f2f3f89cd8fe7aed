"""Plan the actions of a live bucket from its decisions and the stored state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from detectors.cost.breaker import Breaker
from monitor.actions.breakers import BreakerInput, Key
from monitor.actions.plan_actions import ActionPlan, plan_actions
from monitor.actions.plan_context import PlanContext
from monitor.actions.retraining_context import RetrainingHistory, RetrainingInput
from monitor.alerting.decisions import Decisions
from monitor.checks.evaluation import Evaluation, Observed
from monitor.checks.monitor_plan import MonitorPlan
from monitor.checks.observe import BucketSource
from monitor.core.action import AlertHistory
from monitor.core.tracing import traced
from monitor.profiling.spend import SpendState


@dataclass(frozen=True)
class ActionState:
    """The stored state that planning of actions needs.

    Parameters
    ----------
    history
        Alerting state of the monitor.
    breakers
        Breakers of the monitor that have changed state before.
    spending
        Costs up to the end of the bucket.
    retraining
        Earlier buckets for the payload of a retraining; None if none can be requested.
    """

    history: AlertHistory = AlertHistory()
    breakers: Mapping[Key, Breaker] = field(default_factory=dict)
    spending: SpendState | None = None
    retraining: RetrainingHistory | None = None


@traced("plan_actions")
def plan_bucket(
    source: BucketSource,
    plan: MonitorPlan,
    observed: Observed,
    evaluation: Evaluation,
    decisions: Decisions,
    state: ActionState,
) -> ActionPlan:
    """Plan the messages and effects of the decisions about a bucket."""
    bucket, profiled = observed.bucket, observed.profiled
    baseline, window, retraining = plan.reference(bucket), evaluation.window, None
    if baseline is not None and window is not None and state.retraining is not None:
        retraining = RetrainingInput(bucket, profiled, window, baseline, state.retraining, source.reader)
    breakers = BreakerInput(state.breakers, state.spending, profiled.bill.rates if profiled.bill else {})
    context = PlanContext(state.history, bucket, source.now(), retraining, breakers)
    return plan_actions(plan.monitor, plan.receivers, decisions, context)
