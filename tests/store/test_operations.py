"""People act by one function: what it changes, what it refuses, and the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from monitor.core.action import Action
from monitor.core.incident import Decision
from monitor.core.operation import (
    Acknowledge,
    AddSilence,
    Approve,
    Assign,
    AuditEntry,
    Author,
    Comment,
    EndSilence,
    Operation,
    OperationError,
    RefusedOperation,
    Reject,
    RepeatedRequest,
    Replay,
    RoleError,
    SetBreaker,
    SilenceIncident,
)
from monitor.store import audit, incidents, migrate, outbox, reads, silences
from monitor.store.database import Database, now
from monitor.store.operations import perform
from tests.support.decisions import HOUR, START, incident_of
from tests.support.hand import Hand

ANN = Author("ann", "slack", "responder", is_verified=True)
CLOCK = Hand(START)
INCIDENT = "37b0aaaa-0000-4000-8000-000000000001"
EFFECT = "2f6c0000-0000-4000-8000-000000000001"
NEWER = "8d1c0000-0000-4000-8000-000000000002"


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    store = Database(migrated_url)
    migrate.upgrade(store)
    with store.write() as connection:
        incidents.save_decision(connection, Decision(incident_of(id=INCIDENT), None, ""))
    yield store
    store.close()


def effect(**changes: Any) -> Action:
    made = Action(
        id=EFFECT,
        monitor="bot",
        incident=INCIDENT,
        name="rollback-bot",
        kind="rollback",
        mode="approve",
        state="awaiting_approval",
        reason="",
        payload={"type": "driftd.rollback", "timestamp": START.isoformat(), "data": {}},  # type: ignore[typeddict-item]
        created_at=START,
        sequence=0,
        not_after=START + HOUR,
    )
    return replace(made, **changes)


def save(database: Database, *planned: Action) -> None:
    with database.write() as connection:
        outbox.save_actions(connection, planned)


def state_of(database: Database, identity: str = EFFECT) -> tuple[str, str]:
    with database.read() as connection:
        (row,) = [row for row in reads.action_rows(connection) if row.id == identity]
    return row.state, row.reason


def log(database: Database) -> list[AuditEntry]:
    with database.read() as connection:
        return audit.load_entries(connection)


def test_an_approved_effect_is_due_at_once_and_the_log_says_who_when_where_and_why(database: Database) -> None:
    save(database, effect())
    entry = perform(database, Approve("2F6C", reason=" checked "), ANN, CLOCK)
    assert state_of(database) == ("pending", "approved by ann: checked")
    with database.write() as connection:
        claimed = outbox.claim_next(connection, START, "one")
    assert claimed is not None
    assert claimed.id == EFFECT
    assert log(database) == [entry]
    assert entry == AuditEntry(
        at=START,
        by="ann",
        verified=True,
        role="responder",
        channel="slack",
        operation="approve",
        result="done",
        subject_kind="action",
        subject=EFFECT,
        incident=INCIDENT,
        monitor="bot",
        reason="checked",
        detail={"name": "rollback-bot", "kind": "rollback", "from": "awaiting_approval", "to": "pending"},
    )


def test_a_rejected_effect_is_never_sent(database: Database) -> None:
    save(database, effect())
    perform(database, Reject(EFFECT), ANN, CLOCK)
    assert state_of(database) == ("rejected", "rejected by ann")
    with pytest.raises(RefusedOperation, match=r"was rejected already \(rejected by ann\); nothing was changed"):
        perform(database, Approve(EFFECT), ANN, CLOCK)
    assert [(one.operation, one.result) for one in log(database)] == [("approve", "refused"), ("reject", "done")]


@pytest.mark.parametrize(
    ("changes", "operation", "sentence"),
    [
        ({"state": "pending"}, Approve(EFFECT), "is about to be sent"),
        ({"state": "delivered"}, Reject(EFFECT), "was delivered already"),
        ({"state": "failed"}, Approve(EFFECT), "failed, and can only be sent again"),
        ({"state": "expired", "reason": "not_after has passed"}, Approve(EFFECT), r"has expired \(not_after has"),
        ({"state": "held", "reason": "cooldown"}, Approve(EFFECT), r"is held \(cooldown\)"),
        ({"not_after": START - HOUR}, Approve(EFFECT), "the action expired at "),
        ({"state": "superseded"}, Approve(EFFECT), "the action was replaced"),
        ({"state": "delivered"}, Replay(EFFECT), "only a failed action can be sent again"),
        ({"state": "failed", "not_after": START - HOUR}, Replay(EFFECT), "is not sent again"),
    ],
)
def test_what_the_state_of_an_action_does_not_permit_is_refused_and_logged(
    changes: dict[str, Any], operation: Operation, sentence: str, database: Database
) -> None:
    save(database, effect(**changes))
    before = state_of(database)
    with pytest.raises(RefusedOperation, match=sentence) as refused:
        perform(database, operation, ANN, CLOCK)
    assert state_of(database) == before
    (entry,) = log(database)
    assert (entry.result, entry.subject, entry.detail) == ("refused", EFFECT, {"refusal": str(refused.value)})


def test_a_replaced_effect_names_the_one_that_replaced_it(database: Database) -> None:
    save(database, effect())
    save(database, effect(id=NEWER, sequence=1, replaces=EFFECT))
    with pytest.raises(RefusedOperation, match=f"was replaced by {NEWER}, which awaits approval"):
        perform(database, Approve(EFFECT), ANN, CLOCK)
    perform(database, Approve(NEWER), ANN, CLOCK)
    with pytest.raises(RefusedOperation, match=f"was replaced by {NEWER}, which is about to be sent"):
        perform(database, Approve(EFFECT), ANN, CLOCK)


def test_a_failed_action_is_sent_again_with_the_same_id(database: Database) -> None:
    save(database, effect(state="failed"))
    perform(database, Replay(EFFECT), ANN, CLOCK)
    with database.write() as connection:
        claimed = outbox.claim_next(connection, START, "one")
    assert claimed is not None
    assert (claimed.id, claimed.attempts) == (EFFECT, 1)


@pytest.mark.parametrize("operation", [Approve("2f6c"), Reject(EFFECT), Replay("ffff"), EndSilence(7), Approve("x%")])
def test_what_does_not_exist_is_not_logged(operation: Operation, database: Database) -> None:
    with pytest.raises(LookupError):
        perform(database, operation, ANN, CLOCK)
    assert log(database) == []


def test_a_short_id_that_several_actions_have_is_ambiguous(database: Database) -> None:
    save(database, effect(), effect(id=EFFECT[:-1] + "9", name="other"))
    with pytest.raises(LookupError, match="several actions have an id that begins with '2f6c'; give more characters"):
        perform(database, Approve("2f6c"), ANN, CLOCK)


@pytest.mark.parametrize(
    "operation",
    [
        Approve(EFFECT),
        Reject(EFFECT),
        Replay(EFFECT),
        Acknowledge(INCIDENT),
        Assign(INCIDENT, "ben"),
        Comment(INCIDENT, reason="x"),
        SilenceIncident(INCIDENT, HOUR),
        AddSilence(HOUR, "bot"),
        EndSilence(1),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_viewer_changes_nothing(operation: Operation, database: Database) -> None:
    save(database, effect(state="failed" if isinstance(operation, Replay) else "awaiting_approval"))
    perform(database, AddSilence(HOUR, "other"), ANN, CLOCK)
    before = state_of(database)
    with pytest.raises(RoleError, match="eve has the role viewer; this needs the role responder"):
        perform(database, operation, Author("eve", "web", "viewer"), CLOCK)
    with database.read() as connection:
        (silence,) = silences.list_silences(connection, START)
        assert silence.ends_at == START + HOUR
        assert audit.load_handling(connection, [INCIDENT]) == {}
    assert state_of(database) == before
    assert [(one.by, one.result) for one in log(database)] == [("eve", "refused"), ("ann", "done")]


def test_a_silence_of_a_rule_covers_messages_about_what_it_could_not_measure(database: Database) -> None:
    data: Any = {"monitor": "bot", "severity": "warning", "incident": {"rule": "unmeasured.answers"}, "findings": []}
    perform(database, AddSilence(HOUR, "bot", "answers"), ANN, CLOCK)
    with database.read() as connection:
        assert silences.is_silenced(connection, data, START)
        data["incident"]["rule"] = "unmeasured.costs"
        assert not silences.is_silenced(connection, data, START)


def test_an_incident_is_silenced_by_its_rules_and_the_silence_ends_once(database: Database) -> None:
    entry = perform(database, SilenceIncident("37b0", 2 * HOUR, reason="a deployment"), ANN, CLOCK)
    assert (entry.subject, entry.incident, entry.monitor) == ("1", INCIDENT, "bot")
    with database.read() as connection:
        (row,) = silences.list_silences(connection, START)
    incident = incident_of(id=INCIDENT)
    assert row.matchers == [f'rule="{incident.rule}"']
    assert (row.monitor, row.ends_at, row.comment, row.created_by) == ("bot", START + 2 * HOUR, "a deployment", "ann")
    perform(database, EndSilence(1), ANN, Hand(START + HOUR))
    with database.read() as connection:
        assert silences.list_silences(connection, START + HOUR) == []
    with pytest.raises(RefusedOperation, match="silence #1 ended at"):
        perform(database, EndSilence(1), ANN, Hand(START + HOUR))


def test_all_rules_of_an_incident_are_silenced(database: Database) -> None:
    progress = {"firing": True, "fired": True}
    rules = dict.fromkeys(("latency", "unmeasured.cost.p95"), progress)
    other = "99990000-0000-4000-8000-000000000001"
    with database.write() as connection:
        incidents.save_decision(connection, Decision(incident_of(id=other, rules=rules), None, ""))
    perform(database, SilenceIncident(other, HOUR), ANN, CLOCK)
    with database.read() as connection:
        (silence,) = silences.load_silences(connection, "bot", START)
    given = {"monitor": "bot", "severity": "critical"}
    assert [silence.matches({**given, "rule": rule}) for rule in ("latency", "cost.p95", "costXp95", "errors")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_wrong_matcher_adds_nothing(database: Database) -> None:
    with pytest.raises(OperationError, match="'tenant' is no label"):
        perform(database, AddSilence(HOUR, "bot", matchers=("tenant=acme",)), ANN, CLOCK)
    assert log(database) == []


def test_the_log_is_filtered_by_incident_and_time_and_the_newest_comes_first(database: Database) -> None:
    for hour in range(3):
        perform(database, Comment(INCIDENT, reason=f"{hour}"), ANN, Hand(START + hour * HOUR))
    perform(database, AddSilence(HOUR, "*"), ANN, Hand(START + 3 * HOUR))
    with database.read() as connection:
        entries = audit.load_entries(connection, incident=INCIDENT, since=START + HOUR)
        newest = audit.load_entries(connection, most=1)
    assert [entry.reason for entry in entries] == ["2", "1"]
    assert [entry.operation for entry in newest] == ["silence"]


def test_time_is_that_of_the_store(database: Database) -> None:
    with database.read() as connection:
        before = now(connection)
    entry = perform(database, Comment(INCIDENT, reason="x"), ANN)
    assert before <= entry.at < before + timedelta(minutes=5)


def test_responses_of_an_older_store_are_in_the_log(store_url: str) -> None:
    store = Database(store_url)
    values = {"incident": INCIDENT, "at": "2026-11-02 12:00:00", "by": "ann", "channel": "cli", "severity": "critical"}
    with store.write() as connection:
        settings = migrate._settings()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0028")
        incidents.save_decision(connection, Decision(incident_of(id=INCIDENT), None, ""))
        insert = (
            "INSERT INTO responses (incident, at, kind, by, channel, text, assignee, severity) "
            "VALUES (:incident, :at, :kind, :by, :channel, :text, :assignee, :severity)"
        )
        for more in (
            {"kind": "acknowledge", "text": "mine", "assignee": None},
            {"kind": "assign", "text": "", "assignee": "ben"},
        ):
            connection.execute(sa.text(insert), {**values, **more})
    migrate.upgrade(store)
    with store.read() as connection:
        handling = audit.load_handling(connection, [INCIDENT])[INCIDENT]
        entries = audit.load_entries(connection)
    assert (handling.acknowledged_by, handling.assignee, handling.severity) == ("ann", "ben", "critical")
    assert [(one.operation, one.reason, one.monitor, one.verified) for one in entries] == [
        ("assign", "", "bot", False),
        ("acknowledge", "mine", "bot", False),
    ]
    store.close()


def test_an_action_that_was_replaced_names_the_newest_effect_of_its_name_and_incident(database: Database) -> None:
    old = effect(state="superseded")
    save(database, old)
    with pytest.raises(RefusedOperation, match=r"^the action was replaced; nothing was changed$"):
        perform(database, Approve(EFFECT), ANN, CLOCK)
    others = [
        effect(id="1" * 36, sequence=7, incident="another"),
        effect(id="2" * 36, sequence=7, name="another"),
        effect(id="3" * 36, sequence=7, kind="update", state="delivered"),
        effect(id="4" * 36, sequence=3, state="rejected"),
        effect(id=NEWER, sequence=5),
        effect(id="6" * 36, sequence=4, state="failed"),
    ]
    save(database, *others)
    with pytest.raises(RefusedOperation, match=f"^the action was replaced by {NEWER}, which awaits approval; nothing"):
        perform(database, Approve(EFFECT), ANN, CLOCK)


def test_the_log_says_what_a_silence_covers_and_when_it_ended(database: Database) -> None:
    added = perform(database, AddSilence(HOUR, "bot", "answers", ("column=score",), reason="x" * 300), ANN, CLOCK)
    ends_at = (START + HOUR).isoformat()
    assert added.detail == {"rule": "answers", "matchers": ['column="score"'], "ends_at": ends_at}
    with database.read() as connection:
        (row,) = silences.list_silences(connection, START)
    assert row.comment == "x" * 256
    ended = perform(database, EndSilence(row.id), ANN, CLOCK)
    assert ended.detail == {"ended_before": ends_at}


def test_a_request_that_arrives_twice_is_performed_once(database: Database) -> None:
    perform(database, Comment(INCIDENT, reason="seen"), ANN, CLOCK, "press-1")
    with pytest.raises(RepeatedRequest):
        perform(database, Comment(INCIDENT, reason="seen"), ANN, CLOCK, "press-1")
    perform(database, Comment(INCIDENT, reason="seen"), ANN, CLOCK, "press-2")
    assert len(log(database)) == 2


def test_a_breaker_is_changed_in_the_transaction_of_its_entry(database: Database) -> None:
    made: list[Any] = []

    def change(connection: sa.Connection, at: Any) -> dict[str, object]:
        made.append((connection.in_transaction(), at))
        return {"to": "open"}

    operation = SetBreaker("bot", "guard", "small-7b", "open", HOUR, reason="a loop")
    entry = perform(database, operation, ANN, CLOCK, change=change)
    assert (entry.subject_kind, entry.subject, entry.monitor) == ("breaker", "guard small-7b", "bot")
    assert (entry.detail, entry.incident, entry.result) == ({"to": "open"}, None, "done")
    assert made == [(True, START)]
    long = perform(database, replace(operation, value="v" * 200), ANN, CLOCK, change=change)
    assert long.subject == f"guard {'v' * 122}"
    assert perform(database, replace(operation, value=""), ANN, CLOCK, change=change).subject == "guard"
    with pytest.raises(RoleError):
        perform(database, operation, replace(ANN, role="viewer"), CLOCK, change=change)
    assert len(made) == 3
    assert [one.operation for one in log(database)] == ["set_breaker"] * 4


def test_a_silence_with_personal_data_is_refused_and_not_stored(database: Database) -> None:
    matcher = 'segment="tenant=jane.roe@example.com"'
    with pytest.raises(OperationError, match="write the hash that messages show"):
        perform(database, AddSilence(HOUR, "bot", matchers=[matcher]), ANN, CLOCK)
    with database.read() as connection:
        assert silences.load_silences(connection, "bot", START) == []
    perform(database, AddSilence(HOUR, "bot", matchers=['segment="tenant=id:43c915a5fb2a"']), ANN, CLOCK)
    assert "jane.roe" not in str(log(database))
