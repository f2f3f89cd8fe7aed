"""The ledger on both stores: sums by hour and by value, whatever is computed again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from detectors.spend.bill import Bill
from detectors.spend.budget import Spent
from monitor.schedule import Bucket
from monitor.store import ledger, migrate
from monitor.store.database import Database

START = datetime(2026, 11, 1, tzinfo=UTC)
MINUTES = timedelta(minutes=5)
HOUR = timedelta(hours=1)


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    store = Database(store_url)
    migrate.upgrade(store)
    yield store
    store.close()


def save(database: Database, place: int, **tenants: float) -> None:
    start = START + place * MINUTES
    parts = {("tenant", name): Spent(amount, 2, 1) for name, amount in tenants.items()}
    bill = Bill({("", ""): Spent(sum(tenants.values()), 2 * len(tenants), len(tenants)), **parts})
    with database.write() as connection:
        ledger.save(connection, "bot", Bucket(start, start + MINUTES), bill)


def test_hours_and_quarters_are_summed_by_the_database(database: Database) -> None:
    for place in range(24):
        save(database, place, a=1.0)
    with database.read() as connection:
        hours = ledger.by_step(connection, "bot", START, START + timedelta(hours=9), HOUR)
        quarters = ledger.by_step(connection, "bot", START + HOUR, START + 2 * HOUR, HOUR / 4)
        assert ledger.oldest(connection, "bot") == START
        assert ledger.oldest(connection, "nobody") is None
    assert hours == {START: 12.0, START + HOUR: 12.0}
    assert list(quarters.values()) == [3.0] * 4


def test_a_bucket_that_is_computed_again_replaces_all_its_values(database: Database) -> None:
    save(database, 0, a=1.0, b=2.0)
    save(database, 1, a=4.0)
    save(database, 0, c=8.0)
    with database.read() as connection:
        found = ledger.by_value(connection, "bot", "tenant", START, START + HOUR)
        total = ledger.since(connection, "bot", [START], START + HOUR)[START]
    assert {value: spent.amount for value, spent in found.items()} == {"a": 4.0, "c": 8.0}
    assert (total.amount, total.unpriced) == (12.0, 2)


def test_named_values_come_before_the_dearest(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_VALUES", 2)
    save(database, 0, a=1.0, b=2.0, c=3.0, d=4.0)
    with database.read() as connection:
        found = ledger.by_value(connection, "bot", "tenant", START, START + HOUR, ["a"])
    assert set(found) == {"a", "d", "c"}
