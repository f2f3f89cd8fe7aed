"""Budgets in the daemon: what real requests cost, in one ledger, whatever is computed again."""

from __future__ import annotations

import csv
import gzip
import random
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import CollectorRegistry
from pydantic import SecretStr

from detectors.cost.budget import SpendTotals
from detectors.cost.ledger import ALL, CostSummary
from monitor.checks.detect import evaluate_bucket
from monitor.checks.evaluation import StoredSums
from monitor.cli.connections import open_reader, open_store
from monitor.cli.factory import make_daemon
from monitor.config.models import BaselineConfig, Config
from monitor.core.schedule import Bucket
from monitor.jobs.one_shot import check
from monitor.metrics.export import StateCollector
from monitor.profiling.spend import foreseen
from monitor.store import ledger, reads
from tests.support.hand import Hand
from tests.support.world import START

TRACE = Path(__file__).parents[2] / "benchmarks" / "data" / "trace_azure2023_code.csv.gz"
HOUR = timedelta(hours=1)
GPT_4O = (2.5e-6, 10e-6)
"""Dollars a token, in and out, as published."""


@pytest.fixture
def log(tmp_path: Path) -> tuple[str, list[tuple[datetime, float]]]:
    """Log an hour of real requests; return when each came and what it cost, by the published price."""
    with gzip.open(TRACE, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first = datetime.fromisoformat(rows[0]["TIMESTAMP"][:26])
    path, costs = tmp_path / "log.db", []
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE log (id INTEGER, at TEXT, model TEXT, tokens_in REAL, tokens_out REAL)")
        for place, row in enumerate(rows):
            at = START + (datetime.fromisoformat(row["TIMESTAMP"][:26]) - first)
            told, said = int(row["ContextTokens"]), int(row["GeneratedTokens"])
            model = "nobody-1" if place % 100 == 0 else "gpt-4o"
            values = (place, at.strftime("%Y-%m-%d %H:%M:%S.%f"), model, told, said)
            connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?)", values)
            costs.append((at, 0.0 if model == "nobody-1" else told * GPT_4O[0] + said * GPT_4O[1]))
    return f"sqlite:///{path}", costs


def config(url: str, folder: Path, **budget: Any) -> Config:
    monitor = {
        "name": "code",
        "source": {
            "url": url,
            "table": "log",
            "columns": {
                "timestamp": "at",
                "id": "id",
                "model_version": "model",
                "input_tokens": "tokens_in",
                "output_tokens": "tokens_out",
            },
        },
        "bucket": "1m",
        "window": "5m",
        "settle": "0s",
        "catch_up": "3650d",
        "features": [],
        "signals": ["price"],
        "baseline": {"from": START.isoformat(), "to": (START + timedelta(minutes=10)).isoformat()},
        "checks": [{"spend": budget}],
    }
    return Config.model_validate({"store": f"sqlite:///{folder / 'driftd.db'}", "monitors": [monitor]})


def test_what_is_spent_equals_the_raw_file_to_the_cent_and_survives_a_second_computation(
    log: tuple[str, list[tuple[datetime, float]]], tmp_path: Path
) -> None:
    url, costs = log
    total = sum(cost for _, cost in costs)
    made = config(url, tmp_path, daily=total * 0.5, monthly=1e6, currency="USD")
    crossed: list[datetime] = []
    with open_store(made, upgrade=True) as database:
        clock = Hand(START)
        daemon = make_daemon(database, made, clock)
        for minute in range(1, 61):
            clock.moment = START + timedelta(minutes=minute)
            daemon.tick_all()
            with database.read() as connection:
                newest = reads.newest_bucket(connection, "code")
                found = (
                    {row.method: row for row in reads.findings_at(connection, "code", newest.start)} if newest else {}
                )
            if found and found["daily"].status == "drifted":
                crossed.append(clock.moment)
        with database.read() as connection:
            spent = ledger.since(connection, "code", [START], START + HOUR)[START]
        registry = CollectorRegistry()
        registry.register(StateCollector(database, made))
        shown = {
            (family.name, sample.labels.get("period")): sample.value
            for family in registry.collect()
            for sample in family.samples
            if family.name.startswith("driftd_spend")
        }
        daemon.monitors[0].close()
    assert spent.amount == pytest.approx(total, abs=0.005)
    assert (spent.requests, spent.unpriced) == (len(costs), -(-len(costs) // 100))
    assert shown["driftd_spend", "daily"] == pytest.approx(total, abs=0.005)
    assert shown["driftd_spend_unpriced_requests", "monthly"] == spent.unpriced
    assert "at least that much" in found["daily"].reason
    half = next(at for place, (at, _) in enumerate(costs) if sum(cost for _, cost in costs[: place + 1]) >= total * 0.5)
    assert crossed[0] - half <= timedelta(minutes=1)  # within one bucket
    assert found["burn_rate"].status == "ok"


def turn(made: Config, minutes: int) -> list[dict[str, Any]]:
    """Let the daemon work, and return the findings of the newest bucket."""
    with open_store(made, upgrade=True) as database:
        daemon = make_daemon(database, made, Hand(START + timedelta(minutes=minutes)))
        while daemon.turn(daemon.monitors[0]):
            pass
        with database.read() as connection:
            newest = reads.newest_bucket(connection, "code")
            found = [vars(row) for row in reads.findings_at(connection, "code", newest.start)]
        daemon.monitors[0].close()
    return found


def test_every_model_has_its_budget_and_what_has_none_is_said(
    log: tuple[str, list[tuple[datetime, float]]], tmp_path: Path, migrated_url: str
) -> None:
    url, costs = log
    until = START + timedelta(minutes=30)
    total = sum(cost for at, cost in costs if at < until)
    made = config(url, tmp_path, daily=1e6, by="model_version", limits={"gpt-4o": total / 2})
    made = made.model_copy(update={"store": SecretStr(migrated_url)})
    found = {(row["method"], row["segment"]): row for row in turn(made, 30)}
    gone = found["daily", "model_version=gpt-4o"]
    assert gone["status"] == "drifted"
    assert gone["detail"]["value"] == pytest.approx(total, abs=0.005)
    unknown = found["daily", "model_version=nobody-1"]
    assert (unknown["status"], unknown["detail"]["value"]) == ("ok", 0.0)
    assert unknown["detail"]["unpriced"] == unknown["n_window"] > 10
    assert ("daily_unassigned", "model_version") not in found
    capped = {
        (row["method"], row["segment"]): row
        for row in turn(config(url, tmp_path / "capped", daily=1e6, by="model_version", max_values=1), 30)
    }
    assert ("daily", "model_version=nobody-1") not in capped
    assert "(other)" in capped["daily_unassigned", "model_version"]["reason"]


def test_a_budget_by_value_that_is_younger_than_the_day_says_what_it_has_not_seen(
    log: tuple[str, list[tuple[datetime, float]]], tmp_path: Path
) -> None:
    turn(config(log[0], tmp_path, daily=1e6), 20)
    found = {row["method"]: row for row in turn(config(log[0], tmp_path, daily=1e6, by="model_version"), 30)}
    assert "not separated" in found["daily_unassigned"]["reason"]


def test_single_requests_are_held_against_a_budget_of_tokens(
    log: tuple[str, list[tuple[datetime, float]]], tmp_path: Path
) -> None:
    with gzip.open(TRACE, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first = datetime.fromisoformat(rows[0]["TIMESTAMP"][:26])
    ages = [datetime.fromisoformat(row["TIMESTAMP"][:26]) - first for row in rows]
    minute = [row for row, age in zip(rows, ages, strict=True) if timedelta(minutes=29) <= age < timedelta(minutes=30)]
    sizes = [int(row["ContextTokens"]) + int(row["GeneratedTokens"]) for row in minute]
    over = [size for size in sizes if size > 4000]
    assert over
    (found,) = (row for row in turn(config(log[0], tmp_path, per_request_tokens=4000), 30))
    assert found["status"] == "drifted"
    assert (found["n_window"], found["detail"]["over"], found["detail"]["worst"]) == (len(sizes), len(over), max(sizes))
    (tolerated,) = turn(config(log[0], tmp_path, per_request_tokens=4000, threshold=0.99), 31)
    assert tolerated["status"] == "ok"


def test_money_is_watched_before_there_is_a_baseline(
    log: tuple[str, list[tuple[datetime, float]]], tmp_path: Path
) -> None:
    made = config(log[0], tmp_path, daily=0.01)
    monitor = made.monitors[0].model_copy(
        update={"baseline": BaselineConfig(rolling=timedelta(days=14)), "start": START}
    )
    found = {row["method"]: row["status"] for row in turn(made.model_copy(update={"monitors": [monitor]}), 20)}
    assert found == {"daily": "drifted"}


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({}, "a budget needs"),
        ({"daily": 1, "limits": {"a": 2}}, "needs `by:`"),
        ({"daily": 1, "monthly": 9, "by": "tenant", "limits": {"a": 2}}, "limit of a"),
    ],
)
def test_a_budget_that_means_nothing_is_refused(tmp_path: Path, budget: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        config("sqlite://", tmp_path, **budget)


def test_without_a_price_nothing_is_claimed(log: tuple[str, list[tuple[datetime, float]]], tmp_path: Path) -> None:
    made = config(log[0], tmp_path, daily=1.0)
    made = made.model_copy(update={"monitors": [made.monitors[0].model_copy(update={"signals": []})]})
    with open_store(made, upgrade=True) as database:
        daemon = make_daemon(database, made, Hand(START + timedelta(minutes=20)))
        daemon.tick_all()
        with database.read() as connection:
            newest = reads.newest_bucket(connection, "code")
            (found,) = reads.findings_at(connection, "code", newest.start)
        daemon.monitors[0].close()
    assert found.status == "inconclusive"
    assert "add the signal `price`" in found.reason


def test_a_single_check_says_that_it_has_no_ledger(
    log: tuple[str, list[tuple[datetime, float]]], tmp_path: Path
) -> None:
    made = config(log[0], tmp_path, daily=1.0)
    with open_reader(made.monitors[0]) as reader:
        told = check(reader, made.monitors[0], START + timedelta(minutes=20))
    (found,) = told["findings"]
    assert found["status"] == "inconclusive"
    assert "ledger" in found["reason"]


def test_a_tenant_gets_the_forecast_that_the_whole_would_get(tmp_path: Path) -> None:
    made = config("sqlite://", tmp_path, monthly=1000.0, by="tenant").monitors[0]
    whole = config("sqlite://", tmp_path, monthly=1000.0).monitors[0]
    chance = random.Random(4)
    with open_store(config("sqlite://", tmp_path, daily=1.0), upgrade=True) as store, store.write() as connection:
        for hour in range(40 * 24):
            bucket = Bucket(START + hour * HOUR, START + (hour + 1) * HOUR)
            spent = SpendTotals(chance.uniform(0.5, 1.5), 10)
            parts = {("tenant", "a"): spent, ("tenant", "b"): SpendTotals()}
            ledger.save(connection, "code", bucket, CostSummary({ALL: spent, **parts}))
        last = Bucket(bucket.end, bucket.end + HOUR)
        bill = CostSummary(
            {ALL: SpendTotals(1.0, 10), ("tenant", "a"): SpendTotals(1.0, 10), ("tenant", "b"): SpendTotals()}
        )
        of_all = ledger.spending(connection, whole, last, bill)
        of_tenants = ledger.spending(connection, made, last, bill)
    assert of_all is not None
    assert of_tenants is not None
    assert of_tenants.ends_of["UTC", "tenant", "a"]["monthly"] == pytest.approx(of_all.ends["UTC"]["monthly"])
    found = {(row.method, row.segment): row for row in evaluate_bucket(made, StoredSums(spending=of_tenants))}
    wanted = {row.method: row for row in evaluate_bucket(whole, StoredSums(spending=of_all))}
    assert found["forecast", "tenant=a"].reason.replace(" for tenant=a", "") == wanted["forecast"].reason
    assert "80 % interval" in found["monthly", "tenant=a"].reason
    assert ("forecast", "tenant=b") not in found, "nothing is said of a tenant that never spent anything"


def test_only_the_values_nearest_to_their_budget_are_forecast() -> None:
    made = config("sqlite://", Path(), monthly=100.0, by="tenant").monitors[0].budgets[0]
    held = {f"t{place}": SpendTotals(float(place * 10), 1) for place in range(12)}
    assert foreseen(made, "monthly", held) == ["t9", "t8", "t7", "t6", "t5"]
