"""Who did it: versions that come in within a minute of each other are told apart, each dated by its first row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from detectors.base import Finding, Status
from monitor.alerting.incidents import decide_incident
from monitor.checks.new_values import earliest
from monitor.config.models import Monitor
from monitor.core.action import Version
from monitor.core.incident import Change, Incident
from monitor.jobs.one_shot import check
from monitor.sources.connect import connect
from monitor.store import incidents
from tests.support.calls import CALLS, EVERY, HOUR, MINUTE, SECOND, Application, Row, Watching
from tests.support.decisions import context_of
from tests.support.nightly import nightly
from tests.support.world import START

SWAP = START + 70 * MINUTE + 7 * SECOND
"""Seven seconds into a bucket."""


def swap(guilty: str, first: str) -> Callable[[datetime], Row]:
    """A new prompt and a new model come in a minute apart; only one of them matters."""
    times = {"model": SWAP, "prompt": SWAP}
    times["prompt" if first == "model" else "model"] += MINUTE

    def row(at: datetime) -> Row:
        new = {name: at >= times[name] for name in times}
        return {
            "model": "m2" if new["model"] else "m1",
            "prompt": "p2" if new["prompt"] else "p1",
            "amount": 40.0 * new[guilty],
        }

    return row


@pytest.mark.parametrize(
    ("guilty", "first"),
    [("model", "prompt"), ("prompt", "prompt"), nightly(("model", "model")), nightly(("prompt", "model"))],
)
def test_of_two_versions_a_minute_apart_the_guilty_one_is_named_and_dated(
    application: Application, watching: Callable[[Path], Watching], guilty: str, first: str
) -> None:
    application.log(START, START + HOUR, lambda _: {})
    application.log(START + HOUR, START + 2 * HOUR, swap(guilty, first))
    path = application.configure()
    life = watching(path)
    life.until(START + 69 * MINUTE, step=HOUR)
    life.until(START + 100 * MINUTE)
    (incident,), (action, *superseded) = life.rows()
    assert all(one.state == "superseded" for one in superseded)
    logged = SWAP + (MINUTE if guilty != first else timedelta(0))
    role, value, before = f"{guilty}_version", f"{guilty[0]}2", f"{guilty[0]}1"
    suspect = incident.suspected_change
    assert (suspect["column"], suspect["value"]) == (role, value)
    assert timedelta(0) <= datetime.fromisoformat(suspect["first_seen"]) - logged < EVERY
    assert action.payload["data"]["observed_version"] == {role: value}
    assert action.payload["data"]["target"][role] == before
    monitor = life.config.monitors[0]
    reader = connect(monitor.source)
    verdict = check(reader, monitor, SWAP + 8 * MINUTE)
    reader.close()
    assert verdict["suspected_change"]["value"] == value


def test_a_version_is_dated_by_its_first_row_also_when_that_row_comes_late(
    application: Application, watching: Callable[[Path], Watching]
) -> None:
    application.log(START, START + 71 * MINUTE, lambda _: {})
    application.log(START + 71 * MINUTE, START + 100 * MINUTE, lambda _: {"model": "m2"})
    life = watching(application.configure())
    life.until(START + 80 * MINUTE, step=10 * MINUTE)
    early = {"at": (START + 70 * MINUTE).replace(tzinfo=None), "model": "m2", "prompt": "p1", "amount": 1.0, "words": 1}
    with application.engine.begin() as connection:
        connection.execute(sa.insert(CALLS), [early])
    life.until(START + 95 * MINUTE, step=5 * MINUTE)
    with life.database.read() as connection:
        (change,) = incidents.load_changes(connection, "bot")
    assert (change.value, change.first_seen) == ("m2", START + 70 * MINUTE)


def test_earliest_keeps_one_of_each_and_believes_the_traffic_of_versions() -> None:
    at = [START + n * MINUTE for n in range(4)]
    changes = [
        Change("model_version", "model_version", "m2", at[2]),
        Change("model_version", "model_version", "m2", at[1]),
        Change("category", "plan", "gold", at[3]),
        Change("category", "plan", "gold", at[2]),
    ]
    known = [Version("model_version", "m2", at[0], at[3], 10), Version("model_version", "m1", at[0], at[3], 10)]
    assert [(one.value, one.first_seen) for one in earliest(changes, known)] == [("m2", at[0]), ("gold", at[2])]


def monitor_of(**rule: object) -> Monitor:
    source = {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}
    rules = [{"when": ["drift"], **rule}]
    return Monitor.model_validate({"name": "bot", "bucket": "1m", "window": "5m", "source": source, "rules": rules})


def drifted(**changes: Any) -> Finding:
    fields = {"segment": None, "detail": {}, **changes}
    return Finding(
        "drift", "amount", "rank", status=Status.DRIFTED, reason="moved", statistic=0.3, threshold=0.1, **fields
    )


M2 = Change("model_version", "model_version", "m2", START - 2 * MINUTE)
P2 = Change("prompt_version", "prompt_version", "p2", START - 3 * MINUTE)


def course(evidence: list[dict[str, Any]], changes: list[Change]) -> list[Incident]:
    """Judge a finding a minute, each with other evidence; return the incident after each."""
    monitor, incident, seen = monitor_of(), None, []
    for minute, changed in enumerate(evidence):
        decision = decide_incident(
            context_of(monitor, START + minute * MINUTE, changes), [drifted(**changed)], incident
        )
        assert decision is not None
        incident = decision.incident
        seen.append(incident)
    return seen


def explained(model: float, prompt: float, contrast: float) -> dict[str, Any]:
    shares = {"model_version=m2": model, "prompt_version=p2": prompt, "": 0.2}
    return {"explained": shares, "contrast": contrast, "segment": None, "since": START.isoformat()}


def test_the_suspect_is_recomputed_while_the_incident_is_open() -> None:
    unclear, prompt, equal = explained(0.95, 0.93, 2.0), explained(0.7, 0.99, 40.0), explained(0.95, 0.95, 1.0)
    seen = course([{}, *({"detail": {"attribution": one}} for one in (unclear, prompt, equal)), {}], [M2, P2])
    assert [incident.suspected_change["value"] for incident in seen if incident.suspected_change] == [
        "m2",
        "m2",
        "p2",
        "p2",
        "p2",
    ]


def test_what_came_after_an_incident_fired_did_not_cause_it_and_what_caused_it_stays_so_however_long_it_lasts() -> None:
    later = Change("model_version", "model_version", "m3", START + 2 * MINUTE)
    seen = course([{}] * 20, [M2, later])
    assert {incident.suspected_change["value"] for incident in seen if incident.suspected_change} == {"m2"}


def test_an_old_version_does_not_keep_an_incident_from_being_the_old_one() -> None:
    monitor = monitor_of(reopen_within="1h", resolve_for=1)
    first = decide_incident(context_of(monitor, START, [M2]), [drifted()], None)
    assert first is not None
    clean = Finding("drift", "amount", "rank", None, Status.OK, "fine", 0.01, 0.1)
    over = decide_incident(context_of(monitor, START + MINUTE, [M2]), [clean], first.incident)
    assert over is not None
    assert over.transition == "resolved"
    newer = Change("model_version", "model_version", "m3", START + 2 * MINUTE)
    for changes, same in (([M2], True), ([M2, newer], False)):
        again = decide_incident(context_of(monitor, START + 3 * MINUTE, changes), [drifted()], None, over.incident)
        assert again is not None
        assert (again.incident.id == first.incident.id) is same


def test_a_waiting_rollback_is_superseded_when_the_suspect_changes_and_people_are_told(
    application: Application, watching: Callable[[Path], Watching]
) -> None:
    """Both come in within one bucket: at first nothing tells them apart. Then the prompt goes, and the effect stays."""
    back = SWAP + 4 * MINUTE

    def row(at: datetime) -> Row:
        prompt = "p2" if SWAP <= at < back else "p1"
        return {"model": "m2" if at >= SWAP else "m1", "prompt": prompt, "amount": 14.0 * (at >= SWAP)}

    def guilty_prompt(at: datetime) -> Row:
        return {**row(at), "model": "m2" if at >= SWAP else "m1", "amount": 40.0 * (SWAP <= at < back)}

    application.log(START, START + HOUR, lambda _: {})
    application.log(START + HOUR, START + 2 * HOUR, guilty_prompt)
    path = application.configure(
        rules=[{"when": ["drift"], "do": ["slack", "back"], "resolve_for": "1h"}],
        checks=[{"drift": {"method": ["kolmogorov_smirnov", "rank"]}}],
    )
    text = path.read_text().replace("mode: auto", "mode: approve")
    path.write_text(text + "slack: {token: t, channel: c, base_url: 'http://127.0.0.1:1/api/'}\n")
    life = watching(path)
    life.until(START + 69 * MINUTE, step=HOUR)
    life.until(START + 84 * MINUTE)
    (incident,), actions = life.rows()
    rollbacks = sorted((one for one in actions if one.kind == "rollback"), key=lambda one: one.sequence)
    assert [one.state for one in rollbacks] == ["superseded", "awaiting_approval"]
    assert [one.payload["data"]["observed_version"] for one in rollbacks] == [
        {"model_version": "m2"},
        {"prompt_version": "p2"},
    ]
    assert incident.suspected_change["value"] == "p2"
    told = [one for one in actions if one.name == "slack" and one.kind == "update"]
    assert "p2" in told[0].payload["data"]["headline"]
    (mention,) = told[0].payload["data"]["actions"]
    assert (mention["id"], mention["state"]) == (rollbacks[1].id, "awaiting_approval")
