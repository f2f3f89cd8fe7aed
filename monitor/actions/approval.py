"""Whether people may approve, reject or resend an action as it is. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from monitor.core.action import TEST, ActionRecord, ActionState
from monitor.core.operation import Approve, Author, RefusedOperation, Reject, Replay

OBSTACLES: Mapping[ActionState, str] = {
    "pending": "is about to be sent",
    "delivered": "was delivered already",
    "dry_run": "was a dry run",
    "failed": "failed, and can only be sent again",
    "expired": "has expired",
    "held": "is held",
    "rejected": "was rejected already",
    "told": "is announced only",
    "superseded": "was replaced",
}
"""Why an action in a state cannot be approved or rejected."""


def check_resolution(action: ActionRecord, at: datetime, newer: ActionRecord | None) -> None:
    """Raise RefusedOperation unless an action awaits approval.

    Parameters
    ----------
    newer
        The newest effect of the same name and incident that came after it.
    """
    if action.state == "superseded" and newer is not None:
        raise RefusedOperation(f"the action was replaced by {newer.id}, which {_describe(newer)}; nothing was changed")
    if action.state != "awaiting_approval":
        reason = f" ({action.reason})" if action.reason else ""
        raise RefusedOperation(f"the action {OBSTACLES[action.state]}{reason}; nothing was changed")
    if action.not_after is not None and action.not_after < at:
        raise RefusedOperation(f"the action expired at {action.not_after:%Y-%m-%d %H:%M} UTC; nothing was changed")


def check_replay(action: ActionRecord, at: datetime) -> None:
    """Raise RefusedOperation unless an action failed and may still be sent."""
    if action.kind == TEST:
        raise RefusedOperation(f"it is a test; `driftd actions test {action.name}` sends a new one")
    if action.state != "failed":
        raise RefusedOperation(f"the action is {action.state!r}; only a failed action can be sent again")
    if action.not_after is not None and action.not_after < at:
        raise RefusedOperation(f"the action expired at {action.not_after:%Y-%m-%d %H:%M} UTC and is not sent again")


def check_approver(action: ActionRecord, approvers: Collection[str], author: Author) -> None:
    """Raise RefusedOperation unless the approval of the author counts: an action may need several different people.

    A name that nobody verified may be anybody's second one.
    """
    needed = count_missing_approvals(action, ())
    if needed > 1 and not author.is_verified:
        raise RefusedOperation(
            f"{needed} people must approve the action, and the name {author.name.strip()!r} is not verified: approve "
            "in Slack or where you are logged in, or with your own token (`--token`, DRIFTD_TOKEN)"
        )
    if author.person in approvers:
        raise RefusedOperation(f"{author.name.strip()} has approved the action already; another person must approve it")


def count_missing_approvals(action: ActionRecord, approvers: Collection[str]) -> int:
    """Return how many more people must approve an action."""
    data = action.payload.get("data") or {}
    return max(0, data.get("approvals", 1) - len(set(approvers)))


def next_state(operation: Approve | Reject | Replay) -> ActionState:
    """Return the state of an action after an operation."""
    return "rejected" if isinstance(operation, Reject) else "pending"


def describe_resolution(operation: Approve | Reject, author: Author) -> str:
    """Return the reason that an action is given, such as ``approved by ann: checked with the vendor``."""
    verb = "approved" if isinstance(operation, Approve) else "rejected"
    reason = operation.reason.strip()
    return f"{verb} by {author.name.strip()}" + (f": {reason}" if reason else "")


def _describe(action: ActionRecord) -> str:
    return "awaits approval" if action.state == "awaiting_approval" else OBSTACLES[action.state]
