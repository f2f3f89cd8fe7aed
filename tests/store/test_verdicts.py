"""Verdicts of a judge are found by long ids."""

from __future__ import annotations

from monitor.store import judge_labels
from monitor.store.database import Database
from tests.support.world import START


def test_verdicts_of_long_ids_are_found(database: Database) -> None:
    long = "x" * 140
    with database.write() as connection:
        judge_labels.save_verdicts(connection, "bot", {long[: judge_labels.LONGEST_ID]: 0.2, "b": 0.9}, START, START)
        assert judge_labels.load_verdicts(connection, "bot", [long, "b", "none"]) == {long: 1.0, "b": 0.0}
