"""The forms of the pages: each performs one operation, is recorded in the audit log, and comes back to its page."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from monitor.store import reads
from monitor.store.audit import load_entries
from monitor.store.database import Database
from monitor.store.silences import list_silences
from monitor.web import viewer
from monitor.web.identity import Identity
from tests.web.conftest import Serve, with_token
from tests.web.seed import HOSTILE, Seed, configuration
from tests.web.story import ROLLBACK, STORY, write_story
from tests.web.test_pages import assert_harmless, words

FORMS: list[tuple[str, Mapping[str, str], str]] = [
    (f"/actions/{ROLLBACK}/approve", {}, "approve"),
    (f"/actions/{ROLLBACK}/reject", {"reason": "wrong version"}, "reject"),
    (f"/incidents/{STORY}/acknowledge", {}, "acknowledge"),
    (f"/incidents/{STORY}/assign", {"assignee": "ada"}, "assign"),
    (f"/incidents/{STORY}/comment", {"reason": "asked the vendor"}, "comment"),
    (f"/incidents/{STORY}/silence", {"hours": "1"}, "silence"),
    ("/silences", {"monitor": "support-bot", "hours": "8", "matchers": 'column=~"a|b"\r\ncheck=drift'}, "silence"),
]


def send(client: httpx.Client, path: str, fields: Mapping[str, str], origin: str | None = None) -> httpx.Response:
    headers = {"origin": str(client.base_url).rstrip("/") if origin is None else origin}
    return client.post(path, data=dict(fields), headers=headers)


@pytest.fixture
def client(seed: Seed, serve: Serve) -> httpx.Client:
    """Lend a client of a server with the story."""
    return serve(configuration("sqlite://", write_story(seed)))


@pytest.mark.parametrize(("path", "fields", "operation"), FORMS)
def test_each_form_performs_its_operation_and_is_recorded(
    path: str, fields: Mapping[str, str], operation: str, client: httpx.Client, database: Database
) -> None:
    answer = send(client, path, {**fields, "by": "Ada"})
    assert answer.status_code == 303
    assert answer.headers["location"] == ("/silences" if path == "/silences" else f"/incidents/{STORY}")
    with database.read() as connection:
        (entry,) = load_entries(connection)
    assert (entry.operation, entry.by, entry.channel, entry.verified) == (operation, "Ada", "web", False)
    said = words(client.get("/audit").text)
    assert "Ada" in said
    assert 'value="Ada"' in client.get(f"/incidents/{STORY}").text


def test_an_approved_rollback_is_about_to_be_sent(client: httpx.Client, database: Database) -> None:
    send(client, f"/actions/{ROLLBACK[:8]}/approve", {})
    with database.read() as connection:
        row = next(row for row in reads.action_rows(connection, incident=STORY) if row.id == ROLLBACK)
        (entry,) = load_entries(connection)
    assert row.state == "pending"
    assert entry.by == "unnamed at 127.0.0.1"
    again = send(client, f"/actions/{ROLLBACK}/approve", {})
    assert again.status_code == 409
    assert "This was not done" in again.text


def test_forms_of_other_sites_and_invalid_fields_are_refused(client: httpx.Client, database: Database) -> None:
    for path, fields, _ in FORMS:
        for origin in ("https://evil.example", "null", ""):
            assert send(client, path, fields, origin).status_code == 403
    wrong: list[tuple[str, Mapping[str, str], int]] = [
        (f"/incidents/{STORY}/silence", {"hours": "-1"}, 409),
        (f"/incidents/{STORY}/comment", {"reason": " "}, 409),
        ("/silences", {"hours": "1", "matchers": "colour=red"}, 409),
        ("/incidents/nothing/acknowledge", {}, 404),
        ("/actions/ffffffff/approve", {}, 404),
        ("/silences/9/end", {}, 404),
        ("/silences", {str(number): "" for number in range(20)}, 400),
    ]
    for path, fields, status in wrong:
        assert send(client, path, fields).status_code == status, path
    with database.read() as connection:
        assert [entry for entry in load_entries(connection) if entry.result == "done"] == []


def test_a_silence_is_listed_and_ended(client: httpx.Client, database: Database, seed: Seed) -> None:
    send(client, "/silences", {"monitor": "support-bot", "rule": HOSTILE, "hours": "2", "reason": HOSTILE})
    page = client.get("/silences").text
    assert_harmless(page)
    assert "#1 support-bot, rule" in words(page)
    assert send(client, "/silences/1/end", {}).status_code == 303
    with database.read() as connection:
        assert list_silences(connection, seed.end.replace(year=seed.end.year + 1)) == []
    assert "Nothing is silenced" in client.get("/silences").text


def test_comments_of_an_attacker_stay_text(client: httpx.Client) -> None:
    send(client, f"/incidents/{STORY}/comment", {"reason": HOSTILE, "by": HOSTILE})
    send(client, f"/incidents/{STORY}/assign", {"assignee": HOSTILE, "by": HOSTILE})
    for path in (f"/incidents/{STORY}", "/audit", "/incidents?state=all"):
        assert_harmless(client.get(path).text)


def test_a_viewer_gets_no_buttons(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [f"/incidents/{STORY}", "/silences", "/actions"]
    assert all('method="post"' in client.get(path).text for path in pages[:2])
    monkeypatch.setattr(viewer, "find_identity", lambda _request: Identity("eve", "viewer"))
    for path in pages:
        assert 'method="post"' not in client.get(path).text
    assert "waits for approval by a responder" in words(client.get(pages[0]).text)


def test_pages_of_operations_need_the_token(seed: Seed, serve: Serve) -> None:
    write_story(seed)
    closed = serve(with_token("sqlite://", names=["support-bot"]))
    for path in ("/actions", "/audit", "/silences", "/incidents"):
        assert closed.get(path, headers={"accept": "text/html"}).status_code == 303
    for path, fields, _ in FORMS:
        assert send(closed, path, fields).status_code in (303, 401)
