"""A new version that is worse, behind an incident that is open, is an incident of its own with its own action."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.calls import HOUR, MINUTE, SECOND, Application, Row, Watching
from tests.support.world import START

Start = Callable[[Path], Watching]
WORDS_FROM = START + 64 * MINUTE
SWAP = START + 80 * MINUTE + 7 * SECOND


def story(**of_m2: float) -> Callable[[datetime], Row]:
    """Longer questions from 64 minutes on, for which nobody is to blame; a new model 16 minutes later."""

    def row(at: datetime) -> Row:
        new = at >= SWAP
        made: Row = {"model": "m2" if new else "m1", "words": 8.0 * (at >= WORDS_FROM), "amount": 0.0}
        return {**made, **{name: made[name] + value for name, value in of_m2.items() if new}}

    return row


def watch(application: Application, start: Start, **of_m2: float) -> tuple[list[Any], list[Any]]:
    application.log(START, START + HOUR, lambda _: {})
    application.log(START + HOUR, START + 110 * MINUTE, story(**of_m2))
    life = start(application.configure(bucket="2m", outputs=["amount"]))
    life.until(START + 62 * MINUTE, step=HOUR)
    life.until(START + 105 * MINUTE, step=2 * MINUTE)
    incidents, actions = life.rows()
    return sorted(incidents, key=lambda row: row.opened_at), sorted(actions, key=lambda row: row.created_at)


@pytest.mark.parametrize(("of_m2", "state"), [({"amount": 40.0}, "pending"), ({"words": 12.0}, "awaiting_approval")])
def test_a_worse_version_behind_an_open_incident_is_told_and_rolled_back(
    application: Application, watching: Start, of_m2: dict[str, float], state: str
) -> None:
    """It shows in another column, or in the same one, farther away than before; for an input a person must approve."""
    (first, second), actions = watch(application, watching, **of_m2)
    assert (first.suspected_change["kind"], first.suspected_change["column"]) == ("upstream", "words")
    assert first.state == "firing"
    assert second.state == "firing"
    assert second.suspected_change["value"] == "m2"
    assert second.fired_at > SWAP
    (refused,) = [action for action in actions if action.incident == first.id]
    assert (refused.state, refused.reason[:24]) == ("held", "no version is suspected,")
    (rollback,) = [action for action in actions if action.incident == second.id]
    assert rollback.state == state
    assert rollback.payload["data"]["observed_version"] == {"model_version": "m2"}
    assert rollback.payload["data"]["target"]["model_version"] == "m1"


def test_a_harmless_version_behind_an_open_incident_is_not_blamed(application: Application, watching: Start) -> None:
    incidents, actions = watch(application, watching)
    assert [row.suspected_change["kind"] for row in incidents] == ["upstream"]
    assert {action.incident for action in actions} == {incidents[0].id}


def test_each_incident_resolves_when_its_own_findings_are_clean(application: Application, watching: Start) -> None:
    """The new version is withdrawn after ten minutes; the questions stay long."""
    application.log(START, START + HOUR, lambda _: {})
    withdrawn = SWAP + 10 * MINUTE
    long = {"words": 8.0}
    application.log(START + HOUR, SWAP, lambda at: long if at >= WORDS_FROM else {})
    application.log(SWAP, withdrawn, lambda _: {**long, "model": "m2", "amount": 40.0})
    application.log(withdrawn, START + 120 * MINUTE, lambda _: long)
    life = watching(application.configure(bucket="2m", checks=[{"drift": {"method": ["kolmogorov_smirnov", "rank"]}}]))
    life.until(START + 62 * MINUTE, step=HOUR)
    life.until(START + 118 * MINUTE, step=2 * MINUTE)
    incidents, _ = life.rows()
    first, second = sorted(incidents, key=lambda row: row.opened_at)
    assert (first.state, second.state) == ("firing", "resolved")
    assert {item["column"] for item in second.evidence.values()} >= {"amount"}
    assert "amount" not in {item["column"] for item in first.evidence.values()}
