"""Budgets in the daemon: what real requests cost, in one ledger, whatever is computed again."""

from __future__ import annotations

import csv
import gzip
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import CollectorRegistry

from monitor.commands.build import make_daemon, open_reader, open_store
from monitor.config import Config
from monitor.export import StateCollector
from monitor.once import check
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
        "source": {"url": url, "table": "log",
                   "columns": {"timestamp": "at", "id": "id", "model_version": "model",
                               "input_tokens": "tokens_in", "output_tokens": "tokens_out"}},
        "bucket": "1m", "window": "5m", "settle": "0s", "catch_up": "3650d", "features": [], "signals": ["price"],
        "baseline": {"from": START.isoformat(), "to": (START + timedelta(minutes=10)).isoformat()},
        "checks": [{"spend": budget}],
    }  # fmt: skip
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
        daemon.watches[0].close()
    assert spent.amount == pytest.approx(total, abs=0.005)
    assert (spent.requests, spent.unpriced) == (len(costs), -(-len(costs) // 100))
    assert shown["driftd_spend", "daily"] == pytest.approx(total, abs=0.005)
    assert shown["driftd_spend_unpriced_requests", "monthly"] == spent.unpriced
    assert "at least, for" in found["daily"].reason
    half = next(at for place, (at, _) in enumerate(costs) if sum(cost for _, cost in costs[: place + 1]) >= total * 0.5)
    assert crossed[0] - half <= timedelta(minutes=1)  # within one bucket
    assert found["burn_rate"].status == "ok"


def test_without_a_price_nothing_is_claimed(log: tuple[str, list[tuple[datetime, float]]], tmp_path: Path) -> None:
    made = config(log[0], tmp_path, daily=1.0)
    made = made.model_copy(update={"monitors": [made.monitors[0].model_copy(update={"signals": []})]})
    with open_store(made, upgrade=True) as database:
        daemon = make_daemon(database, made, Hand(START + timedelta(minutes=20)))
        daemon.tick_all()
        with database.read() as connection:
            newest = reads.newest_bucket(connection, "code")
            (found,) = reads.findings_at(connection, "code", newest.start)
        daemon.watches[0].close()
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
