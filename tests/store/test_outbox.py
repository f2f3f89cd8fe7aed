"""The outbox: what is stored, leased, replaced, ended and announced, and what planning knows of it later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.actions.identity import MESSAGE_NOT_AFTER, identity
from monitor.actions.verification import Conclusion
from monitor.core.action import TEST, Action, PastAction
from monitor.core.incident import Decision, Incident
from monitor.core.payload import Verification
from monitor.store import incidents, outbox, silences
from monitor.store.database import Database, now
from monitor.store.rows import ActionRow
from monitor.store.tables import actions
from monitor.store.tables import incidents as incident_table
from monitor.store.verifications import save_conclusion

START = datetime(2026, 11, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
VERIFIED: Verification = {"state": "verified", "at": "", "records": 9, "seconds": 60.0, "reason": ""}


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


def message(key: str = "a", **changes: Any) -> Action:
    """Return a message about the incident i-1 to Slack."""
    body: Any = {"type": "x", "timestamp": "", "data": {}}
    base = Action(key, "bot", "i-1", "slack", "firing", "auto", "pending", "rose", body, START, 0, START + HOUR)
    return replace(base, **changes)


def save(database: Database, *planned: Action, **values: Any) -> None:
    """Store actions; ``values`` are columns that a plan does not set."""
    with database.write() as connection:
        outbox.save_actions(connection, planned)
        if values:
            ids = [one.id for one in planned]
            connection.execute(sa.update(actions).where(actions.c.id.in_(ids)).values(**values))


def load(database: Database, key: str = "a") -> ActionRow:
    with database.read() as connection:
        row = outbox.load_action(connection, key)
    assert row is not None
    return row


def list_states(database: Database) -> dict[str, str]:
    with database.read() as connection:
        return {row.id: row.state for row in connection.execute(sa.select(actions.c.id, actions.c.state))}


def load_past(database: Database) -> list[PastAction]:
    with database.read() as connection:
        return outbox.past_actions(connection, "bot", START)


def save_incident(database: Database, **changes: Any) -> None:
    base = Incident(
        "i-1", "bot", "drift", "critical", "firing", START, START, "rose", fired_at=START, notified_at=START
    )
    with database.write() as connection:
        incidents.save_decision(connection, Decision(replace(base, **changes), None, ""))


def list_notified(database: Database) -> set[str]:
    """Return the incidents that count as announced."""
    query = sa.select(incident_table.c.id).where(incident_table.c.notified_at.is_not(None))
    with database.read() as connection:
        return set(connection.execute(query).scalars())


# ---- what is stored, and known later ------------------------------------------------------------------------------


def test_a_new_action_is_due_when_it_was_planned_or_when_it_may_be_sent(database: Database) -> None:
    save(database, message(), message("b", not_before=START + MINUTE))
    row = load(database)
    assert (row.next_attempt_at, row.attempts, row.fence, row.owner) == (START, 0, 0, None)
    assert (row.monitor, row.incident, row.name, row.kind, row.mode) == ("bot", "i-1", "slack", "firing", "auto")
    assert (row.state, row.reason, row.not_after, row.dry_run) == ("pending", "rose", START + HOUR, False)
    assert load(database, "b").next_attempt_at == START + MINUTE
    save(database, message(reason="again", payload={"type": "y", "timestamp": "", "data": {}}))
    assert load(database) == row  # it is planned once


def test_planning_knows_of_an_effect_what_was_stored(database: Database) -> None:
    data = {
        "severity": "critical",
        "suspected_change": {"value": "small"},
        "observed_version": {"model_version": "small"},
        "target": {"model_version": "big"},
        "verify_within": 1800.0,
    }
    body = {"type": "driftd.rollback", "timestamp": (START - MINUTE).isoformat(), "data": data}
    effect = message(name="back", kind="rollback", mode="approve", state="delivered", payload=body, sequence=3)
    save(database, effect, finished_at=START + MINUTE, verification=VERIFIED, reaction_seconds=84.5, digest="d")
    assert load_past(database) == [
        PastAction(
            "back",
            START,
            "delivered",
            id="a",
            incident="i-1",
            kind="rollback",
            mode="approve",
            sequence=3,
            at=START - MINUTE,
            suspect="small",
            severity="critical",
            in_digest=True,
            observed=("model_version", "small"),
            reason="rose",
            target={"model_version": "big"},
            not_after=START + HOUR,
            finished_at=START + MINUTE,
            verify_within=timedelta(minutes=30),
            verification=VERIFIED,
            reaction=timedelta(seconds=84.5),
        )
    ]


def test_what_an_action_does_not_have_is_none(database: Database) -> None:
    save(database, message(payload={"type": "x", "data": {}}, not_after=None, state="delivered"))
    assert load_past(database) == [
        PastAction("slack", START, "delivered", "a", "i-1", "firing", "auto", 0, reason="rose")
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"backlog": False, "refused": False}),
        ({"next_attempt_at": START + SECOND}, {"backlog": True, "refused": False}),
        ({"next_attempt_at": None}, {"backlog": False, "refused": False}),
        ({"next_attempt_at": START + SECOND, "attempts": 1}, {"backlog": False, "refused": True}),
        ({"next_attempt_at": START + SECOND, "state": "delivered"}, {"backlog": False, "refused": False}),
        ({"attempts": 1, "state": "failed"}, {"backlog": False, "refused": False}),
    ],
)
def test_a_message_waits_because_its_bucket_was_old_or_because_it_was_refused(
    database: Database, values: dict[str, Any], expected: dict[str, bool]
) -> None:
    save(database, message(), **values)
    (row,) = load_past(database)
    assert {"backlog": row.backlog, "refused": row.refused} == expected


@pytest.mark.parametrize(
    ("values", "is_missed"),
    [
        ({}, True),
        ({"state": "delivered"}, False),
        ({"attempts": 1}, False),
        ({"mode": "approve"}, False),  # a person had the time to approve it
        ({"mode": "approve", "not_after": START}, False),
        ({"mode": "approve", "not_after": START - SECOND}, True),
        ({"mode": "approve", "not_after": None}, False),
    ],
)
def test_an_effect_was_missed_if_nobody_could_have_sent_it(
    database: Database, values: dict[str, Any], is_missed: bool
) -> None:
    save(database, message(kind="rollback", state="expired"), **values)
    (row,) = load_past(database)
    assert row.missed is is_missed


def test_a_verification_is_stored_once_and_for_its_effects_only(database: Database) -> None:
    save(database, message("a"), message("b"), message("c"))
    later: Verification = {**VERIFIED, "state": "not_verified"}
    effects = [PastAction("back", START, "delivered", key) for key in "ab"]
    with database.write() as connection:
        save_conclusion(connection, Conclusion(effects[:1], VERIFIED))
        save_conclusion(connection, Conclusion(effects, later))
    assert [load(database, key).verification for key in "abc"] == [VERIFIED, later, None]


# ---- what takes the place of what -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "attempts", "is_replaced"),
    [
        ("pending", 0, True),
        ("awaiting_approval", 0, True),
        ("pending", 1, False),
        ("delivered", 0, False),
        ("rejected", 0, False),
    ],
)
def test_an_effect_replaces_one_that_was_not_sent_and_is_planned_only_then(
    database: Database, state: Any, attempts: int, is_replaced: bool
) -> None:
    save(database, message(kind="rollback", state=state), message("other", kind="rollback"), attempts=attempts)
    save(database, message("new", kind="rollback", replaces="a", created_at=START + MINUTE))
    assert ("new" in list_states(database)) is is_replaced
    row = load(database)
    assert (row.state, row.finished_at) == (("superseded", START + MINUTE) if is_replaced else (state, None))
    assert row.reason == (outbox.SUPERSEDED if is_replaced else "rose")
    assert load(database, "other").state == "pending"


@pytest.mark.parametrize(
    ("changes", "values", "is_replaced"),
    [
        ({}, {"attempts": 1}, True),
        ({}, {"next_attempt_at": START + SECOND}, True),
        ({}, {}, False),  # it is about to be sent
        ({"incident": "i-2"}, {"attempts": 1}, False),
        ({"name": "mail"}, {"attempts": 1}, False),
        ({"kind": "rollback"}, {"attempts": 1}, False),
        ({"state": "delivered"}, {"attempts": 1}, False),
        ({"sequence": 5}, {"attempts": 1}, False),
        ({}, {"attempts": 1, "lease_until": datetime(2000, 1, 1, tzinfo=UTC)}, True),
        ({}, {"attempts": 1, "lease_until": datetime(2100, 1, 1, tzinfo=UTC)}, False),
    ],
)
def test_a_message_replaces_older_ones_that_wait(
    database: Database, changes: dict[str, Any], values: dict[str, Any], is_replaced: bool
) -> None:
    save(database, message(**changes), **values)
    save(database, message("new", kind="update", sequence=5, created_at=START + MINUTE, supersedes=True))
    row = load(database)
    assert (row.state == "superseded") is is_replaced
    assert list_states(database)["new"] == "pending"
    if is_replaced:
        assert (row.reason, row.finished_at) == ("replaced by a newer message", START + MINUTE)


def test_a_message_that_supersedes_nothing_leaves_the_older_ones(database: Database) -> None:
    save(database, message(), attempts=1)
    save(database, message("new", sequence=1))
    assert list_states(database) == {"a": "pending", "new": "pending"}


def test_the_next_number_of_no_incident_is_not_asked_for(database: Database) -> None:
    save(database, message(sequence=0))
    with database.read() as connection:
        assert outbox.next_sequences(connection, []) == {}
        assert outbox.next_sequences(connection, ["i-1", "i-2"]) == {"i-1": 1, "i-2": 0}


# ---- leases and outcomes ----------------------------------------------------------------------------------------


def test_a_lease_counts_an_attempt_and_ends_by_the_clock_of_the_store(database: Database) -> None:
    save(database, message())
    with database.write() as connection:
        moment = now(connection)
        claimed = outbox.claim_next(connection, START, "one")
        assert claimed is not None
        assert (claimed.owner, claimed.attempts, claimed.fence) == ("one", 1, 1)
        assert claimed.lease_until is not None
        assert timedelta(0) <= claimed.lease_until - moment - outbox.LEASE < 10 * SECOND
        again = outbox.claim_next(connection, START, "one")  # it could not record the outcome
        assert again is not None
        assert (again.id, again.attempts, again.fence) == ("a", 2, 2)
        assert outbox.claim_next(connection, START, "two") is None
        connection.execute(sa.update(actions).values(lease_until=moment - SECOND))
        assert outbox.claim_next(connection, START, "two") is not None


def test_an_action_is_leased_for_its_receiver_and_effects_only_where_they_may_be_sent(database: Database) -> None:
    save(database, message(), message("b", name="back", kind="rollback", incident="i-2"))
    claims: list[tuple[dict[str, Any], str | None]] = [
        ({"only": "mail"}, None),
        ({"only": "back", "effects": False}, None),
        ({"without": ["slack", "back"]}, None),
        ({"without": ["slack"], "effects": False}, None),
        ({"without": ["slack"]}, "b"),
        ({"only": "slack", "effects": False}, "a"),
    ]
    for options, expected in claims:
        with database.write() as connection:
            claimed = outbox.claim_next(connection, START, "one", **options)
        assert (claimed.id if claimed else None) == expected, options


def test_only_a_pending_test_is_leased_as_one(database: Database) -> None:
    save(database, message("message"), message("over", kind=TEST, state="expired"), message("test", kind=TEST))
    with database.write() as connection:
        assert [outbox.claim_test(connection, key, "one") for key in ("none", "message", "over")] == [None] * 3
        claimed = outbox.claim_test(connection, "test", "one")
        assert claimed is not None
        assert (claimed.id, claimed.owner, claimed.attempts) == ("test", "one", 1)
        assert claimed.lease_until is not None
        assert claimed.lease_until > now(connection)
    assert load(database, "message").owner is None


def claim(database: Database) -> ActionRow:
    with database.write() as connection:
        claimed = outbox.claim_next(connection, START, "one")
    assert claimed is not None
    return claimed


def record(database: Database, claimed: ActionRow, **values: Any) -> bool:
    with database.write() as connection:
        return outbox.record(connection, claimed, **values)


@pytest.mark.parametrize(
    ("state", "is_notified"), [("pending", True), ("delivered", True), ("failed", False), ("expired", False)]
)
def test_an_outcome_ends_the_lease_the_parts_of_a_digest_and_a_notice_that_nobody_got(
    database: Database, state: str, is_notified: bool
) -> None:
    for key in ("i-1", "i-2", "i-3"):
        save_incident(database, id=key)
    save(database, message())
    save(database, message("part", incident="i-2", state="digested"), digest="a")
    save(database, message("other", incident="i-3", state="digested"), digest="b")
    assert record(database, claim(database), state=state, finished_at=START + MINUTE, reason="told")
    row = load(database)
    assert (row.state, row.reason, row.owner, row.lease_until) == (state, "told", None, None)
    part = load(database, "part")
    ended = state != "pending"
    assert (part.state, part.finished_at) == ((state, START + MINUTE) if ended else ("digested", None))
    assert load(database, "other").state == "digested"
    assert list_notified(database) == ({"i-1", "i-2", "i-3"} if is_notified else {"i-3"})


def test_an_outcome_without_a_state_leaves_the_action_pending(database: Database) -> None:
    save(database, message())
    save(database, message("part", state="digested"), digest="a")
    assert record(database, claim(database), reason="refused")
    assert list_states(database) == {"a": "pending", "part": "digested"}


def test_who_has_lost_the_lease_records_nothing(database: Database) -> None:
    save_incident(database)
    save(database, message(), message("other", incident="i-2", sequence=9))
    save(database, message("part", state="digested"), digest="a")
    claimed = claim(database)
    assert not record(database, replace(claimed, fence=7), state="failed")
    assert list_states(database) == {"a": "pending", "other": "pending", "part": "digested"}
    assert record(database, claimed, state="superseded")
    assert not record(database, claimed, state="failed")
    assert list_states(database) == {"a": "superseded", "other": "pending", "part": "superseded"}
    assert list_notified(database) == {"i-1"}


@pytest.mark.parametrize("state", ["pending", "digested", "delivered", "dry_run"])
def test_an_incident_stays_announced_while_another_message_about_it_stands(database: Database, state: Any) -> None:
    save_incident(database)
    save(database, message(), message("other", name="mail", state=state, sequence=1))
    record(database, claim(database), state="failed")
    assert list_notified(database) == {"i-1"}


def test_an_incident_whose_only_message_failed_counts_as_not_announced_whatever_became_of_its_effects(
    database: Database,
) -> None:
    save_incident(database)
    save_incident(database, id="i-2")
    save(database, message(), message("effect", name="back", kind="rollback", state="delivered"))
    record(database, claim(database), state="failed")
    assert list_notified(database) == {"i-2"}
    save(database, message("lone", name="back", kind="rollback", incident="i-2"))
    record(database, claim(database), state="failed")
    assert list_notified(database) == {"i-2"}  # it had no message that could fail


def test_the_thread_of_an_incident_is_that_of_its_first_delivered_message(database: Database) -> None:
    receipts = {"late": 3, "first": 1, "failed": 0, "mail": 0, "else": 0, "part": 0}
    rows = [message(key, state="delivered", sequence=place) for key, place in receipts.items()]
    changes: dict[str, dict[str, Any]] = {"failed": {"state": "failed"}, "mail": {"name": "mail"}}
    changes["else"] = {"incident": "i-2"}
    for row in rows:
        digest = "d" if row.id == "part" else None
        save(database, replace(row, **changes.get(row.id, {})), receipt={"ts": row.id}, digest=digest)
    with database.read() as connection:
        assert outbox.first_receipt(connection, "i-1", "slack") == {"ts": "first"}
        assert outbox.first_receipt(connection, "i-1", "pager") is None


# ---- what is late -------------------------------------------------------------------------------------------------


def expire(database: Database, at: datetime = START + HOUR + SECOND) -> int:
    with database.write() as connection:
        return outbox.expire(connection, at)


def test_what_is_late_expires_with_the_parts_of_a_digest_and_the_notice_of_its_incident(database: Database) -> None:
    for key in ("i-1", "i-2", "i-3"):
        save_incident(database, id=key)
    save(database, message(), message("later", incident="i-3", not_after=START + 2 * HOUR))
    save(database, message("part", incident="i-2", state="digested", not_after=None), digest="a")
    assert expire(database, START + HOUR) == 0
    assert expire(database) == 1
    assert list_states(database) == {"a": "expired", "later": "pending", "part": "expired"}
    for key in ("a", "part"):
        assert load(database, key).finished_at == START + HOUR + SECOND
    assert load(database).reason == "not_after has passed"
    assert list_notified(database) == {"i-3"}


def test_what_is_being_sent_expires_when_its_lease_has_ended(database: Database) -> None:
    save(database, message())
    claim(database)
    assert expire(database) == 0
    save(database, message(), lease_until=datetime(2000, 1, 1, tzinfo=UTC))
    assert expire(database) == 1


INCIDENT = {"id": "i-1", "state": "firing", "rule": "drift", "opened_at": "", "reason": "rose"}


def save_unapproved(database: Database, **data: Any) -> None:
    body: Any = {"type": "driftd.rollback", "timestamp": "", "data": data}
    save(
        database,
        message("told", name="slack", state="delivered"),
        message("reminded", name="slack", kind="reminder", state="delivered", sequence=2),
        message("mailed", name="mail", state="failed", not_after=None),
        message("elsewhere", name="boss", incident="i-2", state="delivered"),
        message("before", name="hook", kind="retrain", state="delivered"),
        message("e", name="back", kind="rollback", mode="approve", state="awaiting_approval", payload=body, sequence=4),
    )


def list_announced(database: Database) -> Sequence[Any]:
    with database.read() as connection:
        return connection.execute(sa.select(actions).where(actions.c.kind == "expired").order_by(actions.c.name)).all()


def test_people_are_told_that_an_effect_expired_without_approval(database: Database) -> None:
    save_unapproved(database, monitor="bot", severity="critical", incident=INCIDENT)
    assert expire(database) == 1
    at, mail = START + HOUR + SECOND, list_announced(database)[0]
    assert [row.name for row in list_announced(database)] == ["mail", "slack"]
    assert [row.id for row in list_announced(database)] == [
        identity("i-1", name, "expired/back", 4) for name in ("mail", "slack")
    ]
    assert (mail.monitor, mail.incident, mail.mode, mail.state, mail.sequence) == ("bot", "i-1", "auto", "pending", 5)
    assert (mail.reason, mail.created_at) == ("an effect expired without approval", at)
    assert (mail.not_after, mail.next_attempt_at, mail.dry_run) == (at + MESSAGE_NOT_AFTER, at, False)
    assert mail.payload == {
        "type": "driftd.action.expired",
        "timestamp": at.isoformat(),
        "data": {
            "monitor": "bot",
            "severity": "warning",
            "headline": "bot: the rollback 'back' was not approved before 2026-11-01 01:00 UTC; it will not be sent",
            "incident": INCIDENT,
            "action": {"id": "e", "name": "back", "kind": "rollback", "mode": "approve", "state": "expired"},
        },
    }


def test_nobody_is_told_of_an_effect_of_a_silenced_incident_or_of_none(database: Database) -> None:
    with database.write() as connection:
        silence = {"monitor": "bot", "rule": "drift", "comment": "", "created_by": "ann"}
        silences.add_silence(connection, {**silence, "starts_at": START, "ends_at": START + 2 * HOUR})
    save_unapproved(database, monitor="bot", severity="critical", incident=INCIDENT)
    save(database, message("lone", name="back", kind="rollback", state="awaiting_approval", payload={"type": "x"}))
    assert expire(database) == 2
    assert list_announced(database) == []


def test_a_message_or_an_automatic_effect_that_expires_is_not_announced(database: Database) -> None:
    body: Any = {"type": "x", "data": {"monitor": "bot", "severity": "critical", "incident": INCIDENT}}
    save(database, message("told", state="delivered"), message("auto", name="back", kind="rollback", payload=body))
    assert expire(database) == 1
    assert list_announced(database) == []
