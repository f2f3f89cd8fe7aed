"""The JSON interface."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.core.prompts import Prompt, recognise
from monitor.store import prompts as registry
from monitor.store.database import Database
from tests.web.conftest import Serve, with_token
from tests.web.seed import Seed, busy_store, configuration

FIRING = "11111111-aaaa-4000-8000-000000000001"


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


def test_an_incident_is_acknowledged_assigned_and_commented_on(seed: Seed, serve: Serve) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    own = f"/api/v1/incidents/{FIRING}"
    done = client.post(f"{own}/acknowledge", json={"by": "ann", "reason": "rolling back"})
    assert (done.status_code, done.json()["by"], done.json()["channel"]) == (201, "ann", "api")
    assert client.post(f"{own}/assign", json={"by": "ann", "assignee": "ben"}).json()["detail"]["assignee"] == "ben"
    assert client.post(f"{own}/comment", json={"by": "<b>eve</b>", "reason": "<i>an outage</i>"}).status_code == 201
    told = client.get(own).json()
    assert (told["id"], [one["kind"] for one in told["responses"]]) == (FIRING, ["acknowledge", "assign", "comment"])
    assert (told["handling"]["acknowledged_by"], told["handling"]["assignee"]) == ("ann", "ben")
    page = client.get(f"/incidents/{FIRING}").text
    assert all(
        text in page for text in ("acknowledged by ann", "rolling back", "assigned to ben", "&lt;i&gt;an outage")
    )
    assert "<i>an outage" not in page


@pytest.mark.parametrize(
    ("place", "body", "status", "sentence"),
    [
        (f"{FIRING}/acknowledge", b"{", 400, "must be JSON"),
        (f"{FIRING}/acknowledge", b"[]", 400, "object of texts"),
        (f"{FIRING}/acknowledge", b'{"by": 1}', 400, "object of texts"),
        (f"{FIRING}/acknowledge", b'{"who": "ann"}', 400, "keys can be by, reason, assignee"),
        (f"{FIRING}/acknowledge", b"{}", 400, "who responds is missing"),
        (f"{FIRING}/comment", b'{"by": "ann"}', 400, "the comment is empty"),
        ("ffffffff/comment", b'{"by": "ann", "reason": "x"}', 404, "there is no incident"),
        ("%25/comment", b'{"by": "ann", "reason": "x"}', 404, "is no id of an incident"),
        (f"{FIRING}/comment", b'{"by": "' + b"x" * 20_000 + b'"}', 413, "larger than"),
    ],
)
def test_a_wrong_response_is_refused(
    place: str, body: bytes, status: int, sentence: str, seed: Seed, serve: Serve
) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    answer = client.post(f"/api/v1/incidents/{place}", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True)
    assert client.get(f"/api/v1/incidents/{FIRING}").json()["responses"] == []


def test_a_response_needs_the_token_and_is_not_taken_from_a_form_of_another_site(seed: Seed, serve: Serve) -> None:
    busy_store(seed)
    client = serve(with_token("sqlite://", names=("support-bot",)))
    place, body = f"/api/v1/incidents/{FIRING}/comment", {"by": "ann", "reason": "x"}
    assert client.post(place, json=body).status_code == 401
    right = {"authorization": "Bearer correct horse"}
    assert client.post(place, json=body, headers={**right, "origin": "https://evil.example"}).status_code == 403
    assert client.post(place, data=body, headers=right).status_code == 403
    assert client.post(place, json=body, headers=right).status_code == 201


def test_prompts_are_told_with_their_words_only_when_one_is_asked_for(
    database: Database, seed: Seed, serve: Serve
) -> None:
    url = busy_store(seed)
    prompt = Prompt("support/refund", {"template": "Answer {{ question }}."}, commit="c" * 40, author="Jane Doe")
    with database.write() as connection:
        pushed, _ = registry.push(connection, prompt)
        registry.set_tag(connection, pushed, "production")
    client = serve(configuration("sqlite://", url))
    listed = client.get("/api/v1/prompts")
    assert [one["tags"] for one in listed.json()["prompts"]] == [["production"]]
    assert "Answer" not in listed.text
    for which in ("support/refund", "support/refund@production", "support/refund@1", prompt.hash[:9]):
        assert client.get(f"/api/v1/prompts/{which}").json()["content"] == {"template": "Answer {{ question }}."}
    assert client.get("/api/v1/prompts/support/refund@7").status_code == 404


def test_prompts_are_paged_and_compared(database: Database, seed: Seed, serve: Serve) -> None:
    url = busy_store(seed)
    with database.write() as connection:
        for number in range(5):
            content = {"template": f"Say {{{{ word }}}} {number} times.", "parameters": {"temperature": number / 10}}
            registry.push(connection, Prompt("count", content))
    client = serve(configuration("sqlite://", url))
    found, offset = [], 0
    while offset is not None:
        page = client.get(f"/api/v1/prompts?limit=2&offset={offset}").json()
        assert page["total"] == 5
        found += [one["version"] for one in page["prompts"]]
        offset = page["next"]
    assert found == [5, 4, 3, 2, 1]
    changed = client.get("/api/v1/prompts/count@3?against=count@2").json()["difference"]
    assert changed["settings"] == {"parameters.temperature": {"from": 0.1, "to": 0.2}}
    assert "+Say {{ word }} 2 times." in changed["words"]
    assert client.get("/api/v1/prompts/count@3?against=nobody").status_code == 404
    assert client.get("/api/v1/prompts?offset=-1").status_code == 400


def test_what_is_read_without_words_is_recognised_all_the_same(database: Database, seed: Seed) -> None:
    prompt = Prompt("count", {"template": "Say it."})
    with database.write() as connection:
        registry.push(connection, prompt)
        (light,) = registry.load_prompts(connection, words=False)
        assert (light.content, light.hash) == ({}, prompt.hash)
        assert registry.with_words(connection, light).content == prompt.content
    assert recognise(prompt.hash[:8], [light]) == light


def test_a_deployment_is_reported_once_and_listed(seed: Seed, serve: Serve) -> None:
    client = serve(with_token(str(seed.database.url), names=busy_store(seed)))
    client.headers["authorization"] = "Bearer correct horse"
    reported = {"monitor": "support-bot", "version": "small-7b-2", "commit": "1a2b3c4", "author": "Ada", "id": "run-7"}
    reported["at"] = (seed.end - timedelta(hours=1)).isoformat()
    first, again = (client.post("/api/v1/events", json=reported) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    listed = client.get("/api/v1/events", params={"monitor": "support-bot"}).json()["events"]
    assert [(one["id"], one["kind"], one["author"]) for one in listed] == [("run-7", "deploy", "Ada")]
    assert client.get("/api/v1/events?monitor=search-rank").json() == {"events": []}
    assert "deploy small-7b-2" in client.get("/monitors/support-bot").text


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{", 400, "The body must be JSON."),
        (b"[1]", 400, 'The body must be an object, such as {"monitor": "bot", "version": "v2"}.'),
        (b'{"monitor": "bot"}', 400, "give at least one of `version`, `commit` and `link`, so that people can tell"),
        (b'{"monitor": "other", "version": "v2"}', 404, "There is no monitor 'other'."),
        (b'{"monitor": "bot", "version": "' + b"v" * 20_000 + b'"}', 413, "The body is larger than 16384 bytes."),
    ],
)
def test_an_event_that_is_wrong_is_a_sentence(
    seed: Seed, serve: Serve, body: bytes, status: int, sentence: str
) -> None:
    client = serve(configuration(str(seed.database.url), ("bot",)))
    answer = client.post("/api/v1/events", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["error"].startswith(sentence)


def test_an_event_needs_the_token_and_comes_from_no_form(seed: Seed, serve: Serve) -> None:
    client = serve(with_token(str(seed.database.url)))
    assert client.post("/api/v1/events", json={"monitor": "bot", "version": "v2"}).status_code == 401
    form = client.post("/api/v1/events", data={"monitor": "bot"}, headers={"authorization": "Bearer correct horse"})
    assert form.status_code == 403
