"""What a judge said of records: found by long ids, dropped when it is old."""

from __future__ import annotations

import sqlalchemy as sa

from monitor.store import tables, verdicts
from monitor.store.database import Database
from tests.support.world import START


def test_verdicts_of_long_ids_are_found_and_old_ones_dropped(database: Database) -> None:
    long, rows = "x" * 140, tables.verdicts
    with database.write() as connection:
        verdicts.keep(connection, "bot", {long[: verdicts.LONGEST_ID]: 0.2, "old": 0.9}, START, START)
        connection.execute(sa.update(rows).where(rows.c.record == "old").values(at=START - 2 * verdicts.KEPT))
        assert verdicts.of_records(connection, "bot", [long, "old", "none"]) == {long: 1.0, "old": 0.0}
        verdicts.keep(connection, "bot", {"new": 1.0}, START, START)
        assert verdicts.of_records(connection, "bot", [long, "old", "new"]) == {long: 1.0, "new": 0.0}
