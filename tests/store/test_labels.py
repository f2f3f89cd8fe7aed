"""Imported labels, in both stores."""

from __future__ import annotations

from monitor.store import labels
from monitor.store.database import Database


def test_labels_are_kept_by_record_and_the_last_one_wins(database: Database) -> None:
    many = {f"record {number}": "yes" for number in range(1200)}
    with database.write() as connection:
        assert not labels.has_labels(connection, "bot")
        labels.put(connection, "bot", many)
        labels.put(connection, "bot", {"record 7": "no", "größe\u2028": "no"})
        labels.put(connection, "other", {"record 8": "no"})
        labels.put(connection, "bot", {})
    with database.read() as connection:
        held = labels.load_labels(connection, "bot", [*many, "größe\u2028", "unknown"])
        assert labels.has_labels(connection, "bot")
        assert not labels.has_labels(connection, "third")
    assert held == {**many, "record 7": "no", "größe\u2028": "no"}
