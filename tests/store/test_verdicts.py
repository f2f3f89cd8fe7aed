"""What a judge said of records: found by long ids, dropped when it is old."""

from __future__ import annotations

import sqlalchemy as sa

from monitor.store import judge_labels, tables
from monitor.store.database import Database
from tests.support.world import START


def test_verdicts_of_long_ids_are_found_and_old_ones_dropped(database: Database) -> None:
    long, rows = "x" * 140, tables.verdicts
    with database.write() as connection:
        judge_labels.save_verdicts(connection, "bot", {long[: judge_labels.LONGEST_ID]: 0.2, "old": 0.9}, START, START)
        connection.execute(sa.update(rows).where(rows.c.record == "old").values(at=START - 2 * judge_labels.RETENTION))
        assert judge_labels.load_verdicts(connection, "bot", [long, "old", "none"]) == {long: 1.0, "old": 0.0}
        judge_labels.save_verdicts(connection, "bot", {"new": 1.0}, START, START)
        assert judge_labels.load_verdicts(connection, "bot", [long, "old", "new"]) == {long: 1.0, "new": 0.0}
