"""The JSON interface."""

from __future__ import annotations

import pytest

from tests.web.conftest import Serve
from tests.web.seed import Seed, busy_store, configuration


def test_status_tells_every_monitor(seed: Seed, serve: Serve) -> None:
    told = serve(configuration("sqlite://", busy_store(seed))).get("/api/v1/status").json()
    states = {item["monitor"]: item["state"] for item in told["monitors"]}
    assert states == {
        "support-bot": "firing",
        "search-rank": "healthy",
        "churn-model": "source error",
        "fraud-scores": "healthy",
        "summaries": "learning",
        "invoice-reader": "no data",
    }
    bot = told["monitors"][0]
    assert bot["worst"]["column"] == "novelty"
    assert bot["drifted"] == 3
    assert bot["newest_bucket"].endswith("+00:00")


def test_incidents_and_actions_can_be_narrowed(seed: Seed, serve: Serve) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    every = client.get("/api/v1/incidents").json()["incidents"]
    assert len(every) == 3
    open_ones = client.get("/api/v1/incidents", params={"open": "true", "monitor": "support-bot"}).json()["incidents"]
    assert [item["state"] for item in open_ones] == ["firing"]
    assert [step["state"] for step in open_ones[0]["transitions"]] == ["pending", "firing"]
    assert len(client.get("/api/v1/incidents?limit=1").json()["incidents"]) == 1
    waiting = client.get("/api/v1/actions?state=awaiting_approval").json()["actions"]
    assert [item["name"] for item in waiting] == ["rollback-bot"]
    assert "lease_until" not in waiting[0]


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "1e2", "", "٣"])
def test_a_bad_limit_is_a_sentence(limit: str, seed: Seed, serve: Serve) -> None:
    answer = serve().get("/api/v1/incidents", params={"limit": limit})
    assert answer.status_code == 400
    assert answer.json() == {"error": "`limit` must be a whole number from 1 to 500."}


@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/incidents", "/api/v1/actions", "/metrics", "/"])
def test_nothing_can_be_written(path: str, seed: Seed, serve: Serve) -> None:
    client = serve()
    own = {"origin": str(client.base_url).rstrip("/")}
    assert {client.request(method, path, headers=own).status_code for method in ("POST", "PUT", "DELETE")} == {405}
