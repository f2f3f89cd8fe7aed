"""A test of a receiver as it is planned, field by field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.actions.rehearsal import plan_test
from monitor.core.action import Action
from tests.support.receivers import settings_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LINK = "https://driftd.internal"


def body(state: str, summary: str, **more: Any) -> dict[str, Any]:
    incident = {"id": "test-1", "state": state, "rule": "test", "opened_at": NOW.isoformat(), "reason": "test"}
    data = {
        "test": True,
        "monitor": "driftd",
        "severity": "info",
        "headline": "Test of the receiver 'it' by ann",
        "incident": incident,
        "link": LINK,
        "summary": summary,
    }
    return {"type": "driftd.test", "timestamp": NOW.isoformat(), "data": {**data, **more}}


def action(payload: Any, place: int = 0, *, identity: str, dry_run: bool = False) -> Action:
    return Action(
        id=identity,
        monitor="",
        incident="test-1",
        name="it",
        kind="test",
        mode="auto",
        state="pending",
        reason="test by ann",
        payload=payload,
        created_at=NOW,
        sequence=place,
        not_after=NOW + timedelta(minutes=5),
        dry_run=dry_run,
    )


def test_a_test_of_messages_is_an_alert_and_its_end() -> None:
    first, second = plan_test("it", settings_of("slack", external_url=LINK), "ann", NOW, "1")
    opened = body("firing", "Nothing is wrong, and nothing is to be done. Sent at 2026-11-23 12:00 UTC.")
    closed = body("resolved", "The test is over; nothing is wrong. Sent at 2026-11-23 12:00 UTC.")
    assert first == action(opened, identity="2229caf7-0db9-52df-852c-2c9935101cab")
    assert second == action(closed, 1, identity="f4010bf8-8927-5214-b05a-ff13acf3a82d")


@pytest.mark.parametrize(
    ("kind", "settings", "role"),
    [
        ("webhook", {"effect": {"kind": "rollback"}}, "model_version"),
        ("langfuse", {}, "prompt_version"),
        ("webhook", {"effect": {"kind": "retrain"}, "dry_run": True}, "model_version"),
    ],
)
def test_a_test_of_an_effect_goes_from_no_version_to_the_same(kind: str, settings: dict[str, Any], role: str) -> None:
    (planned,) = plan_test("it", settings_of(kind, external_url=LINK, **settings), "ann", NOW, "1")
    dry_run = "dry_run" in settings
    versions = {"observed_version": {role: "driftd-test"}, "target": {role: "driftd-test"}}
    late = {"not_after": "2026-11-23T12:05:00+00:00", "dry_run": dry_run}
    summary = "Nothing is wrong, and nothing is to be done. Sent at 2026-11-23 12:00 UTC."
    payload = body("firing", summary, **versions, **late)
    assert planned == action(payload, identity="2229caf7-0db9-52df-852c-2c9935101cab", dry_run=dry_run)


def test_the_id_of_the_thread_fits_its_column_and_differs_by_key() -> None:
    incidents = {plan_test("it", settings_of("slack"), "ann", NOW, key)[0].incident for key in ("1", "2", "x" * 60)}
    assert incidents == {"test-1", "test-2", "test-" + "x" * 31}
