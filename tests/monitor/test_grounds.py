"""How far back a bucket reads for a retraining: as far as one that it could decide may speak of, and no farther."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from monitor.actions.retraining_requests import earliest_moment
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory, PastAction
from monitor.core.incident import Incident
from monitor.core.schedule import Bucket
from tests.support.world import START

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MONITOR = Monitor.model_validate(
    {
        "name": "bot",
        "source": {"url": "sqlite:///log.db", "table": "log", "columns": {"timestamp": "at"}},
        "bucket": "5m",
        "window": "1h",
        "baseline": {"from": START.isoformat(), "to": (START + HOUR).isoformat()},
    }
)
NOW = START + 100 * HOUR
BUCKET = Bucket(NOW - 5 * MINUTE, NOW)
BACK = 65 * MINUTE  # a window and a bucket: as old as a suspected change can be when its incident opens
OPENED = START + 50 * HOUR
SENT = PastAction("train", OPENED, "delivered", id="a", incident="i", kind="retrain", mode="auto")


def incident(**changes: Any) -> Incident:
    given = {"state": "firing", "fired_at": OPENED, "notified_at": OPENED, **changes}
    return Incident("i", "bot", "r", "warning", opened_at=OPENED, updated_at=NOW, reason="", **given)


@pytest.mark.parametrize(
    ("changes", "sent", "expected"),
    [
        ({}, {}, NOW - BACK),
        ({}, {"state": "held"}, OPENED - BACK),
        ({}, {"state": "expired", "missed": True}, OPENED - BACK),
        ({}, {"incident": "other"}, OPENED - BACK),
        ({"state": "pending", "fired_at": None, "notified_at": None}, {}, OPENED - BACK),
        ({"rule": "another"}, {"state": "held"}, NOW - BACK),
        (
            {"suspected_change": {"kind": "category", "column": "c", "value": "v", "first_seen": START.isoformat()}},
            {"state": "held"},
            START,
        ),
    ],
)
def test_as_far_back_as_a_retraining_may_speak_of(changes: dict[str, Any], sent: dict[str, Any], expected: Any) -> None:
    standing = replace(incident(), **changes)
    past = AlertHistory(open={standing.rule: standing}, past=[replace(SENT, **sent)])
    assert earliest_moment(MONITOR, past, BUCKET, {"r"}) == expected


def test_an_incident_that_may_open_again_is_one_of_them() -> None:
    resolved = incident(state="resolved", resolved_at=NOW - HOUR)
    assert earliest_moment(MONITOR, AlertHistory(resolved={"r": resolved}, past=[SENT]), BUCKET, {"r"}) == OPENED - BACK
