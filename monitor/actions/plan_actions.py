"""Plan the messages and effects of all decisions about a bucket: incidents, verdicts and breakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitor.actions.breakers import SEVERITY, BreakerUpdate, evaluate_breakers, firing_after, silence_name
from monitor.actions.incident_actions import plan_incidents
from monitor.actions.notifications import announce_verdict
from monitor.actions.plan_context import PlanContext, Receivers
from monitor.actions.verification import Conclusion, conclude_verifications
from monitor.alerting.decisions import Decisions
from monitor.alerting.muting import Muting
from monitor.config.models import Monitor
from monitor.core.action import Action
from monitor.core.incident import Decision


@dataclass(frozen=True)
class ActionPlan:
    """Incidents to store, actions to deliver, and changes of breakers.

    Parameters
    ----------
    announced
        Arms whose verdict was announced, by comparison.
    verifications
        Verifications of effects that have ended.
    """

    incidents: Sequence[Decision] = ()
    actions: Sequence[Action] = ()
    announced: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    breakers: BreakerUpdate | None = None
    verifications: Sequence[Conclusion] = ()


def plan_actions(monitor: Monitor, receivers: Receivers, decisions: Decisions, context: PlanContext) -> ActionPlan:
    """Plan every message and effect of decisions about incidents and verdicts, then evaluate the breakers.

    Muted incidents, verdicts and breakers get no actions.
    """
    concluded = conclude_verifications(decisions.outcomes, decisions.incidents, context.history)
    incidents, actions = plan_incidents(monitor, receivers, decisions, context, concluded)
    announced: dict[tuple[str, str], list[str]] = {}
    for change in decisions.verdicts:
        messages = announce_verdict(monitor, receivers, change, context.history, context.bucket, context.now)
        if messages is not None:
            announced.setdefault((change.kind, change.name), []).append(change.arm)
            actions += messages
    breakers = None
    if context.breakers is not None and monitor.breakers:
        muting = Muting.after(monitor, context.history, context.bucket.end, incidents)
        inputs = replace(
            context.breakers,
            firing=firing_after([*context.history.open.values(), *context.history.older], incidents),
            silenced=[one.name for one in monitor.breakers if muting.find_reason(silence_name(one), SEVERITY)],
        )
        breakers = evaluate_breakers(monitor, context.bucket, inputs, receivers, context.now)
    return ActionPlan(incidents, actions, announced, breakers, list(concluded.values()))
