"""The page and the API of experiments."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from detectors.experiment.verdict import SPLIT_ALPHA
from monitor.config.arms import Shadow
from monitor.profiling import shadow_join
from monitor.store import aggregates, tables
from monitor.store.aggregates import Entry
from monitor.store.findings import add_findings
from tests.web.conftest import Serve
from tests.web.seed import HOSTILE, SHADOW, TRIAL_OF, Seed, busy_store, configuration
from tests.web.test_pages import assert_harmless, words

PAGE = f"/monitors/{TRIAL_OF}/experiments/shorter%20prompt"


@pytest.fixture
def client(seed: Seed, serve: Serve) -> httpx.Client:
    return serve(configuration("sqlite://", busy_store(seed)))


def test_the_page_shows_verdict_arms_and_the_sequence_over_time(client: httpx.Client) -> None:
    text = client.get(PAGE).text
    assert_harmless(text)
    told = words(text)
    assert "rank@4 win" in told
    assert "14,400 records" in told
    assert text.count('class="band"') == 2
    assert "experiments/shorter%20prompt" in client.get(f"/monitors/{TRIAL_OF}").text


def test_programs_get_what_the_page_shows(client: httpx.Client) -> None:
    (one,) = client.get("/api/v1/experiments").json()["experiments"]
    (treatment,) = one["treatments"]
    assert (one["monitor"], treatment["treatment"], treatment["verdict"]) == (TRIAL_OF, "rank@4", "win")
    assert treatment["split_p_value"] > SPLIT_ALPHA
    assert {each["metric"] for each in treatment["metrics"]} == {"solved", "latency"}
    assert client.get("/api/v1/experiments?monitor=support-bot").json() == {"experiments": []}
    text = client.get("/metrics").text
    labels = 'experiment="shorter prompt",monitor="search-rank",treatment="rank@4"'
    assert f'driftd_experiment_verdict{{{labels},verdict="win"}} 1.0' in text
    assert 'metric="solved",monitor="search-rank",treatment="rank@4"' in text


def test_an_experiment_that_nobody_asked_for_is_not_there_and_one_that_has_not_begun_says_so(
    client: httpx.Client, seed: Seed
) -> None:
    assert client.get(f"/monitors/{TRIAL_OF}/experiments/other").status_code == 404
    with seed.database.write() as connection:
        connection.execute(tables.comparisons.delete())
    assert "Nothing has been counted yet" in client.get(PAGE).text
    (one,) = client.get("/api/v1/experiments").json()["experiments"]
    assert (one["treatments"], one["counted_until"]) == ([], None)


def test_a_hostile_name_stays_text(client: httpx.Client, seed: Seed) -> None:
    with seed.database.write() as connection:
        trial = tables.comparisons.c.kind == "experiment"
        row = connection.execute(tables.comparisons.select().where(trial)).one()
        row.told["rank@4"]["reason"] = HOSTILE
        connection.execute(tables.comparisons.update().where(trial).values(told=row.told))
    assert_harmless(client.get(PAGE).text)


def test_a_shadow_shows_agreement_and_ids_only(client: httpx.Client, seed: Seed) -> None:
    page = f"/monitors/{TRIAL_OF}/shadows/small"
    text = client.get(page).text
    assert_harmless(text)
    told = words(text)
    assert "97.0 %" in told
    assert "r17" in told
    assert "latency win" in told
    (one,) = client.get("/api/v1/shadows").json()["shadows"]
    assert (one["told"]["pairs"], one["told"]["unmatched"]) == (1000, 4)
    assert len(one["told"]["disagreements"]) == 20
    assert text.count('class="band"') == 0, "nothing was said over time yet"
    spec, first = Shadow.model_validate(SHADOW), seed.end - timedelta(hours=1)
    with seed.database.write() as connection:
        aggregates.save(connection, TRIAL_OF, [Entry(("shadow", "small"), first, shadow_join.Pairs(spec))])
        for place in range(12):
            said = shadow_join.shadow_findings(spec, one["told"])
            add_findings(connection, TRIAL_OF, first + place * timedelta(minutes=5), said)
    drawn = client.get(page).text
    assert_harmless(drawn)
    assert drawn.count('class="band"') == 2
    assert "The share of pairs that differ" in drawn
    metrics = client.get("/metrics").text
    assert 'driftd_shadow_agreement_ratio{bound="value",monitor="search-rank",shadow="small"} 0.97' in metrics
    assert "shadows/small" in client.get(f"/monitors/{TRIAL_OF}").text
    with seed.database.write() as connection:
        connection.execute(tables.comparisons.delete())
    assert "Nothing has been counted yet" in client.get(page).text
    assert client.get(f"/monitors/{TRIAL_OF}/shadows/other").status_code == 404
