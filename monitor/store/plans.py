"""Store incidents, breakers and actions; the only function that does."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from monitor.actions.plan_actions import ActionPlan
from monitor.store import breakers, incidents, outbox, verifications


def save_plan(connection: Connection, monitor: str, plan: ActionPlan) -> None:
    """Store the incidents, verifications, breakers and actions of a plan."""
    for decision in plan.incidents:
        incidents.save_decision(connection, decision)
    for conclusion in plan.verifications:
        verifications.save_conclusion(connection, conclusion)
    switched = breakers.save(connection, monitor, plan.breakers) if plan.breakers else []
    outbox.save_actions(connection, [*plan.actions, *switched])
