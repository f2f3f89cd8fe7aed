"""POST /api/v1/guard: verdicts over HTTP, who may ask, and what is refused."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from monitor.config.models import Config
from monitor.store.database import Database
from monitor.web import guardrails_api
from monitor.web.guard_answers import MOST_TEXTS
from tests.web.conftest import Serve, with_token
from tests.web.seed import configuration

PATH = "/api/v1/guard"
MAIL = "Write to jane@example.com."


def with_policies(url: str = "sqlite://", **policies: Any) -> Config:
    config = configuration(url, ["bot"])
    return Config.model_validate(
        {**config.model_dump(by_alias=True), "store": url, "policies": policies, "monitors": config.monitors}
    )


def test_one_text_and_many(serve: Serve) -> None:
    client = serve()
    one = client.post(PATH, json={"policy": "default", "text": MAIL})
    assert one.status_code == 200
    said = one.json()
    assert (said["verdict"], said["redacted"]) == ("redact", "Write to [EMAIL_ADDRESS].")
    assert [(f["type"], f["start"], f["end"]) for f in said["findings"]] == [("email_address", 9, 25)]
    assert "jane" not in one.text
    many = client.post(PATH, json={"policy": "pii", "texts": [MAIL, "fine", ""]}).json()
    assert [verdict["verdict"] for verdict in many["verdicts"]] == ["redact", "allow", "allow"]
    assert client.post(PATH, json={"policy": "pii", "texts": []}).json()["verdicts"] == []


def test_hashes_are_salted_even_without_a_salt_in_the_file(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def hash_mail() -> str:
        return str(serve().post(PATH, json={"text": MAIL}).json()["findings"][0]["hash"])

    first = hash_mail()
    assert hash_mail() == first, "a reload of the configuration keeps the salt"
    monkeypatch.setattr(guardrails_api, "SALT", b"of another process")
    assert hash_mail() != first
    salted = with_policies(mine={"rules": [{"type": "pii"}], "salt": "s"})
    hashes = {
        serve(salted).post(PATH, json={"policy": "mine", "text": MAIL}).json()["findings"][0]["hash"] for _ in range(2)
    }
    assert len(hashes) == 1


def test_a_configured_policy_answers_with_its_fallback(serve: Serve) -> None:
    rules = [{"type": "TOPIC", "action": "block", "topics": {"rivals": ["Acme"]}}, {"type": "pii", "action": "redact"}]
    client = serve(with_policies(support={"rules": rules, "fallback": "No comment.", "max_bytes": 50, "fail": "open"}))
    said = client.post(PATH, json={"policy": "support", "text": "Acme!"}).json()
    assert (said["verdict"], said["fallback"]) == ("block", "No comment.")
    long = client.post(PATH, json={"policy": "support", "text": "x" * 60}).json()
    assert (long["verdict"], long["failed"]) == ("error", "open")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "not valid JSON"),
        (b"[" * 100_000, 400, "not valid JSON"),
        (b"[]", 400, "must be an object"),
        (b"\xff", 400, "not valid JSON"),
        (b'{"policy": "default"}', 400, "either"),
        (b'{"text": "a", "texts": []}', 400, "either"),
        (b'{"text": 1}', 422, "string"),
        (b'{"texts": ["a", null]}', 422, "string"),
        (b'{"texts": "a"}', 422, "string"),
        (b'{"text": "a", "polcy": "pii"}', 400, "polcy"),
        (b'{"text": "a", "policy": "defualt"}', 404, "Did you mean 'default'"),
        (b'{"text": "a", "policy": ["default"]}', 404, "There is no policy"),
        (b'{"texts": [' + b'"a",' * MOST_TEXTS + b'"a"]}', 413, "at most"),
        (b'{"text": "' + b"x" * 1_100_000 + b'"}', 413, "larger than"),
    ],
)
def test_what_cannot_be_answered_says_why(body: bytes, status: int, said: str, serve: Serve) -> None:
    answer = serve().post(PATH, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_a_text_over_the_limit_of_the_policy_is_a_verdict(serve: Serve) -> None:
    said = serve().post(PATH, json={"text": "x" * 300_000})
    assert (said.status_code, said.json()["verdict"], said.json()["failed"]) == (200, "error", "closed")


def test_a_lone_surrogate_is_a_text_too(serve: Serve) -> None:
    body = b'{"text": "\\ud800 jane@example.com"}'
    answer = serve().post(PATH, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["findings"][0]["type"] == "email_address"


def test_a_token_is_asked_for_as_everywhere_else(serve: Serve) -> None:
    client = serve(with_token("sqlite://"))
    assert client.post(PATH, json={"text": MAIL}).status_code == 401
    assert client.post(PATH, json={"text": MAIL}, headers={"authorization": "Bearer wrong"}).status_code == 401
    right = {"authorization": "Bearer correct horse"}
    assert client.post(PATH, json={"text": MAIL}, headers=right).json()["verdict"] == "redact"


def test_pages_elsewhere_cannot_ask(serve: Serve) -> None:
    client = serve()
    assert client.post(PATH, json={"text": MAIL}, headers={"origin": "https://evil.example"}).status_code == 403
    assert client.post(PATH, content="{}", headers={"content-type": "text/plain"}).status_code == 403
    own = {"origin": str(client.base_url).rstrip("/")}
    assert client.post(PATH, json={"text": MAIL}, headers=own).status_code == 200
    assert client.post("/login", json={"token": "x"}).status_code == 403
    assert client.get(PATH).status_code == 405


def test_it_answers_while_our_database_is_gone(serve: Serve) -> None:
    gone = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    client = serve(store=gone)
    assert client.post(PATH, json={"text": MAIL}).json()["verdict"] == "redact"
    assert client.get("/api/v1/status").status_code == 503
    gone.close()


def test_large_texts_do_not_stop_small_requests(serve: Serve) -> None:
    client = serve()
    big = {"policy": "audit", "texts": ["1 " * 90_000] * 4}
    done: list[httpx.Response] = []
    worker = threading.Thread(target=lambda: done.append(httpx.post(f"{client.base_url}{PATH}", json=big, timeout=60)))
    worker.start()
    while worker.is_alive() and len(done) == 0:
        assert client.get("/healthz").elapsed.total_seconds() < 5
    worker.join()
    assert done[0].status_code in (200, 503)
