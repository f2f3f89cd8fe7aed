"""A log that holds a sample of the requests: counts, rates and money are those of the traffic."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from detectors.base import Finding
from detectors.cost.ledger import CostSummary
from monitor.checks.detect import detect
from monitor.checks.objectives import count_events
from monitor.checks.result import conclude
from monitor.checks.usage import usage_by_segment
from monitor.cli.connections import open_reader, open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.config.models import Config, Monitor
from monitor.core.schedule import Bucket
from monitor.jobs.memory_baseline import baseline_for
from monitor.profiling.profile import Facts, profile_bucket
from monitor.profiling.spend import make_accumulator
from monitor.sources.base import Reader
from monitor.store import ledger, reads
from tests.support.hand import Hand
from tests.support.logs import databricks
from tests.support.logs.base import calls
from tests.support.windows import read_window
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)
BEGIN = START + 24 * HOUR
END = START + 26 * HOUR
REFUSED = "I'm sorry, but I can't help with that request."


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    yield made
    made.close()


def traffic(length: timedelta, start: Any = START, seed: int = 0, per_minute: float = 20) -> list[dict[str, Any]]:
    """Return requests of which those of the team plan, half of all, are refused in one of five cases."""
    rng = np.random.default_rng(seed + 100)
    rows = rows_of(start, length, per_minute=per_minute, seed=seed)
    team, refused = rng.random((2, len(rows)))
    return [
        {
            **row,
            "plan": "team" if a < 0.5 else "free",
            "answer": REFUSED if a < 0.5 and b < 0.2 else "It is on its way.",
        }
        for row, a, b in zip(rows, team.tolist(), refused.tolist(), strict=True)
    ]


def kept(rows: list[dict[str, Any]], shares: dict[str, float], seed: int = 1) -> list[dict[str, Any]]:
    """Return the rows that are logged, by the share of each plan, which stands beside them."""
    drawn = np.random.default_rng(seed).random(len(rows)).tolist()
    return [
        {**row, "all null": shares[row["plan"]]} for row, u in zip(rows, drawn, strict=True) if u < shares[row["plan"]]
    ]


def monitor_of(world: World, *, weights: bool = True, **settings: Any) -> Monitor:
    columns = {"timestamp": "Zeit", "id": "id", "model_version": "model", "response": "answer", "cost": "amount"}
    columns |= {"sampling_fraction": "all null"} if weights else {}
    source = {"url": world.source_url, "table": "inference log", "columns": columns}
    checks = ["drift", "volume", {"rate": {"signal": "refusal"}}, {"spend": {"daily": 1e9}}]
    given = {"source": source, "checks": checks, "signals": ["refusal"], "features": {"include": ["cost"]}, **settings}
    world.configure(**given)
    return load(world.folder / "driftd.yaml").monitors[0]


def looked_at(reader: Reader, monitor: Monitor) -> tuple[dict[str, Any], dict[str, Finding]]:
    baseline = baseline_for(reader, monitor, BEGIN)
    assert baseline is not None
    window, _ = read_window(reader, monitor, baseline, END)
    used = usage_by_segment(monitor, window)["segments"][""]
    return used, {finding.method: finding for finding in detect(monitor, baseline, window)}


def bill_of(reader: Reader, monitor: Monitor) -> CostSummary:
    bill = profile_bucket(reader, monitor, {}, Bucket(END - HOUR, END)).bill
    assert bill is not None
    assert make_accumulator(monitor, reader.schema()) is not None
    return bill


def test_a_log_of_one_request_in_ten_tells_the_same_requests_money_and_rates(world: World) -> None:
    rows = traffic(26 * HOUR, per_minute=60)
    world.log([{**row, "all null": 1.0} for row in rows])
    monitor = monitor_of(world)
    with open_reader(monitor) as reader:
        (whole, found), bill = looked_at(reader, monitor), bill_of(reader, monitor)
    world.execute('DELETE FROM "inference log"')
    world.log(kept(rows, {"team": 0.1, "free": 0.1}))
    with open_reader(monitor) as reader:
        (used, sampled), sampled_bill = looked_at(reader, monitor), bill_of(reader, monitor)
    assert whole["requests"] == 3600
    assert used["requests"] == pytest.approx(3600, rel=0.15)
    assert used["cost"]["amount"] == pytest.approx(whole["cost"]["amount"], rel=0.15)
    assert used["cost"]["amount"] / used["requests"] == pytest.approx(100, rel=0.05)
    assert sampled_bill.total is not None
    assert bill.total is not None
    assert sampled_bill.total.requests == used["requests"]
    assert sampled_bill.total.amount == pytest.approx(bill.total.amount, rel=0.15)
    assert sampled["rate_rise"].detail["value"] == pytest.approx(found["rate_rise"].detail["value"], abs=0.05)
    assert sampled["rank"].n_window == pytest.approx(360, abs=60)  # statistics rest on the rows that are there
    assert {finding.status.value for finding in sampled.values()} <= {"ok", "inconclusive"}


def test_rates_are_those_of_the_traffic_when_plans_are_logged_by_different_shares(world: World) -> None:
    world.log([{**row, "all null": 1.0} for row in traffic(25 * HOUR)])
    world.log(kept(traffic(HOUR, START + 25 * HOUR, 3, per_minute=60), {"team": 1.0, "free": 0.1}))
    with open_reader(monitor := monitor_of(world, weights=False)) as reader:
        assert looked_at(reader, monitor)[1]["rate_rise"].status.value == "drifted"
    with open_reader(monitor := monitor_of(world)) as reader:
        used, found = looked_at(reader, monitor)
        rate = found["rate_rise"]
        assert rate.status.value == "ok"
        assert rate.detail["value"] == pytest.approx(0.1, abs=0.03)
        assert used["requests"] == pytest.approx(3600, rel=0.1)
        assert 300 < rate.n_window < 1200  # of some 1,980 rows


def test_another_fraction_changes_neither_the_volume_nor_the_objectives(world: World) -> None:
    world.log([{**row, "all null": 1.0} for row in traffic(25 * HOUR)])
    world.log(kept(traffic(HOUR, START + 25 * HOUR, 3), {"team": 0.1, "free": 0.1}))
    slo = ["volume", {"slo": {"signal": "refusal", "objective": 0.8}}]
    with open_reader(monitor := monitor_of(world, weights=False, checks=slo)) as reader:
        assert looked_at(reader, monitor)[1]["volume"].status.value == "drifted"
    with open_reader(monitor := monitor_of(world, checks=slo)) as reader:
        assert looked_at(reader, monitor)[1]["volume"].status.value == "ok"
        baseline = baseline_for(reader, monitor, BEGIN)
        assert baseline is not None
        profiled = profile_bucket(reader, monitor, baseline.layouts, Bucket(END - HOUR, END))
        events = count_events(monitor, profiled)["refusal"]
    assert events.total == profiled.facts.rows < 200  # one row is one answer, whatever it stands for
    assert events.share == pytest.approx(0.1, abs=0.08)
    assert profiled.facts.requests == pytest.approx(1200, rel=0.3)


def test_rows_whose_weight_cannot_be_one_are_left_out_and_counted(world: World) -> None:
    rows = traffic(26 * HOUR, per_minute=10)
    bad = START + 25 * HOUR
    world.log(
        [
            {
                **row,
                "all null": 0.0 if row["Zeit"] >= bad.replace(tzinfo=None) and place % 4 == 0 else 1.0,
                "amount": 100.0,
            }
            for place, row in enumerate(rows)
        ]
    )
    monitor = monitor_of(world)
    with open_reader(monitor) as reader:
        used, found = looked_at(reader, monitor)
        assert found["invalid"].status.value == "inconclusive"
        assert found["invalid"].reason.startswith("invalid_weights: 150 of 600 rows are ignored")
        assert (used["requests"], used["cost"]["amount"]) == (450, 45_000)
        world.execute('UPDATE "inference log" SET "all null" = 7')
        profiled = profile_bucket(reader, monitor, {}, Bucket(END - HOUR, END))
    assert profiled.facts.rows == 0
    result, reason = conclude(baseline_stub(), "", profiled, [])
    assert result == "inconclusive"
    assert reason is not None
    assert reason.startswith("invalid_weights: all 600 rows are ignored")


def baseline_stub() -> Any:
    """Return what is no baseline but is there."""
    return object()


def test_a_column_that_is_only_called_weight_weighs_nothing(world: World) -> None:
    world.log(rows_of(START, 26 * HOUR))
    columns = {"timestamp": "Zeit", "id": "id", "parcel": "amount"}
    world.execute('ALTER TABLE "inference log" RENAME COLUMN "all null" TO weight')
    world.execute('UPDATE "inference log" SET weight = 50')
    world.configure(source={"url": world.source_url, "table": "inference log", "columns": columns}, checks=["drift"])
    monitor = load(world.folder / "driftd.yaml").monitors[0]
    with open_reader(monitor) as reader:
        baseline = baseline_for(reader, monitor, BEGIN)
        assert baseline is not None
        assert "weight" in baseline.layouts
        window, facts = read_window(reader, monitor, baseline, END)
    assert facts.requests == facts.rows == 600
    assert window.profiles[None]["weight"].n == 600


def test_facts_without_weights_are_stored_as_before() -> None:
    assert not {"excess_weight", "invalid_weights"} & Facts(rows=3).to_json().keys()
    some = Facts(rows=2, excess_weight=9 << 16, invalid_weights=1)
    assert (some + Facts(rows=1)).requests == 12
    assert Facts.from_json(some.to_json()) == some


def test_payloads_of_databricks_from_the_table_to_the_ledger(store_url: str, tmp_path: Path) -> None:
    engine = sa.create_engine(store_url)
    made = list(calls(3000, days=0.25, start=START))
    databricks.create(engine)
    databricks.write(engine, made[::4])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE payload SET sampling_fraction = 0.25")
        connection.exec_driver_sql(
            f"UPDATE payload SET sampling_fraction = 1.5 WHERE databricks_request_id = '{made[-4].id}'"
        )
    engine.dispose()
    monitor = {
        "name": "served",
        "source": {"url": store_url, "preset": "databricks"},
        "bucket": "30m",
        "window": "1h",
        "settle": "0s",
        "catch_up": "3650d",
        "features": ["output_tokens"],
        "min_samples": 20,
        "baseline": {"from": START.isoformat(), "to": (START + HOUR).isoformat(), "min_rows": 10},
        "signals": ["failed"],
        "checks": ["quality", {"spend": {"daily": 1e9, "columns": ["output_tokens"]}}],
    }
    config = Config.model_validate({"store": f"sqlite:///{tmp_path / 'driftd.db'}", "monitors": [monitor]})
    with open_store(config, upgrade=True) as database:
        daemon = make_daemon(database, config, Hand(START + 6 * HOUR))
        for _ in range(4):
            daemon.tick_all()
        with database.read() as connection:
            newest = reads.newest_bucket(connection, "served")
            spent = ledger.since(connection, "served", [START], START + 6 * HOUR)[START]
            found = {row.method: row for row in reads.findings_at(connection, "served", newest.start)}
        daemon.monitors[0].close()
    answered = [call.output_tokens for call in made[:-4:4] if not call.failed]
    assert newest.start == START + 5.5 * HOUR
    assert spent.requests == 4 * 749
    assert spent.amount == 4 * sum(answered)
    assert newest.usage["segments"][""]["requests"] == 4 * 124
    assert newest.usage["segments"][""]["tokens"]["output"]["total"] == 4 * sum(
        call.output_tokens for call in made[2500::4] if not call.failed and call is not made[-4]
    )
    assert found["invalid"].reason.startswith("invalid_weights: 1 of 125 rows")
