"""Breakers in the daemon: opened by real buckets, told once, the same for all replicas, and answered from memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.cli.breakers import find_breaker
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import cross_check
from monitor.config.models import Config, ConfigError
from monitor.core.operation import Author, OperationError, RoleError, SetBreaker
from monitor.daemon import Daemon
from monitor.jobs.manual_breaker import set_breaker
from monitor.store import audit, breakers, reads, silences
from monitor.store.database import Database
from monitor.web.breakers import Board
from tests.support import prefork
from tests.support.hand import Hand
from tests.support.nightly import ON_POSTGRESQL_NIGHTLY
from tests.support.receiver import Receiver, listening, slack
from tests.support.receivers import settings_of, slack_settings
from tests.support.world import START

HOUR = timedelta(hours=1)
TABLE = sa.Table(
    "log",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime, index=True),
    sa.Column("tenant", sa.String(20)),
    sa.Column("cost", sa.Float),
    sa.Column("status", sa.Integer),
)


class Shop:
    """An application's log of whole hours: 40 requests each."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = sa.create_engine(url)
        TABLE.metadata.create_all(self._engine)
        self._next = 0

    def hours(self, first: int, last: int, cost: float = 1.0, tenant: str = "a", failing: float = 0.0) -> None:
        rows = []
        for hour in range(first, last):
            for place in range(40):
                at = START + hour * HOUR + place * timedelta(seconds=60)
                status = 500 if place < 40 * failing else 200
                self._next += 1
                row = {"at": at.replace(tzinfo=None), "tenant": tenant, "cost": cost / 40, "status": status}
                rows.append({"id": self._next, **row})
        with self._engine.begin() as connection:
            connection.execute(sa.insert(TABLE), rows)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(f"sqlite:///{tmp_path / 'log.db'}")


def config(shop: Shop, store: str, breaker: dict[str, Any], hook: str = "", **monitor: Any) -> Config:
    told = {
        "name": "bot",
        "bucket": "1h",
        "window": "2h",
        "settle": "0s",
        "catch_up": "3650d",
        "min_samples": 10,
        "source": {
            "url": shop.url,
            "table": "log",
            "columns": {"timestamp": "at", "id": "id", "cost": "cost", "status": "status"},
        },
        "baseline": {"from": START.isoformat(), "to": (START + 12 * HOUR).isoformat(), "min_rows": 10},
        "signals": ["failed"],
        "checks": [{"spend": {"daily": 100}}],
        "breakers": [{"name": "guard", **breaker}],
        **monitor,
    }
    actions = (
        {"told": {"webhook": {"url": hook, "secret": "whsec_c2VjcmV0LW9mLXRoZS1ob29r"}, "kind": "notify"}}
        if hook
        else {}
    )
    made = Config.model_validate({"store": store, "monitors": [told], "actions": actions})
    assert cross_check(made) == []
    return made


@contextmanager
def working(made: Config) -> Iterator[tuple[Daemon, Database, Hand]]:
    with open_store(made, upgrade=True) as database:
        daemon = make_daemon(database, made, Hand(START))
        clock = daemon.clock
        assert isinstance(clock, Hand)
        yield daemon, database, clock
        daemon.monitors[0].close()


def until(daemon: Daemon, clock: Hand, hour: int, late: timedelta = timedelta(0)) -> None:
    """Let the daemon work off every hour as it ends."""
    while clock.moment < START + hour * HOUR + late:
        clock.moment = min(clock.moment + HOUR, START + hour * HOUR + late)
        while daemon.turn(daemon.monitors[0]):
            pass


def path(database: Database) -> list[tuple[int, str, str]]:
    """Return hour, value and state of every transition, oldest first."""
    with database.read() as connection:
        rows = breakers.transitions(connection, "guard", 500)
    return [((row.at - START) // HOUR, row.value, row.state) for row in reversed(rows)]


def test_a_spent_budget_opens_within_a_bucket_and_the_new_day_closes(shop: Shop, migrated_url: str) -> None:
    shop.hours(0, 20)
    shop.hours(20, 24, cost=50.0)  # 20 by 20:00, 70 by 21:00, 120 by 22:00
    shop.hours(24, 27)
    receiver = Receiver()
    with (
        listening(receiver),
        working(config(shop, migrated_url, {"budget": "spend", "do": ["told"]}, receiver.url)) as (
            daemon,
            database,
            clock,
        ),
    ):
        until(daemon, clock, 27)
        assert path(database) == [(22, "", "open"), (25, "", "closed")]
        daemon.deliver()
        daemon.deliver()
        assert daemon.monitors[0].monitor.breakers[0].renews
    bodies = [json.loads(request.body) for request in receiver.requests]
    assert [body["type"] for body in bodies] == ["driftd.breaker.open", "driftd.breaker.closed"]
    assert "the daily budget of 100.00 USD is gone: 120.00 are spent" in bodies[0]["data"]["summary"]
    assert bodies[0]["data"]["breaker"]["until"] == (START + 24 * HOUR).isoformat()
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 2


def test_looking_ahead_opens_before_the_budget_is_gone(shop: Shop, sqlite_url: str) -> None:
    shop.hours(0, 20)
    shop.hours(20, 24, cost=50.0)
    with working(config(shop, sqlite_url, {"budget": "spend", "ahead": 1})) as (daemon, database, clock):
        until(daemon, clock, 23)
        assert path(database) == [(21, "", "open")]


@ON_POSTGRESQL_NIGHTLY
def test_each_tenant_has_its_own_and_the_others_go_on(shop: Shop, migrated_url: str) -> None:
    shop.hours(0, 24, cost=2.0, tenant="a")
    shop.hours(0, 24, cost=9.0, tenant="b")
    spend = {"name": "tenants", "daily": 100, "by": "tenant", "limits": {"a": 30}}
    made = config(shop, migrated_url, {"budget": "tenants"}, checks=[{"spend": spend}])
    with working(made) as (daemon, database, clock):
        until(daemon, clock, 15)
        assert path(database) == [(13, "b", "open"), (15, "a", "open")]
        board = Board(database, made, clock)
        board.refresh()
        assert [board.answer("guard", who)["allow"] for who in ("a", "b", "c")] == [False, False, True]
        assert "the daily budget of 30.00 USD is gone" in board.answer("guard", "a")["reason"]


def test_failing_requests_open_it_probes_close_it(shop: Shop, sqlite_url: str) -> None:
    shop.hours(0, 14)
    shop.hours(14, 15, failing=0.5)
    # From 15:00 on it is open: nothing is sent. From 17:00 on probes go out, and go well.
    shop.hours(17, 20)
    made = config(shop, sqlite_url, {"rate": "failed", "above": 0.2, "open_for": "2h"})
    with working(made) as (daemon, database, clock):
        until(daemon, clock, 20)
        assert path(database) == [(15, "", "open"), (17, "", "half_open"), (18, "", "closed")]


def test_a_rate_is_watched_before_there_is_a_baseline(shop: Shop, sqlite_url: str) -> None:
    shop.hours(0, 6, failing=0.5)
    made = config(
        shop,
        sqlite_url,
        {"rate": "failed", "above": 0.2},
        baseline={"rolling": "14d"},
        start=START.isoformat(),
        checks=[],
    )
    with working(made) as (daemon, database, clock):
        until(daemon, clock, 3)
        assert path(database)[0] == (1, "", "open")


def test_a_firing_rule_opens_it_and_only_its_end_closes_it(shop: Shop, sqlite_url: str) -> None:
    shop.hours(0, 14)
    shop.hours(14, 16, failing=0.5)
    shop.hours(16, 24)
    made = config(
        shop,
        sqlite_url,
        {"rule": "errors", "open_for": "1h"},
        checks=[{"rate": {"signal": "failed", "max": 0.2}}],
        rules=[{"name": "errors", "when": ["rate"], "for": 1, "resolve_for": 1}],
    )
    with working(made) as (daemon, database, clock):
        until(daemon, clock, 24)
        states = [state for _, _, state in path(database)]
        with database.read() as connection:
            (incident,) = reads.incident_rows(connection, "bot")
    assert states[:2] == ["open", "half_open"]
    assert states[-1] == "closed"
    assert incident.state == "resolved"


def test_no_rows_and_few_rows_open_nothing(shop: Shop, sqlite_url: str) -> None:
    shop.hours(0, 13)
    made = config(shop, sqlite_url, {"rate": "failed", "above": 0.2, "min_samples": 41})
    shop.hours(13, 14, failing=1.0)
    with working(made) as (daemon, database, clock):
        until(daemon, clock, 18)
        assert path(database) == []


def test_three_replicas_agree_and_tell_once(shop: Shop, postgres_url: str) -> None:
    shop.hours(0, 24, cost=10.0)
    receiver = Receiver()
    with listening(receiver):
        made = config(shop, postgres_url, {"budget": "spend", "do": ["told"]}, receiver.url)
        with working(made) as first, working(made) as second, working(made) as third:
            replicas = [first, second, third]
            for hour in range(1, 15):
                for _, _, clock in replicas:
                    clock.moment = START + hour * HOUR
                for place in range(3):  # another one is the first each hour
                    daemon, _, _ = replicas[(hour + place) % 3]
                    while daemon.turn(daemon.monitors[0]):
                        pass
            boards = [Board(database, made, clock) for _, database, clock in replicas]
            for board in boards:
                board.refresh()
            answers = [board.answer("guard", "") for board in boards]
            for daemon, _, _ in replicas:
                daemon.deliver()
            assert len(path(first[1])) == 1
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["state"] == "open"
    assert len(receiver.requests) == 1


def test_a_bucket_that_is_computed_again_opens_and_tells_nothing_twice(shop: Shop, sqlite_url: str) -> None:
    shop.hours(0, 16, cost=10.0)
    with working(config(shop, sqlite_url, {"budget": "spend"})) as (daemon, database, clock):
        until(daemon, clock, 14)
        before = path(database)
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE buckets SET state = 'stale'")
        while daemon.turn(daemon.monitors[0]):
            pass
        assert path(database) == before != []


def test_the_board_answers_without_a_database_and_says_how_old_it_is(shop: Shop, sqlite_url: str) -> None:
    shop.hours(0, 24)
    made = config(shop, sqlite_url, {"budget": "spend", "on_unknown": "open"})
    with working(made) as (daemon, database, clock):
        until(daemon, clock, 14)
        board = Board(database, made, clock)
        assert board.answer("guard", "")["knowledge"]["known"] is False
        board.refresh()
        assert board.answer("guard", "")["allow"] is True
        with database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE breakers RENAME TO gone")
        clock.moment += HOUR
        board.refresh()
        told = board.answer("guard", "")
        assert (told["allow"], told["knowledge"]["age_seconds"]) == (True, 3600.0)
        clock.moment += 3 * HOUR
        told = board.answer("guard", "")
        assert (told["state"], told["allow"], told["knowledge"]["known"]) == ("open", False, False)
        assert "on_unknown is open, so requests are refused" in told["reason"]


def test_a_budget_that_is_gone_stays_gone_however_old_the_knowledge_until_its_day_ends(
    shop: Shop, sqlite_url: str
) -> None:
    shop.hours(0, 24, cost=10.0)
    made = config(shop, sqlite_url, {"budget": "spend"})
    with working(made) as (daemon, database, clock):
        until(daemon, clock, 14)
        board = Board(database, made, clock)
        board.refresh()
        clock.moment = START + 23 * HOUR
        assert board.answer("guard", "")["state"] == "open"
        clock.moment = START + 24 * HOUR
        told = board.answer("guard", "")
        assert (told["state"], told["allow"]) == ("closed", True)
        assert "on_unknown is closed" in told["reason"]


@pytest.mark.parametrize("probes", [0.05, 0.3, 7.0])
def test_as_many_probes_go_through_as_were_asked_for(shop: Shop, sqlite_url: str, probes: float) -> None:
    shop.hours(0, 13)
    shop.hours(13, 14, failing=1.0)
    made = config(shop, sqlite_url, {"rate": "failed", "above": 0.2, "open_for": "1h", "probes": probes})
    with working(made) as (daemon, database, clock):
        until(daemon, clock, 15)
        board = Board(database, made, clock)
        board.refresh()
        assert board.answer("guard", "", peek=True)["state"] == "half_open"
        through = sum(board.answer("guard", "", claim=True)["allow"] for _ in range(1000))
        spread = 0.0 if probes >= 1 else (1000 * probes * (1 - probes)) ** 0.5
        assert abs(through - (probes if probes >= 1 else 1000 * probes)) <= 5 * spread
        if probes >= 1:
            assert not any(board.answer("guard", "")["allow"] for _ in range(1000))


ADA = Author("ada", "cli", "admin")


def open_by_hand(
    database: Database, config: Config, length: timedelta, clock: Hand, author: Author = ADA, reason: str = "a loop"
) -> None:
    monitor, _ = find_breaker(config, "guard", "")
    operation = SetBreaker(monitor.name, "guard", "", "open", length, reason=reason)
    set_breaker(database, config, operation, author, clock)


def test_who_sets_a_breaker_is_in_the_audit_log(shop: Shop, sqlite_url: str) -> None:
    made = config(shop, sqlite_url, {"budget": "spend"})
    with working(made) as (_, database, clock):
        at = clock.now()
        open_by_hand(database, made, 2 * HOUR, clock)
        with pytest.raises(RoleError, match="eve has the role viewer"):
            open_by_hand(database, made, HOUR, clock, Author("eve", "cli", "viewer", is_verified=True))
        with pytest.raises(OperationError, match="the name of who responds is missing"):
            open_by_hand(database, made, HOUR, clock, Author(" ", "cli", "admin"))
        with database.read() as connection:
            refused, done = audit.load_entries(connection)
            (row,) = breakers.rows(connection, ["guard"])
    assert (done.at, done.by, done.operation, done.result, done.reason) == (at, "ada", "set_breaker", "done", "a loop")
    assert (done.subject_kind, done.subject, done.monitor) == ("breaker", "guard", "bot")
    assert done.detail == {"from": "closed", "to": "open", "until": (at + 2 * HOUR).isoformat()}
    assert (refused.by, refused.result) == ("eve", "refused")
    assert (row.state, row.who) == ("open", "ada")


def test_a_person_opens_and_closes_and_the_machine_waits(shop: Shop, sqlite_url: str) -> None:
    shop.hours(0, 24)
    receiver = Receiver()
    with listening(receiver):
        made = config(shop, sqlite_url, {"budget": "spend", "do": ["told"]}, receiver.url)
        with working(made) as (daemon, database, clock):
            until(daemon, clock, 14)
            open_by_hand(database, made, 2 * HOUR, clock)
            board = Board(database, made, clock)
            board.refresh()
            told = board.answer("guard", "")
            assert (told["state"], told["by"], told["reason"]) == ("open", "ada", "a loop")
            until(daemon, clock, 15)
            assert path(database) == [(14, "", "open")]
            until(daemon, clock, 16)
            assert path(database)[-1] == (16, "", "closed")
            daemon.deliver()
    assert len(receiver.requests) == 2


def test_a_silenced_breaker_moves_and_tells_nobody_until_the_silence_ends(shop: Shop, sqlite_url: str) -> None:
    shop.hours(0, 24)
    receiver = Receiver()
    with listening(receiver):
        made = config(shop, sqlite_url, {"budget": "spend", "do": ["told"]}, receiver.url)
        with working(made) as (daemon, database, clock):
            until(daemon, clock, 13)
            row = {"monitor": "bot", "rule": "breaker.guard", "starts_at": START, "ends_at": START + 16 * HOUR}
            with database.write() as connection:
                silences.add_silence(connection, {**row, "comment": "", "created_by": "me"})
            open_by_hand(database, made, 9 * HOUR, clock)
            until(daemon, clock, 15)
            daemon.deliver()
            assert path(database) == [(13, "", "open")]
            assert receiver.requests == []
            until(daemon, clock, 20)
            daemon.deliver()
    (request,) = receiver.requests
    assert json.loads(request.body)["type"] == "driftd.breaker.open"


def test_what_was_set_by_hand_meanwhile_wins_over_the_bucket(shop: Shop, sqlite_url: str) -> None:
    shop.hours(0, 24, cost=10.0)
    made = config(shop, sqlite_url, {"budget": "spend"})
    with working(made) as (daemon, database, clock):
        until(daemon, clock, 10)
        with database.read() as connection:
            held = breakers.load_breakers(connection, ["guard"])
        until(daemon, clock, 14)
        with database.write() as connection:
            stale = held.get(("guard", ""))
            after = breakers.load_breakers(connection, ["guard"])["guard", ""]
            assert not breakers.put(connection, "bot", ("guard", ""), stale, after)


@pytest.mark.parametrize(
    ("breaker", "said"),
    [
        ({}, "exactly one of"),
        ({"budget": "spend", "rule": "x"}, "exactly one of"),
        ({"rate": "failed"}, "go together"),
        ({"rule": "*", "probes": 2.5}, "whole number"),
    ],
)
def test_a_breaker_that_means_nothing_is_refused(shop: Shop, breaker: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        config(shop, "sqlite://", breaker)


def test_what_a_breaker_names_must_be_there(shop: Shop) -> None:
    good = config(shop, "sqlite://", {"budget": "spend"}, "http://127.0.0.1:1/")
    monitor = good.monitors[0]
    spec = monitor.breakers[0]
    for wrong, said in (
        ({"budget": "spent"}, "Did you mean 'spend'"),
        ({"do": ["nobody"]}, "unknown name 'nobody'"),
    ):
        bad = monitor.model_copy(update={"breakers": [spec.model_copy(update=wrong)]})
        (problem,) = cross_check(good.model_copy(update={"monitors": [bad]}))
        assert said in problem.message
    twice = monitor.model_copy(update={"breakers": [spec, spec]})
    assert all("is taken" in p.message for p in cross_check(good.model_copy(update={"monitors": [twice]})))
    roll = settings_of("webhook", effect={"kind": "rollback"})
    told = monitor.model_copy(update={"breakers": [spec.model_copy(update={"do": ["told"]})]})
    (problem,) = cross_check(good.model_copy(update={"monitors": [told], "receivers": {"told": roll}}))
    assert "without `effect:`" in problem.message


def test_the_command_line_lists_opens_and_closes(shop: Shop, sqlite_url: str, tmp_path: Path) -> None:
    made = config(shop, sqlite_url, {"budget": "spend"})
    with open_store(made, upgrade=True):
        pass
    file = tmp_path / "driftd.yaml"
    monitor = {
        "name": "bot",
        "source": {"url": shop.url, "table": "log", "columns": {"timestamp": "at"}},
        "checks": [{"spend": {"daily": 100}}],
        "breakers": [{"name": "guard", "budget": "spend"}],
    }
    file.write_text(json.dumps({"store": sqlite_url, "monitors": [monitor]}))
    for arguments in (
        ["open", "guard", "--reason", "a loop", "--for", "2h"],
        ["list", "--json"],
        ["close", "guard", "--reason", "it was found"],
    ):
        done = prefork.run(["breakers", *arguments, "--config", file])
        assert done.returncode == 0, done.stderr
        if arguments[0] == "list":
            (row,) = json.loads(done.stdout)["breakers"]
            assert (row["state"], row["reason"]) == ("open", "a loop")
    with pytest.raises(ConfigError, match="Did you mean 'guard'"):
        find_breaker(made, "gard", "")
    with pytest.raises(ConfigError, match="leave --value out"):
        find_breaker(made, "guard", "team-a")


def test_slack_hears_of_an_episode_in_one_thread(shop: Shop, sqlite_url: str) -> None:
    shop.hours(0, 14)
    shop.hours(14, 15, failing=0.5)
    shop.hours(17, 20)
    with listening(slack()) as receiver:
        made = config(shop, sqlite_url, {"rate": "failed", "above": 0.2, "open_for": "2h"})
        spec = made.monitors[0].breakers[0].model_copy(update={"do": ["slack"]})
        monitor = made.monitors[0].model_copy(update={"breakers": [spec]})
        receivers = {"slack": slack_settings(receiver.url)}
        with working(made.model_copy(update={"monitors": [monitor], "receivers": receivers})) as (daemon, _, clock):
            until(daemon, clock, 20)
            for _ in range(4):
                daemon.deliver()
    said = [request.form() for request in receiver.requests if request.path.endswith("postMessage")]
    for form, words in zip(said, ("is open", "half-open", "closed again"), strict=True):
        assert words in str(form["text"])
    assert "thread_ts" not in said[0]
    assert said[1]["thread_ts"] == said[2]["thread_ts"]
