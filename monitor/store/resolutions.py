"""People approve, reject and resend actions."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.actions.approval import (
    check_approver,
    check_replay,
    check_resolution,
    count_missing_approvals,
    describe_resolution,
    next_state,
)
from monitor.core.action import MESSAGES
from monitor.core.operation import Approve, Author, Reject, Replay
from monitor.store.prefixes import find_by_prefix
from monitor.store.rows import ActionRow, read_first
from monitor.store.tables import actions, audit

LONGEST_REASON = 512


def find_action(connection: Connection, prefix: str) -> ActionRow:
    """Return the action whose id begins with a prefix; raise LookupError if there is none or several."""
    return find_by_prefix(connection, ActionRow, actions, "action", prefix)


def find_newer(connection: Connection, action: ActionRow) -> ActionRow | None:
    """Return the newest effect of the same incident and name that came after an action."""
    query = (
        sa.select(actions)
        .where(actions.c.incident == action.incident, actions.c.name == action.name)
        .where(actions.c.kind.not_in(MESSAGES), actions.c.sequence > action.sequence)
        .order_by(actions.c.sequence.desc())
        .limit(1)
    )
    return read_first(connection, ActionRow, query)


def load_approvers(connection: Connection, action: str) -> set[str]:
    """Return the people who have approved an action, as :attr:`Author.person` tells them apart."""
    person = sa.func.coalesce(audit.c.detail["account"].as_string(), audit.c.by)
    done = (audit.c.subject == action, audit.c.operation == Approve.name, audit.c.result == "done")
    return {one.casefold() for one in connection.execute(sa.select(person).where(*done)).scalars()}


def resolve(
    connection: Connection, action: ActionRow, operation: Approve | Reject | Replay, author: Author, at: datetime
) -> dict[str, object]:
    """Approve, reject or resend an action; return what was changed.

    Raises
    ------
    RefusedOperation
        If the state of the action does not permit it.
    """
    values: dict[str, object] = {"state": next_state(operation), "next_attempt_at": at}
    if isinstance(operation, Replay):
        check_replay(action, at)
        values["attempts"] = 0
    else:
        check_resolution(action, at, find_newer(connection, action))
        reason = describe_resolution(operation, author)
        if isinstance(operation, Approve):
            approvers = load_approvers(connection, action.id)
            check_approver(action, approvers, author)
            if missing := count_missing_approvals(action, {*approvers, author.person}):
                values["state"] = "awaiting_approval"
                reason += f"; {missing} more {'person' if missing == 1 else 'people'} must approve"
        values["reason"] = reason[:LONGEST_REASON]
    connection.execute(sa.update(actions).where(actions.c.id == action.id).values(**values))
    account = {"account": author.account} if author.account else {}
    return {"name": action.name, "kind": action.kind, "from": action.state, "to": values["state"], **account}
