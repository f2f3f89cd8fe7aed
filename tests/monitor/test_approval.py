"""Whether people may approve, reject or resend an action as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.actions.approval import (
    check_approver,
    check_replay,
    check_resolution,
    count_missing_approvals,
    describe_resolution,
    next_state,
)
from monitor.core.action import ActionRecord
from monitor.core.operation import Approve, Author, RefusedOperation, Reject, Replay

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ANN = Author("ann", "slack", "responder", is_verified=True)


def action(**changes: Any) -> ActionRecord:
    made = ActionRecord(
        id="a-1",
        monitor="bot",
        incident="i-1",
        name="deploy",
        kind="rollback",
        mode="approve",
        state="awaiting_approval",
        reason="",
        payload={"type": "driftd.rollback", "timestamp": NOW.isoformat(), "data": {}},  # type: ignore[typeddict-item]
        created_at=NOW,
        sequence=0,
        not_after=NOW,
    )
    return replace(made, **changes)


def refusal(check: Any, *arguments: Any) -> str | None:
    """Return why a check refuses, None if it does not."""
    try:
        check(*arguments)
    except RefusedOperation as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("changes", "late", "reason"),
    [
        ({}, 0, None),
        ({"not_after": None}, 9, None),
        ({}, 1, "the action expired at 2026-11-23 12:00 UTC; nothing was changed"),
        ({"state": "pending"}, 0, "the action is about to be sent; nothing was changed"),
        ({"state": "held", "reason": "cooldown"}, 0, "the action is held (cooldown); nothing was changed"),
        ({"state": "told"}, 0, "the action is announced only; nothing was changed"),
        ({"state": "dry_run"}, 0, "the action was a dry run; nothing was changed"),
        ({"state": "superseded"}, 0, "the action was replaced; nothing was changed"),
    ],
)
def test_only_what_awaits_approval_can_be_approved(changes: dict[str, Any], late: int, reason: str | None) -> None:
    assert refusal(check_resolution, action(**changes), NOW + late * SECOND, None) == reason


@pytest.mark.parametrize(
    ("state", "words"), [("awaiting_approval", "awaits approval"), ("rejected", "was rejected already")]
)
def test_what_was_replaced_names_its_successor(state: Any, words: str) -> None:
    newer = action(id="a-2", state=state)
    reason = refusal(check_resolution, action(state="superseded"), NOW, newer)
    assert reason == f"the action was replaced by a-2, which {words}; nothing was changed"
    assert refusal(check_resolution, action(), NOW, newer) is None


@pytest.mark.parametrize(
    ("changes", "late", "reason"),
    [
        ({"state": "failed"}, 0, None),
        ({"state": "failed", "not_after": None}, 9, None),
        ({"state": "failed"}, 1, "the action expired at 2026-11-23 12:00 UTC and is not sent again"),
        ({"state": "delivered"}, 0, "the action is 'delivered'; only a failed action can be sent again"),
        ({"state": "failed", "kind": "test"}, 0, "it is a test; `driftd actions test deploy` sends a new one"),
    ],
)
def test_only_what_failed_can_be_sent_again(changes: dict[str, Any], late: int, reason: str | None) -> None:
    assert refusal(check_replay, action(**changes), NOW + late * SECOND) == reason


def needing(approvals: int) -> ActionRecord:
    payload: Any = {"type": "driftd.rollback", "timestamp": NOW.isoformat(), "data": {"approvals": approvals}}
    return action(payload=payload)


def test_an_approver_is_verified_if_there_are_several_and_approves_once() -> None:
    unverified = replace(ANN, name=" Ann ", is_verified=False)
    assert refusal(check_approver, needing(1), set(), unverified) is None
    assert refusal(check_approver, needing(2), set(), ANN) is None
    assert refusal(check_approver, needing(2), {"ann"}, replace(ANN, name="ben")) is None
    reason = refusal(check_approver, needing(2), set(), unverified)
    assert reason == (
        "2 people must approve the action, and the name 'Ann' is not verified: approve in Slack or where you are "
        "logged in, or with your own token (`--token`, DRIFTD_TOKEN)"
    )
    again = "Ann has approved the action already; another person must approve it"
    assert refusal(check_approver, needing(2), {"ann"}, replace(ANN, name=" Ann ")) == again


def test_missing_approvals_are_those_of_other_people() -> None:
    assert [count_missing_approvals(needing(2), people) for people in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        2,
        1,
        0,
        0,
    ]
    assert count_missing_approvals(action(), []) == 1
    assert count_missing_approvals(action(payload={}), []) == 1


def test_a_resolution_has_its_state_and_its_words() -> None:
    assert [next_state(one) for one in (Approve("a"), Reject("a"), Replay("a"))] == ["pending", "rejected", "pending"]
    assert (
        describe_resolution(Approve("a", reason=" checked "), replace(ANN, name=" ann ")) == "approved by ann: checked"
    )
    assert describe_resolution(Reject("a"), ANN) == "rejected by ann"
