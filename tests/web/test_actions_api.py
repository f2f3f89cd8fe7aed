"""The API of actions, silences and the audit log."""

from __future__ import annotations

import pytest

from monitor.store.database import Database
from tests.web.conftest import Serve, with_token
from tests.web.seed import Seed, busy_store, configuration

FIRING = "11111111-aaaa-4000-8000-000000000001"
WAITING = "22222222-aaaa-4000-8000-000000000001"
BEARER = {"authorization": "Bearer correct horse"}


def test_an_action_is_shown_with_its_request_without_secrets(seed: Seed, serve: Serve) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    answer = client.get(f"/api/v1/actions/{WAITING}")
    action = answer.json()
    assert (action["id"], action["state"]) == (WAITING, "awaiting_approval")
    request = action["request"]
    assert (request["method"], request["url"]) == ("POST", "https://deploy.example/…")
    assert '"target"' in request["body"]
    assert "whsec" not in answer.text
    assert client.get("/api/v1/actions/ffff").status_code == 404
    assert "lease_until" not in action


def test_an_action_is_approved_once_by_who_has_the_token(seed: Seed, serve: Serve) -> None:
    busy_store(seed)
    client = serve(with_token("sqlite://", names=("support-bot",)))
    assert client.post(f"/api/v1/actions/{WAITING}/approve", json={}).status_code == 401
    done = client.post(f"/api/v1/actions/{WAITING}/approve", json={"reason": "checked", "by": "eve"}, headers=BEARER)
    entry = done.json()
    assert (done.status_code, entry["by"], entry["verified"]) == (200, "server", True)
    assert (entry["channel"], entry["detail"]["to"]) == ("api", "pending")
    again = client.post(f"/api/v1/actions/{WAITING}/reject", json={}, headers=BEARER)
    assert (again.status_code, again.json()["error"].startswith("the action is about to be sent")) == (409, True)
    log = client.get("/api/v1/audit", headers=BEARER).json()["audit"]
    assert [(one["operation"], one["result"]) for one in log] == [("reject", "refused"), ("approve", "done")]
    assert len(client.get(f"/api/v1/audit?limit=1&incident={FIRING}", headers=BEARER).json()["audit"]) == 1


def test_a_delivered_action_is_not_sent_again(seed: Seed, serve: Serve) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    answer = client.post(f"/api/v1/actions/{WAITING}/replay", json={"by": "ann"})
    assert (answer.status_code, "only a failed action" in answer.json()["error"]) == (409, True)


def test_without_tokens_the_name_of_the_body_is_not_verified(seed: Seed, serve: Serve) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    assert client.post(f"/api/v1/actions/{WAITING}/reject", json={}).status_code == 400
    entry = client.post(f"/api/v1/actions/{WAITING}/reject", json={"by": "ann"}).json()
    assert (entry["by"], entry["verified"], entry["role"]) == ("ann", False, "admin")


def test_silences_are_added_listed_and_ended(seed: Seed, serve: Serve) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    of_incident = client.post("/api/v1/silences", json={"for": "1h", "incident": FIRING, "by": "ann"})
    assert (of_incident.status_code, of_incident.json()["incident"]) == (201, FIRING)
    wanted = {"for": "8h", "monitor": "support-bot", "matchers": ["column=price"], "by": "ann", "reason": "new prices"}
    number = client.post("/api/v1/silences", json=wanted).json()["subject"]
    first, second = client.get("/api/v1/silences").json()["silences"]
    assert (first["monitor"], second["matchers"], second["comment"]) == (
        "support-bot",
        ['column="price"'],
        "new prices",
    )
    ended = client.request("DELETE", f"/api/v1/silences/{number}", json={"by": "ann"})
    assert (ended.status_code, ended.json()["operation"]) == (200, "end_silence")
    assert len(client.get("/api/v1/silences").json()["silences"]) == 1
    assert client.request("DELETE", "/api/v1/silences/99", json={"by": "ann"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"incident": FIRING, "by": "ann"}, 400, "`for`: expected a duration"),
        ({"for": "1e9", "by": "ann"}, 400, "`for`: expected a duration"),
        ({"for": 1e300, "incident": FIRING, "by": "ann"}, 400, "`for` is too long"),
        ({"for": "0s", "incident": FIRING, "by": "ann"}, 400, "longer than 0 seconds"),
        ({"for": "9999d", "incident": FIRING, "by": "ann"}, 400, "at most 1000 days"),
        ({"for": "1h", "monitor": "nobody", "by": "ann"}, 404, "There is no monitor 'nobody'"),
        ({"for": "1h", "incident": "ffff", "by": "ann"}, 404, "there is no incident"),
        ({"for": "1h", "monitor": "*", "matchers": "x", "by": "ann"}, 400, "must be a list"),
        ({"for": "1h", "monitor": "*", "matchers": ["tenant=x"], "by": "ann"}, 400, "'tenant' is no label"),
        ({"for": "1h", "monitor": "*", "who": "ann"}, 400, "its keys can be for, incident"),
    ],
)
def test_a_silence_that_is_wrong_is_a_sentence(
    body: dict[str, object], status: int, sentence: str, seed: Seed, serve: Serve
) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    answer = client.post("/api/v1/silences", json=body)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True)
    assert client.get("/api/v1/silences").json()["silences"] == []


def test_the_store_of_the_server_is_not_needed_to_refuse(database: Database, serve: Serve) -> None:
    assert serve(with_token(str(database.url))).post("/api/v1/silences", json={}).status_code == 401
