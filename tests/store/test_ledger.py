"""The ledger on both stores: sums by hour and by value, whatever is computed again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command

from detectors.cost.budget import SpendTotals
from detectors.cost.ledger import CostSummary
from monitor.core.schedule import Bucket
from monitor.store import aggregates, ledger, migrate
from monitor.store.database import Database

START = datetime(2026, 11, 1, tzinfo=UTC)
MINUTES = timedelta(minutes=5)
HOUR = timedelta(hours=1)


def save(database: Database, place: int, again: bool = False, **tenants: float) -> None:
    start = START + place * MINUTES
    parts = {("tenant", name): SpendTotals(amount, 2, 1) for name, amount in tenants.items()}
    bill = CostSummary({("", ""): SpendTotals(sum(tenants.values()), 2 * len(tenants), len(tenants)), **parts})
    with database.write() as connection:
        ledger.save(connection, "bot", Bucket(start, start + MINUTES), bill, again=again)


def test_hours_are_summed_when_a_bucket_is_written_and_the_last_one_as_far_as_it_is_known(database: Database) -> None:
    for place in range(24):
        save(database, place, a=1.0)
    with database.read() as connection:
        found = ledger.hours(connection, "bot", START, START + HOUR + 3 * MINUTES)
        assert ledger.oldest(connection, "bot") == START
        assert ledger.oldest(connection, "nobody") is None
    assert found == {START: 12.0, START + HOUR: 3.0}


def test_any_stretch_is_the_sum_of_its_buckets(database: Database) -> None:
    for place in range(48):
        save(database, place, a=float(2**place))
    with database.read() as connection:
        for first, last in ((0, 48), (1, 47), (3, 9), (5, 14), (12, 24), (11, 25), (0, 0), (7, 12), (12, 17)):
            start, until = START + first * MINUTES, START + last * MINUTES
            wanted = float(sum(2**place for place in range(first, last)))
            assert ledger.since(connection, "bot", [start], until)[start] == SpendTotals(
                wanted, 2 * (last - first), last - first
            )
            parts = ledger.by_value(connection, "bot", "tenant", start, until)
            assert sum(spent.amount for spent in parts.values()) == wanted


def test_what_is_read_does_not_grow_with_the_buckets_of_a_month(database: Database) -> None:
    for place in range(0, 288 * 3, 6):
        save(database, place, a=1.0)
    end = START + 3 * timedelta(days=1)
    whole = ledger._whole_hours(START, end)
    assert ledger._edges(START, end) == [(START, START), (end, end)]
    with database.read() as connection:
        hours = ledger.hours(connection, "bot", *whole)
        stored = connection.execute(sa.select(sa.func.count()).select_from(ledger.ledger_hours)).scalar_one()
    assert sum(hours.values()) == 144.0
    assert stored == 2 * 72, "an hour, its whole and its tenant"


def test_a_bucket_that_failed_is_unknown_and_not_nothing_until_it_is_read(database: Database) -> None:
    save(database, 0, a=1.0)
    here = Bucket(START + MINUTES, START + 2 * MINUTES)
    with database.write() as connection:
        ledger.save(connection, "bot", here, CostSummary({("", ""): SpendTotals(unknown=1)}))
    with database.read() as connection:
        assert ledger.since(connection, "bot", [START], START + HOUR)[START] == SpendTotals(1.0, 2, 1, 1)
    save(database, 1, a=3.0)
    with database.read() as connection:
        assert ledger.since(connection, "bot", [START], START + HOUR)[START] == SpendTotals(4.0, 4, 2, 0)


def test_old_buckets_are_dropped_once_a_day_and_stay_summed_by_the_hour(database: Database) -> None:
    save(database, 0, a=1.0)
    midnight = 40 * 288 - 1
    save(database, midnight, a=2.0)
    save(database, 1, again=True, a=64.0)  # too old to be counted again
    with database.read() as connection:
        kept = aggregates.starts(connection, "bot", ledger.COST, START)
        months = ledger.hours(connection, "bot", START, START + timedelta(days=41))
    assert kept == [START + midnight * MINUTES]
    assert list(months.values()) == [1.0, 2.0]
    save(database, 180 * 288 - 1, a=2.0)
    with database.read() as connection:
        assert list(ledger.hours(connection, "bot", START, START + timedelta(days=181)).values()) == [2.0]


def test_history_that_is_counted_late_is_added_to_its_hours(database: Database) -> None:
    save(database, 100 * 288, a=1.0)
    for place in (0, 1, 12):
        save(database, place, a=2.0, b=1.0)
    with database.read() as connection:
        whole = ledger.hours(connection, "bot", START, START + timedelta(days=101))
        tenant = ledger.hours(connection, "bot", START, START + timedelta(days=101), ("tenant", "b"))
        total = ledger.since(connection, "bot", [START], START + HOUR)[START]
    assert list(whole.values()) == [6.0, 3.0, 1.0]
    assert list(tenant.values()) == [2.0, 1.0]
    assert total == SpendTotals(6.0, 8, 4)


def test_an_hour_at_the_edge_of_what_is_kept_keeps_its_sum(database: Database) -> None:
    for place in range(276, 288):  # the last hour of the first day
        save(database, place, a=1.0)
    save(database, 36 * 288 - 1, a=1.0)  # the midnight by which that day is dropped
    save(database, 287, again=True, a=1.0)
    with database.read() as connection:
        assert list(ledger.hours(connection, "bot", START, START + timedelta(days=1)).values()) == [12.0]


def test_buckets_of_an_hour_that_are_written_at_once_are_all_in_its_sum(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda place: save(database, place, a=1.0), range(12)))
    with database.read() as connection:
        assert ledger.hours(connection, "bot", START, START + HOUR) == {START: 12.0}


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


def test_hours_are_made_of_the_buckets_that_an_older_version_left(database: Database) -> None:
    """The daemon of then wrote buckets only: what budgets ask for is the same after the upgrade."""
    for place in range(24):
        save(database, place, a=1.0, b=2.0)
    everything = sa.select(ledger.ledger_hours).order_by(*ledger.ledger_hours.primary_key)
    text, spent = sa.text, "monitor, start, amount, requests, unpriced"
    with database.write() as connection:
        before = connection.execute(everything).all()
        settings = migrate._settings()
        settings.attributes["connection"] = connection
        command.downgrade(settings, "0015")
        for place in range(24):
            start = (START + place * MINUTES).isoformat(sep=" ", timespec="microseconds").removesuffix("+00:00")
            start += "" if connection.dialect.name == "sqlite" else "+00:00"
            connection.execute(text(f"INSERT INTO ledger ({spent}) VALUES ('bot', '{start}', 3, 4, 2)"))
            for value, amount in (("a", 1), ("b", 2)):
                row = f"'bot', '{start}', {amount}, 2, 1, 'tenant', '{value}'"
                connection.execute(text(f'INSERT INTO ledger_parts ({spent}, "column", value) VALUES ({row})'))
        command.upgrade(settings, "head")
        assert connection.execute(everything).all() == before
        found = ledger.by_value(connection, "bot", "tenant", START + MINUTES, START + 3 * MINUTES)
    assert len(before) == 6
    assert found == {"b": SpendTotals(4.0, 4, 2), "a": SpendTotals(2.0, 4, 2)}
