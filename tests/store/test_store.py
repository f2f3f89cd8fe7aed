"""Claims, fences, T2 and the outbox, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from detectors import DETECTORS
from detectors.base import Finding, Status
from monitor.actions.plan_actions import ActionPlan
from monitor.alerting.decisions import Decisions
from monitor.checks.evaluation import Evaluation
from monitor.core.action import Action
from monitor.core.incident import Decision, Incident
from monitor.core.schedule import Bucket
from monitor.profiling.facts import Facts
from monitor.profiling.profile import Profiled
from monitor.sources.base import Counts
from monitor.store import buckets, claims, incidents, leases, migrate, outbox, reads, silences
from monitor.store.commit import BucketResult
from monitor.store.commit import commit as commit_bucket
from monitor.store.database import Database, StoreError, now
from monitor.store.findings import load_sequential_state
from monitor.store.spans import add_span
from monitor.store.tables import actions, findings, metadata
from monitor.store.tables import buckets as bucket_table

START = datetime(2026, 11, 1, tzinfo=UTC)
BUCKET = Bucket(START, START + timedelta(minutes=5))


def claim(database: Database, bucket: Bucket = BUCKET) -> claims.Claim | None:
    with database.write() as connection:
        return claims.claim(connection, "bot", bucket, leases.new_owner())


def outcome(rows: int = 3, version: str = "big") -> BucketResult:
    facts = Facts(rows=rows, versions={"model_version": {version: [rows, 10.0, 20.0]}})
    finding = Finding("drift", "x", "psi", None, Status.OK, "fine", 0.1, 0.2)
    evaluation = Evaluation([finding], "done")
    return BucketResult(Profiled(Counts(rows), facts, {}), "layout", evaluation, Decisions(), ActionPlan())


def commit(database: Database, held: claims.Claim, result: BucketResult) -> None:
    with database.write() as connection:
        commit_bucket(connection, held, result)


def test_the_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrate.require_head(database)


@pytest.mark.usefixtures("real_migrations")
def test_five_replicas_may_upgrade_at_once(store_url: str) -> None:
    replicas = [Database(store_url) for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        heads = list(pool.map(migrate.upgrade, replicas))
    assert len(set(heads)) == 1
    migrate.require_head(replicas[0])
    for replica in replicas:
        replica.close()


def test_an_empty_store_and_a_newer_one_are_refused_with_a_sentence(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with pytest.raises(StoreError, match="driftd db upgrade"):
        migrate.require_head(database)
    migrate.upgrade(database)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer driftd"):
        migrate.upgrade(database)
    database.close()


def test_the_unique_row_is_the_lock(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = [held for held in pool.map(lambda _: claim(database), range(8)) if held]
    assert len(won) == 1


def test_a_lease_that_ran_out_is_taken_over_and_the_first_owner_is_fenced_off(database: Database) -> None:
    first = claim(database)
    assert first is not None
    with database.write() as connection:
        connection.execute(sa.update(bucket_table).values(lease_until=now(connection) - timedelta(seconds=1)))
    second = claim(database)
    assert second is not None
    assert (second.fence, second.attempts) == (2, 2)
    commit(database, second, outcome())
    with pytest.raises(claims.FenceLost):
        commit(database, first, outcome(rows=99, version="wrong"))
    with database.read() as connection:
        row = connection.execute(sa.select(bucket_table)).one()
        known = incidents.load_versions(connection, "bot")
    assert (row.revision, row.source_rows, row.state) == (1, 3, "finished")
    assert [version.value for version in known] == ["big"]


def test_a_finished_bucket_is_claimed_again_only_when_it_is_stale(database: Database) -> None:
    held = claim(database)
    assert held is not None
    commit(database, held, outcome())
    assert claim(database) is None
    with database.write() as connection:
        assert buckets.mark_stale(connection, "bot", [START]) == 1
    again = claim(database)
    assert again is not None
    assert again.revision == 1
    commit(database, again, outcome(rows=5))
    with database.read() as connection:
        (version,) = incidents.load_versions(connection, "bot")
    assert version.rows == 5


def incident(state: str = "firing") -> Incident:
    return Incident("i-1", "bot", "drift", "critical", state, START, START, "rose", fired_at=START)  # type: ignore[arg-type]


def action(sequence: int = 0, **changes: object) -> Action:
    base = Action(
        f"a-{sequence}",
        "bot",
        "i-1",
        "slack",
        "firing",
        "auto",
        "pending",
        "told",
        {"type": "x"},
        START,
        sequence,
        START + timedelta(hours=1),
    )
    return replace(base, **changes)


def test_decision_and_actions_commit_with_the_bucket_or_not_at_all(database: Database) -> None:
    first = claim(database)
    assert first is not None
    stolen = replace(first, fence=first.fence - 1)
    full = replace(outcome(), plan=ActionPlan([Decision(incident(), "firing", "rose")], [action()]))
    with pytest.raises(claims.FenceLost):
        commit(database, stolen, full)
    with database.read() as connection:
        assert connection.execute(sa.select(actions)).all() == []
        assert incidents.open_incidents(connection, "bot") == []
    commit(database, first, full)
    with database.read() as connection:
        assert len(connection.execute(sa.select(actions)).all()) == 1
        assert incidents.open_incidents(connection, "bot") == [incident()]


def test_messages_of_an_incident_keep_their_order_and_an_action_has_one_deliverer(database: Database) -> None:
    with database.write() as connection:
        outbox.save_actions(connection, [action(1), action(0), action(0)])
        first = outbox.claim_next(connection, START, "one")
        assert first.id == "a-0"
        assert outbox.claim_next(connection, START, "two") is None
        assert outbox.record(connection, first, state="delivered", receipt={"ts": "1"})
        second = outbox.claim_next(connection, START, "one")
        assert second.id == "a-1"
        assert outbox.first_receipt(connection, "i-1", "slack") == {"ts": "1"}
        assert not outbox.record(connection, first, state="failed")


def test_actions_that_are_due_at_the_same_time_have_one_order(database: Database) -> None:
    names = [("a-3", 1), ("a-2", 0), ("a-1", 1), ("a-0", 1)]
    with database.write() as connection:
        outbox.save_actions(connection, [action(place, id=name, incident=name) for name, place in names])
        taken = [outbox.claim_next(connection, START, name).id for name in ("one", "two", "three", "four")]
    assert taken == ["a-2", "a-0", "a-1", "a-3"]


def test_what_is_late_expires(database: Database) -> None:
    with database.write() as connection:
        waiting = action(0, state="awaiting_approval", payload={"type": "x", "data": {}})
        outbox.save_actions(connection, [waiting, action(1, name="other")])
        assert outbox.claim_next(connection, START - timedelta(seconds=1), "one") is None
        assert outbox.expire(connection, START + timedelta(hours=2)) == 2
        assert outbox.claim_next(connection, START + timedelta(hours=2), "one") is None


def test_an_effect_takes_the_place_of_one_that_waits_and_never_of_one_that_is_being_sent(database: Database) -> None:
    with database.write() as connection:
        waiting = action(0, state="awaiting_approval", payload={"type": "x", "data": {}})
        outbox.save_actions(connection, [waiting, action(1, name="other")])
        assert outbox.claim_next(connection, START, "one").id == "a-1"
        newer = [action(2, replaces="a-0"), action(3, name="other", replaces="a-1")]
        outbox.save_actions(connection, newer)
        rows = connection.execute(sa.select(actions.c.id, actions.c.state).order_by(actions.c.id)).all()
        assert [tuple(row) for row in rows] == [("a-0", "superseded"), ("a-1", "pending"), ("a-2", "pending")]


def test_a_naive_time_is_never_stored(database: Database) -> None:
    with pytest.raises(sa.exc.StatementError, match="without a zone"), database.write() as connection:
        add_span(connection, "bot", "live", datetime(2026, 1, 1), None)  # noqa: DTZ001


def test_a_snapshot_reads_no_more_findings_than_are_exported(database: Database) -> None:
    found = [
        Finding("drift", f"c{place}", "psi", segment, Status.DRIFTED, "moved", float(place), 1.0)
        for segment in (None, "plan=a")
        for place in range(6)
    ]
    held = claim(database)
    assert held is not None
    commit(database, held, replace(outcome(), decisions=Decisions(found)))
    with database.read() as connection:
        kept = reads.findings_at(connection, "bot", START, most=8)
        assert reads.count_findings(connection, "bot", START) == (12, 12)
    assert [row.column for row in kept if row.segment is None] == ["c5", "c4", "c3", "c2", "c1", "c0"]
    assert [row.column for row in kept if row.segment] == ["c5", "c4"]
    assert [row.column for row in kept][:4] == ["c5", "c5", "c4", "c4"]


def test_what_sequential_detectors_remember_is_read_back_to_the_last_digit(database: Database) -> None:
    state = {"0.hits.3": 4.0, "0.expected.3": 1 / 3, "0.peak.0": 11.25}
    finding = Finding("drift", "x", "rate_cusum", "model=v2", Status.OK, "fine", 0.1, 0.2, detail={"state": state})
    older = replace(finding, column="y", detail={"up": 1.0, "down": 0.0})
    held = claim(database)
    assert held is not None
    commit(database, held, replace(outcome(), decisions=Decisions([finding, older])))
    with database.read() as connection:
        assert load_sequential_state(connection, "bot", START) == {finding.key: state}
        assert load_sequential_state(connection, "bot", START - timedelta(minutes=5)) == {}


def test_the_firing_incidents_of_the_other_configured_monitors_are_loaded(database: Database) -> None:
    with database.write() as connection:
        for number, (monitor, state) in enumerate(
            [
                ("bot", "firing"),
                ("gateway", "firing"),
                ("gateway", "pending"),
                ("gateway", "resolved"),
                ("old", "firing"),
            ]
        ):
            one = replace(incident(), id=f"i-{number}", monitor=monitor, state=state)
            incidents.save_decision(connection, Decision(one, None, ""))
    with database.read() as connection:
        assert [i.id for i in incidents.firing_elsewhere(connection, "bot", ["bot", "gateway"])] == ["i-1"]
        assert incidents.firing_elsewhere(connection, "bot", []) == []


def test_the_active_silences_of_a_monitor_are_loaded_with_their_matchers(database: Database) -> None:
    ended = {"starts_at": START - timedelta(hours=1), "ends_at": START, "comment": "", "created_by": "a"}
    going = {**ended, "ends_at": START + timedelta(hours=1)}
    with database.write() as connection:
        for monitor, rule, times in (
            ("bot", "a", ended),
            ("*", "b", going),
            ("other", "c", going),
            ("bot", "*", going),
        ):
            silences.add_silence(connection, {"monitor": monitor, "rule": rule, **times})
        silences.add_silence(connection, {"monitor": "*", "rule": "*", "matchers": ["column!=price"], **going})
    with database.read() as connection:
        loaded = silences.load_silences(connection, "bot", START)
    assert [(one.number, [str(matcher) for matcher in one.matchers]) for one in loaded] == [
        (2, ['rule="b"']),
        (4, ['monitor="bot"']),
        (5, ['column!="price"']),
    ]


def test_the_numbers_of_the_next_actions_of_several_incidents_are_loaded_at_once(database: Database) -> None:
    with database.write() as connection:
        outbox.save_actions(connection, [action(n, incident=i) for n, i in ((1, "one"), (4, "one"), (0, "two"))])
    with database.read() as connection:
        sequences = outbox.next_sequences(connection, ["one", "two", "none"])
        assert (
            sequences == {i: outbox.next_sequence(connection, i) for i in sequences} == {"one": 5, "two": 1, "none": 0}
        )


def test_what_detectors_are_called_fits_into_their_columns() -> None:
    for name, detector in DETECTORS.items():
        for column, value in (("method", name), ("check", detector.check), ("unit", detector.unit)):
            assert len(value) <= findings.c[column].type.length, (name, value)


def test_long_names_of_an_application_do_not_stop_a_bucket(database: Database) -> None:
    held = claim(database)
    assert held is not None
    long = Finding("c" * 100, "x" * 300, "psi", f"tenant={'y' * 300}", Status.OK, "r" * 900, 0.1, 0.2, unit="u" * 50)
    commit(database, held, replace(outcome(), decisions=Decisions([long])))
    with database.read() as connection:
        (kept,) = connection.execute(sa.select(findings)).all()
    assert long.check.startswith(kept.check)
    assert str(long.segment).startswith(kept.segment)
