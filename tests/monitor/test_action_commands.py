"""`driftd actions show` and `driftd actions test`: one action in full, and a marked test at a real receiver."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from monitor.actions.rehearsal import plan_test
from monitor.cli import app
from monitor.core.access_token import hash_secret
from monitor.core.action import Action
from monitor.core.operation import Approve, Author, CreateToken, RefusedOperation, Replay
from monitor.jobs.delivery import OWNER, deliver_due
from monitor.store import audit, migrate, outbox, reads
from monitor.store.database import Database, now
from monitor.store.operations import perform
from tests.support import receiver as far
from tests.support.hand import Hand
from tests.support.receivers import SECRET, effect, settings_of

MONITOR = {"name": "bot", "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}}
WAITING = "2f6c0000-0000-4000-8000-000000000001"
ANN = Author("ann", "slack", "responder", is_verified=True)
Run = Callable[..., Result]


@pytest.fixture
def side() -> Iterator[far.Receiver]:
    """Lend a service that accepts everything."""
    with far.listening(far.Receiver(lambda _: (202, {}, b""))) as one:
        yield one


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    store = Database(migrated_url)
    migrate.upgrade(store)
    yield store
    store.close()


@pytest.fixture
def run(database: Database, side: far.Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command with a webhook for rollbacks and one for messages."""
    monkeypatch.delenv("DRIFTD_TOKEN", raising=False)
    hook = {"kind": "webhook", "url": f"{side.url}/hook", "secret": SECRET}
    receivers = {
        "deploy": {**hook, "effect": {"kind": "rollback", "approvals": 2}},
        "chat": hook,
        "dry": {**hook, "dry_run": True},
    }
    path = tmp_path / "driftd.yaml"
    url = database.url.render_as_string(hide_password=False)
    path.write_text(yaml.safe_dump({"store": url, "monitors": [MONITOR], "receivers": receivers}))

    def invoke(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(app, ["actions", *arguments, "--config", str(path)], env=environment)

    return invoke


def save_waiting(database: Database) -> Action:
    """Store a rollback that two people must approve."""
    with database.write() as connection:
        at = now(connection)
        payload: Any = json.loads(json.dumps(effect("small-7b", "large-70b").payload))
        payload["data"] |= {"approvals": 2, "findings": [FINDING]}
        planned = Action(
            id=WAITING,
            monitor="bot",
            incident="incident-1",
            name="deploy",
            kind="rollback",
            mode="approve",
            state="awaiting_approval",
            reason="mode approve",
            payload=payload,
            created_at=at,
            sequence=0,
            not_after=at + timedelta(hours=1),
        )
        outbox.save_actions(connection, [planned])
    return planned


FINDING = {"check": "rate.hallucinated", "column": None, "reason": "63 % of answers, 26 % before"}


def test_an_action_is_shown_with_its_target_evidence_approvals_and_request(run: Run, database: Database) -> None:
    planned = save_waiting(database)
    perform(database, Approve(WAITING, reason="checked"), ANN)
    shown = run("show", "2f6c")
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert lines[0] == "rollback deploy: awaiting approval"
    assert "target: model_version 'large-70b', instead of model_version 'small-7b'" in lines
    assert "evidence: bot: hallucination rate 63 %" in lines
    assert "  rate.hallucinated: 63 % of answers, 26 % before" in lines
    assert "approvals: 1 of 2, by ann" in lines
    assert f"id {WAITING}, incident incident-1, monitor bot, mode approve" in lines
    (request,) = [line for line in lines if line.startswith("request: ")]
    assert request.startswith("request: POST http://127.0.0.1:")
    assert json.loads(lines[-1]) == planned.payload
    assert SECRET not in shown.output


def test_an_action_is_shown_as_json(run: Run, database: Database) -> None:
    save_waiting(database)
    perform(database, Approve(WAITING), ANN)
    shown = json.loads(run("show", WAITING, "--json").stdout)
    assert (shown["id"], shown["state"], shown["attempts"]) == (WAITING, "awaiting_approval", 0)
    assert [(one["by"], one["operation"], one["verified"]) for one in shown["operations"]] == [("ann", "approve", True)]
    assert shown["request"]["method"] == "POST"
    assert json.loads(shown["request"]["body"])["data"]["target"]["model_version"] == "large-70b"
    assert "owner" not in shown


def test_an_action_whose_receiver_is_gone_or_that_is_none_is_said(run: Run, database: Database) -> None:
    planned = save_waiting(database)
    with database.write() as connection:
        outbox.save_actions(connection, [replace(planned, id="9" * 36, name="gone")])
    assert "request: its receiver is not configured" in run("show", "9999").output
    assert str(run("show", "abcd").exception) == "there is no action 'abcd'; `driftd actions list` lists them."


def test_a_test_of_an_effect_arrives_marked_once(run: Run, database: Database, side: far.Receiver) -> None:
    done = run("test", "deploy", "--by", "ann")
    assert done.exit_code == 0, done.output
    (request,) = side.requests
    body = json.loads(request.body)
    assert (body["type"], body["data"]["test"]) == ("driftd.test", True)
    assert body["data"]["observed_version"] == body["data"]["target"] == {"model_version": "driftd-test"}
    assert body["data"]["headline"] == "Test of the receiver 'deploy' by ann"
    assert "request: POST http://127.0.0.1:" in done.output
    assert done.stdout.splitlines()[-1] == "answer: delivered: delivered: status 202"
    with database.read() as connection:
        (entry,) = audit.load_entries(connection)
        (row,) = reads.action_rows(connection)
    assert (entry.by, entry.operation, entry.result) == ("ann", "test", "done")
    assert (entry.subject_kind, entry.subject, entry.detail) == ("receiver", "deploy", {"actions": [row.id]})
    assert (row.kind, row.state, row.attempts) == ("test", "delivered", 1)


def test_a_test_of_messages_opens_and_resolves(run: Run, side: far.Receiver) -> None:
    assert run("test", "chat").exit_code == 0
    states = [json.loads(request.body)["data"]["incident"]["state"] for request in side.requests]
    assert states == ["firing", "resolved"]


@pytest.mark.parametrize("status", [400, 503])
def test_a_test_that_is_not_accepted_exits_1_and_is_not_tried_again(
    status: int, run: Run, database: Database, side: far.Receiver
) -> None:
    side.answer = lambda _: (status, {}, b"")
    failed = run("test", "deploy", "--json")
    assert failed.exit_code == 1
    (shown,) = json.loads(failed.stdout)
    assert (shown["state"], shown["attempts"]) == ("failed", 1)
    assert f"status {status}" in shown["reason"]
    with pytest.raises(RefusedOperation, match="it is a test; `driftd actions test deploy` sends a new one"):
        perform(database, Replay(shown["id"]), ANN)


def test_a_test_that_is_not_sent_exits_2(run: Run, side: far.Receiver) -> None:
    assert run("test", "dry").exit_code == 2
    unknown = run("test", "deplyo")
    assert str(unknown.exception) == (
        "there is no receiver 'deplyo'. Configured: chat, deploy, dry. Did you mean 'deploy'?"
    )
    assert side.requests == []


def test_a_test_is_no_action_of_a_monitor_and_only_who_started_it_sends_it(database: Database) -> None:
    """It counts for no cooldown, cap or verification, and no message says that an effect was sent."""
    config = settings_of("webhook", effect={"kind": "rollback"})
    at = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    (planned,) = plan_test("deploy", config, "ann", at, "1")
    with database.write() as connection:
        outbox.save_actions(connection, [planned])
        assert outbox.claim_next(connection, at + timedelta(minutes=1), OWNER) is None
        assert outbox.claim_next(connection, at + timedelta(minutes=1), OWNER, only="deploy") is None
        assert outbox.past_actions(connection, "bot", at - timedelta(days=1)) == []
    assert deliver_due(database, {}, Hand(at)) == 0
    with database.write() as connection:
        assert outbox.expire(connection, at + timedelta(hours=1)) == 1  # its command was killed
        assert [(row.kind, row.state) for row in reads.action_rows(connection)] == [("test", "expired")]
        assert outbox.claim_test(connection, planned.id, OWNER) is None


def test_one_person_with_two_names_gives_one_approval_at_most(run: Run, database: Database) -> None:
    save_waiting(database)
    for name in ("ann", "bob"):
        refused = run("approve", WAITING, "--by", name)
        assert refused.exit_code == 1
        assert f"2 people must approve the action, and the name '{name}' is not verified" in str(refused.exception)
    with database.read() as connection:
        assert [row.state for row in reads.action_rows(connection)] == ["awaiting_approval"]


def test_two_people_approve_with_their_tokens(run: Run, database: Database) -> None:
    save_waiting(database)
    for name in ("ann", "bob"):
        perform(database, CreateToken(name, hash_secret(f"secret of {name}"), "responder"), replace(ANN, role="admin"))
    assert "another person must approve" in run("approve", WAITING, "--token", "secret of ann").output
    again = run("approve", WAITING, "--by", "eve", "--token", "secret of bob")
    assert "a token says who does it: leave out --by" in str(again.exception)
    again = run("approve", WAITING, DRIFTD_TOKEN="secret of ann")
    assert "ann has approved the action already" in str(again.exception)
    assert run("approve", WAITING, DRIFTD_TOKEN="secret of bob").exit_code == 0
    with database.read() as connection:
        assert [row.state for row in reads.action_rows(connection)] == ["pending"]
        approvals = audit.load_entries(connection, subject=WAITING)
    assert [(one.by, one.verified, one.role, one.result) for one in approvals if one.operation == "approve"] == [
        ("bob", True, "responder", "done"),
        ("ann", True, "responder", "refused"),
        ("ann", True, "responder", "done"),
    ]


@pytest.mark.parametrize(("role", "scopes"), [("viewer", ()), (None, ("events",))])
def test_a_token_on_the_command_line_has_its_own_role(
    role: Any, scopes: tuple[str, ...], run: Run, database: Database
) -> None:
    save_waiting(database)
    wanted = CreateToken("eve", hash_secret("secret of eve"), role, scopes)
    perform(database, wanted, replace(ANN, role="admin"))
    refused = str(run("approve", WAITING, "--token", "secret of eve").exception)
    assert "needs the role responder" in refused or "has no role" in refused
    assert "has no role" in str(run("approve", WAITING, "--token", "another").exception)
