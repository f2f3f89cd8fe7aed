"""What people look at to judge an incident: distributions from stored aggregates, and similar past incidents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from monitor.alerting.similar_incidents import find_similar
from monitor.cli.root import app
from monitor.core.incident import Incident
from monitor.jobs.incident_examples import load_examples
from monitor.jobs.shown_text import hide_personal
from monitor.store.distributions import load_distributions
from monitor.store.past_incidents import load_similar
from monitor.web.app import create_app
from tests.support.calls import HOUR, MINUTE, Application, Row, Watching
from tests.support.decisions import evidence_of, incident_of
from tests.support.world import START

SWAPS = [START + 70 * MINUTE, START + 130 * MINUTE]
LASTS = 16 * MINUTE


def swapped(at: datetime) -> Row:
    """Two models in turn that are worse for a quarter of an hour each."""
    new = next((place for place, swap in enumerate(SWAPS, 2) if swap <= at < swap + LASTS), 1)
    return {"model": f"m{new}", "amount": 40.0 * (new > 1)}


@pytest.fixture
def life(application: Application, watching: Callable[[Path], Watching]) -> Watching:
    application.log(START, START + HOUR, lambda _: {})
    application.log(START + HOUR, START + 150 * MINUTE, swapped)
    made = watching(
        application.configure(bucket="2m", rules=[{"when": ["drift"], "do": ["back"], "resolve_for": "4m"}])
    )
    made.until(START + 68 * MINUTE, step=HOUR)
    made.until(START + 142 * MINUTE, step=2 * MINUTE)
    return made


def test_an_incident_is_shown_with_its_distributions_and_its_past(life: Watching) -> None:
    second, first = life.rows()[0]
    monitor = life.config.monitors[0]
    with life.database.read() as connection:
        distributions = load_distributions(connection, monitor, second)
        similar = load_similar(connection, second)
    assert (first.state, second.state) == ("resolved", "firing")
    assert [one.incident.id for one in similar] == [first.id]
    assert (similar[0].effects, similar[0].lasted) == ([], first.resolved_at - first.fired_at)
    assert (distributions[0].column, distributions[0].segment) == ("amount", None)
    for one in distributions:
        assert sum(group.share for group in one.values) == pytest.approx(1)
        assert sum(group.baseline_share for group in one.values) == pytest.approx(1)
    assert max(distributions[0].values, key=lambda group: group.points).value.startswith("above")
    page = (
        TestClient(create_app(life.database, life.config, life.clock), base_url="http://127.0.0.1")
        .get(f"/incidents/{second.id}")
        .text
    )
    assert page.count('<svg class="shares"') == sum(len(one.values) for one in distributions)
    assert f'href="/incidents/{first.id}"' in page
    assert "ended without an action" in page


def test_examples_are_the_records_of_the_suspect_that_depart_most(life: Watching, application: Application) -> None:
    second = life.rows()[0][0]
    monitor = life.config.monitors[0]
    with life.database.read() as connection:
        examples = load_examples(connection, monitor, second)
    assert len(examples) == 10
    assert {one.fields["model_version"] for one in examples} == {"m3"}
    assert min(float(one.fields["amount"]) for one in examples) > 130
    shown = life.config.model_copy(update={"server": life.config.server.model_copy(update={"examples": True})})
    for config, status, texts in ((life.config, 404, ["server.examples"]), (shown, 200, examples[0].fields.values())):
        client = TestClient(create_app(life.database, config, life.clock), base_url="http://127.0.0.1")
        page = client.get(f"/incidents/{second.id}/examples")
        assert page.status_code == status
        assert all(text in page.text for text in texts)
        assert ("Open example records" in client.get(f"/incidents/{second.id}").text) is (status == 200)
    listed = CliRunner().invoke(
        app, ["incidents", "examples", second.id[:8], "--config", str(application.folder / "driftd.yaml")]
    )
    assert listed.exit_code == 0
    assert f"amount: {examples[0].fields['amount']}" in listed.stdout


def test_personal_data_and_secrets_are_hidden_before_a_text_is_cut() -> None:
    text = "x" * 495 + " jane@example.com"
    assert "jane" not in hide_personal(text)
    assert len(hide_personal(text)) == 500
    assert hide_personal("card 4111 1111 1111 1111") == "card [CREDIT_CARD]"


def past(identity: str, *columns: str, hours: int = 9, **changes: Any) -> Incident:
    evidence: Any = {column: evidence_of(column=column) for column in columns}
    opened = START - timedelta(hours=hours)
    given = {"state": "resolved", "opened_at": opened, "suspected_change": None, **changes}
    return incident_of(id=identity, evidence=evidence, **given)


def test_incidents_of_the_same_columns_and_suspect_are_similar() -> None:
    suspect: Any = {"kind": "segment", "column": "tenant", "value": "a", "first_seen": ""}
    now = past("now", "latency", "failed", state="firing", suspected_change=suspect)
    same = past("same", "latency", "failed", suspected_change={**suspect, "value": "b"})
    older = replace(same, id="older", opened_at=START - timedelta(days=9))
    without = past("without", "latency", "failed")
    half = past("half", "latency", "failed", "cost", "amount", suspected_change=suspect)
    other = past("other", "amount")
    assert [one.id for one in find_similar(now, [older, other, same])] == ["same", "older"]
    assert [one.id for one in find_similar(now, [half, without, older, same])] == ["same", "older", "without"]
    assert [one.id for one in find_similar(now, [half])] == ["half"]  # three of five
    assert not find_similar(now, [past("less", "latency", "cost", "amount"), now])
    assert not find_similar(now, [replace(same, fired_at=None), replace(same, state="firing")])
