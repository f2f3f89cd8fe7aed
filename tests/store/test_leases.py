"""Leases and retries: who may take a bucket or an action when, and what counts against a bucket."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command

from detectors.cost.budget import SpendTotals
from monitor.actions.plan_actions import ActionPlan
from monitor.alerting.decisions import Decisions
from monitor.checks.evaluation import Evaluation
from monitor.core.action import Action
from monitor.core.schedule import Bucket, retry_delay
from monitor.profiling.facts import Facts
from monitor.profiling.profile import Profiled
from monitor.sources.base import Counts, Reason, SourceError
from monitor.store import buckets, claims, leases, ledger, migrate, outbox
from monitor.store.commit import BucketResult, commit
from monitor.store.database import Database, is_unavailable, now
from monitor.store.tables import actions
from monitor.store.tables import buckets as bucket_table
from tests.support.process import eventually

START = datetime(2026, 11, 1, tzinfo=UTC)
FIVE = timedelta(minutes=5)
BUCKET = Bucket(START, START + FIVE)
OTHER = Bucket(START + FIVE, START + 2 * FIVE)


def claim(database: Database, owner: str, bucket: Bucket = BUCKET, monitor: str = "bot") -> claims.Claim | None:
    with database.write() as connection:
        return claims.claim(connection, monitor, bucket, owner)


def must_claim(database: Database, owner: str, bucket: Bucket = BUCKET, monitor: str = "bot") -> claims.Claim:
    held = claim(database, owner, bucket, monitor)
    assert held is not None
    return held


def fail(database: Database, held: claims.Claim, error: Exception) -> bool:
    with database.write() as connection:
        return claims.fail_or_retry(connection, held, error)


def finish(database: Database, held: claims.Claim) -> None:
    profiled = Profiled(Counts(3), Facts(rows=3), {})
    done = BucketResult(profiled, "layout", Evaluation(result="done"), Decisions(), ActionPlan())
    with database.write() as connection:
        commit(connection, held, done)


def pass_time(database: Database, by: timedelta) -> None:
    """Let time go by for the leases and the waiting buckets of the store."""
    names = ("lease_until", "next_attempt_at")
    with database.write() as connection:
        for row in connection.execute(sa.select(bucket_table)).all():
            earlier = {name: getattr(row, name) - by for name in names if getattr(row, name) is not None}
            if earlier:
                where = sa.and_(bucket_table.c.monitor == row.monitor, bucket_table.c.start == row.start)
                connection.execute(sa.update(bucket_table).where(where).values(**earlier))


def only_row(database: Database) -> sa.Row[tuple[object, ...]]:
    with database.read() as connection:
        return connection.execute(sa.select(bucket_table)).one()


def waits(database: Database) -> float:
    """Return for how many seconds the only bucket is not to be tried."""
    with database.read() as connection:
        until = connection.execute(sa.select(bucket_table.c.next_attempt_at)).scalar_one()
        return (until - now(connection)).total_seconds() if until else 0.0


def test_an_owner_takes_its_own_bucket_back_at_once_and_nobody_else_does(database: Database) -> None:
    mine, another = leases.new_owner(), leases.new_owner()
    first = must_claim(database, mine)
    assert claim(database, another) is None
    again = must_claim(database, mine)
    assert (again.fence, again.attempts) == (first.fence + 1, 1), "it lives: the first attempt did not end the process"
    with pytest.raises(claims.FenceLost):
        finish(database, first)
    finish(database, again)
    assert claim(database, mine) is None


def test_a_lease_is_renewed_while_its_bucket_is_computed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RENEW_EVERY", timedelta(milliseconds=10))
    held = must_claim(database, leases.new_owner())
    pass_time(database, 2 * claims.LEASE)

    def left() -> timedelta:
        with database.read() as connection:
            return connection.execute(sa.select(bucket_table.c.lease_until)).scalar_one() - now(connection)

    assert left() < timedelta(0)
    with claims.renewing(database, held):
        eventually(lambda: left() > timedelta(0), 60, "a renewed lease")
        assert claim(database, leases.new_owner()) is None
    eventually(lambda: not any(thread.name == "lease" for thread in threading.enumerate()), 60, "the end of renewing")
    pass_time(database, 2 * claims.LEASE)
    assert must_claim(database, leases.new_owner()).fence == held.fence + 1


def test_a_lease_that_another_took_over_is_not_renewed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    held = must_claim(database, leases.new_owner())
    pass_time(database, 2 * claims.LEASE)
    must_claim(database, leases.new_owner())
    pass_time(database, 2 * claims.LEASE)
    monkeypatch.setattr(claims, "RENEW_EVERY", timedelta(0))
    monkeypatch.setattr(claims, "MOST_RENEWALS", 3)
    claims._renew(database, held, threading.Event())
    assert claim(database, leases.new_owner()) is not None


SOURCE_ERRORS: list[Reason] = [
    "unreachable",
    "timeout",
    "missing_column",
    "missing_table",
    "denied",
    "changed",
    "other",
]


def test_an_error_of_the_source_never_counts_and_is_retried_after_ever_longer_pauses(database: Database) -> None:
    mine, pauses = leases.new_owner(), []
    for retries in range(12):
        held = must_claim(database, mine)
        assert (held.attempts, held.retries) == (1, retries)
        assert not fail(database, held, SourceError(SOURCE_ERRORS[retries % len(SOURCE_ERRORS)], "it is away"))
        assert claim(database, mine) is None, "not even its own before the pause is over"
        with database.read() as connection:
            trouble = buckets.source_trouble(connection, "bot")
        assert trouble is not None and trouble.endswith(": it is away")
        pauses.append(waits(database))
        pass_time(database, timedelta(seconds=pauses[-1] + 1))
    assert pauses[0] == pytest.approx(2, abs=1.5)
    assert pauses[4] == pytest.approx(32, abs=1.5)
    assert max(pauses) == pytest.approx(120, abs=1.5)
    finish(database, must_claim(database, mine))
    row = only_row(database)
    assert (row.result, row.reason, row.retries, row.attempts, row.next_attempt_at) == ("done", None, 0, 0, None)
    with database.read() as connection:
        assert buckets.source_trouble(connection, "bot") is None


def test_pauses_are_bounded_whatever_the_number() -> None:
    assert [retry_delay(n).total_seconds() for n in (0, 1, 5, 6, 7, 10**9)] == [2, 4, 64, 120, 120, 120]


@pytest.mark.parametrize("error", [ZeroDivisionError(), MemoryError(), SourceError("unreadable", "no number: 'x'")])
def test_what_the_bucket_holds_counts_and_the_third_attempt_is_the_last(database: Database, error: Exception) -> None:
    mine = leases.new_owner()
    for attempt in (1, 2):
        held = must_claim(database, mine)
        assert held.attempts == attempt
        assert not fail(database, held, error)
        # An error of the source between two attempts neither counts nor lets the others be forgotten.
        pass_time(database, timedelta(hours=1))
        assert not fail(database, must_claim(database, mine), SourceError("missing_table", "it is away"))
        pass_time(database, timedelta(hours=1))
    assert fail(database, must_claim(database, mine), error)
    row = only_row(database)
    kind = "unreadable: no number: 'x'" if isinstance(error, SourceError) else f"internal: {type(error).__name__}"
    assert (row.state, row.result, row.reason) == ("finished", "failed", kind)
    with database.read() as connection:
        spent = ledger.since(connection, "bot", [START], START + timedelta(hours=1))[START]
    assert spent == SpendTotals(unknown=1)


def test_a_bucket_that_is_owed_again_stays_so_when_its_attempt_comes_to_nothing(database: Database) -> None:
    mine = leases.new_owner()
    finish(database, must_claim(database, mine))
    with database.write() as connection:
        buckets.mark_stale(connection, "bot", [START])
    for error in (SourceError("denied", "no"), ZeroDivisionError()):
        assert not fail(database, must_claim(database, mine), error)
        with database.read() as connection:
            assert buckets.stale_starts(connection, "bot") == [START]
        pass_time(database, timedelta(hours=1))
    must_claim(database, leases.new_owner())  # and its process ends
    with database.read() as connection:
        assert buckets.stale_starts(connection, "bot") == [START]


def test_failed_buckets_of_a_stretch_are_owed_again_and_waiting_ones_wait_no_longer(database: Database) -> None:
    mine = leases.new_owner()
    with database.write() as connection:
        claims.fail(connection, claims.claim(connection, "bot", BUCKET, mine), "internal: ValueError")  # type: ignore[arg-type]
    fail(database, must_claim(database, mine, OTHER), SourceError("denied", "no"))
    end = OTHER.end
    with database.write() as connection:
        assert buckets.failed_reasons(connection, "bot", START, end) == ["internal: ValueError"]
        buckets.retry_now(connection, "bot", START, end)
        assert buckets.failed_reasons(connection, "bot", START, end) == []
        assert buckets.stale_starts(connection, "bot") == [START]
    assert must_claim(database, mine).retries == 1
    assert must_claim(database, mine, OTHER).retries == 1


def test_what_failed_for_its_source_is_owed_again_after_the_upgrade(database: Database) -> None:
    reasons = {
        "missing_column: `columns.x` is not there": "stale",
        "denied: the password": "stale",
        "internal: ZeroDivisionError": "finished",
    }
    rows = [
        {
            "monitor": "bot",
            "start": START + place * FIVE,
            "state": "finished",
            "result": "failed",
            "reason": reason,
            "fence": 3,
            "attempts": 0,
            "revision": 1,
            "retries": 0,
            "audits": 0,
        }
        for place, reason in enumerate(reasons)
    ]
    with database.write() as connection:
        connection.execute(sa.insert(bucket_table), rows)
        settings = migrate._settings()
        settings.attributes["connection"] = connection
        command.downgrade(settings, "0016")
        command.upgrade(settings, "head")
        found = connection.execute(sa.select(bucket_table.c.reason, bucket_table.c.state)).all()
        assert dict(found) == reasons  # type: ignore[arg-type]


# ---------------------------------------------------------------------- processes that ended

PROGRAM = "from monitor.store.leases import new_owner; print(new_owner(), flush=True); input()"


def test_a_process_is_known_to_have_ended_only_when_it_could_be_looked_at() -> None:
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=pipe, stdout=pipe, text=True)
    assert child.stdout is not None
    owner = child.stdout.readline().strip()
    host, pid, machine, start, token = owner.split(":")
    recycled = f"{host}:{pid}:{machine}:{int(start) - 1}:{token}"
    elsewhere = f"{host}:{pid}:{'0' * 12}:{int(start) - 1}:{token}"
    unknown = f"{host}:{pid}::{start}:{token}"
    try:
        assert leases.dead([owner, leases.new_owner(), elsewhere, unknown, "host:1:old", ""]) == []
        assert leases.dead([recycled]) == [recycled], "its number is another process's now"
        child.kill()
        eventually(lambda: leases.dead([owner]) == [owner], 60, "the end of a process that nobody has waited for")
    finally:
        child.kill()
        child.communicate()
    assert leases.dead([owner, elsewhere]) == [owner]
    assert len(owner) <= 128


def end(monkeypatch: pytest.MonkeyPatch, *owners: str) -> None:
    monkeypatch.setattr(leases, "dead", lambda known: [owner for owner in known if owner in owners])


def test_claims_of_ended_processes_are_freed_and_those_of_others_are_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    must_claim(database, "gone")
    must_claim(database, "here", OTHER)
    end(monkeypatch, "gone")
    with database.write() as connection:
        assert claims.release_orphaned(connection) == 1
    assert must_claim(database, "next").attempts == 2, "it may have ended the process"
    assert claim(database, "next", OTHER) is None


def test_of_buckets_that_may_have_ended_the_process_twice_one_is_tried_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(monkeypatch, "gone")
    monitors = ("a", "b", "c")
    for _ in range(2):
        for monitor in monitors:
            must_claim(database, "gone", BUCKET, monitor)
        with database.write() as connection:
            assert claims.release_orphaned(connection) == 3
    tried = [monitor for monitor in monitors if claim(database, "next", BUCKET, monitor)]
    assert tried == ["a"]
    pass_time(database, claims.LEASE + timedelta(seconds=1))
    assert claim(database, "next", BUCKET, "b") is not None
    assert claim(database, "next", BUCKET, "c") is None


def action() -> Action:
    return Action(
        "a-0", "bot", "i-1", "slack", "firing", "auto", "pending", "drift", {"type": "x"}, START, 0, START + 10 * FIVE
    )


def test_an_action_is_taken_back_by_its_own_deliverer_and_freed_when_that_has_ended(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as connection:
        outbox.save_actions(connection, [action()])
        first = outbox.claim_next(connection, START, "one")
        assert outbox.claim_next(connection, START, "two") is None
        assert outbox.release_orphaned(connection) == 0
        again = outbox.claim_next(connection, START, "one")
        assert (again.id, again.fence) == ("a-0", first.fence + 1)
        assert not outbox.record(connection, first, state="delivered")
        end(monkeypatch, "one")
        assert outbox.release_orphaned(connection) == 1
        assert outbox.record(connection, outbox.claim_next(connection, START, "two"), state="delivered")
        row = connection.execute(sa.select(actions)).one()
    assert (row.state, row.owner, row.lease_until) == ("delivered", None, None)


# ---------------------------------------------------------------------- errors of our own database

AWAY = ["40001", "40P01", "53100", "53300", "55P03", "57014", "57P01", "58030", "25006", "08006"]
OF_THE_STATEMENT = ["22001", "22P02", "23505", "42P01", "54000", "P0001"]


@pytest.mark.parametrize(("state", "away"), [*((s, True) for s in AWAY), *((s, False) for s in OF_THE_STATEMENT)])
def test_postgres_says_whether_it_is_away_or_dislikes_the_statement(
    postgres_url: str, state: str, *, away: bool
) -> None:
    database = Database(postgres_url)
    with pytest.raises(sa.exc.DBAPIError) as caught, database.write() as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")
    database.close()
    assert is_unavailable(caught.value) is away


def test_a_server_that_is_not_there_is_away() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(sa.exc.DBAPIError) as caught, database.read():
        pass
    assert is_unavailable(caught.value)


def test_sqlite_says_whether_it_is_full_or_dislikes_the_statement(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with pytest.raises(sa.exc.DBAPIError) as full, database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 2")
        for number in range(5):
            connection.exec_driver_sql(f"CREATE TABLE t{number} (x)")
    assert is_unavailable(full.value)
    with pytest.raises(sa.exc.DBAPIError) as wrong, database.write() as connection:
        connection.exec_driver_sql("SELECT * FROM nothing")
    assert not is_unavailable(wrong.value)
    database.close()
