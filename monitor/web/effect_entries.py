"""Actions of an incident for its timeline: what became of them, and whether the effects helped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from monitor.alerting.messages.effect_text import describe_reaction
from monitor.core.action import DESTRUCTIVE
from monitor.core.payload import Verification
from monitor.store.rows import ActionRow
from monitor.web.formatting import capital, length
from monitor.web.views import TimelineEntry

ENDS = {
    "delivered": "was sent",
    "failed": "could not be sent",
    "expired": "expired",
    "rejected": "was rejected",
    "dry_run": "was a dry run, nothing was sent",
    "superseded": "was replaced",
    "held": "is held",
    "told": "is announced only",
}
"""What became of an action, by its state."""


def describe_action(action: ActionRow) -> Iterator[TimelineEntry]:
    """Yield when an action was planned, what became of it, and how its verification ended."""
    is_effect = action.kind in DESTRUCTIVE
    kind = "effect" if is_effect else "message"
    if is_effect:
        waits = " and waits for approval" if action.mode == "approve" else ""
        yield TimelineEntry(action.created_at, kind, f"{capital(action.kind)} by {action.name} planned{waits}")
    if action.finished_at is not None and action.state in ENDS:
        what = f"{capital(action.kind)} by {action.name}" if is_effect else f"{capital(action.name)}: {action.kind}"
        yield TimelineEntry(action.finished_at, kind, f"{what} {ENDS[action.state]}", _note(action))
    if action.verification is not None:
        at = datetime.fromisoformat(action.verification["at"])
        yield TimelineEntry(at, "verification", describe_verification(action.kind, action.verification))


def list_results(actions: Sequence[ActionRow]) -> list[str]:
    """Return a sentence for each effect that was sent: how fast it was and whether it helped, oldest first."""
    sent = [row for row in actions if row.kind in DESTRUCTIVE and row.state == "delivered"]
    sent.sort(key=lambda row: (row.finished_at or row.created_at, row.sequence))
    return [sentence for row in sent if (sentence := _describe_result(row))]


def describe_verification(kind: str, verification: Verification) -> str:
    """Return how the verification of an effect ended.

    Examples
    --------
    >>> measured = {"at": "", "records": 1204, "seconds": 180.0, "reason": ""}
    >>> describe_verification("rollback", {"state": "verified", **measured})
    'Rollback verified on 1,204 records in 3 minutes'
    """
    if verification["state"] == "verified":
        traffic = f"{verification['records']:,} records in {length(timedelta(seconds=verification['seconds']))}"
        return f"{capital(kind)} verified on {traffic}"
    result = "did not help" if verification["state"] == "not_verified" else "could not be verified"
    return f"{capital(kind)} {result}: {verification['reason']}"


def _describe_result(action: ActionRow) -> str:
    parts = [f"{capital(action.kind)} sent {reaction}"] if (reaction := _reaction(action)) else []
    if action.verification is not None:
        parts.append(describe_verification(action.kind, action.verification))
    return "".join(f"{part}. " for part in parts).strip()


def _reaction(action: ActionRow) -> str:
    return describe_reaction(
        {
            "id": action.id,
            "name": action.name,
            "kind": action.kind,
            "mode": action.mode,
            "state": action.state,
            "reaction": action.reaction_seconds,
        }
    )


def _note(action: ActionRow) -> str:
    if action.state == "delivered":
        reaction = _reaction(action)
        return f"sent {reaction}" if reaction else ""
    return "" if action.state == "superseded" else action.reason
