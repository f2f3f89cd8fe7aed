"""The only way to store incidents, breakers and actions."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from monitor.actions.plan_actions import ActionPlan
from monitor.store import breakers, incidents, outbox


def save_plan(connection: Connection, monitor: str, plan: ActionPlan) -> None:
    """Store incidents, breakers and actions as they were planned."""
    for decision in plan.incidents:
        incidents.save_decision(connection, decision)
    switched = breakers.save(connection, monitor, plan.breakers) if plan.breakers else []
    outbox.save_actions(connection, [*plan.actions, *switched])
