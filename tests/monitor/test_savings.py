"""Savings from the log to the command line, the API and the page: counted by day, once, whatever is restarted."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
import yaml

from detectors.cost.savings import DayCells
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.config.money import RetrainingSpec
from monitor.core.clock import SystemClock
from monitor.jobs.savings_report import paying_since
from monitor.store import reads, tables
from monitor.web.app import create_app
from monitor.web.server import Server
from tests.monitor.test_performance import Bank
from tests.support.hand import Hand
from tests.support.nightly import ON_POSTGRESQL_NIGHTLY
from tests.support.world import START, World

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PRICES = {"gpt-4o": (Decimal("2.5"), Decimal(10)), "small-7b": (Decimal("0.1"), Decimal("0.3"))}
SAVINGS = {
    "plans": [
        {"name": "all small", "model": "small-7b"},
        {
            "name": "tiered",
            "route": [{"model": "small-7b", "when": {"input_tokens": {"max": 800}, "task": ["classify"]}}],
        },
    ],
    "quality": "solved",
    "task": "task",
    "days": 3,
}


def logged(url: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    at = pd.date_range(START, START + 4 * DAY, freq="1min", inclusive="left")
    frame = pd.DataFrame(
        {
            "id": range(len(at)),
            "at": at,
            "model": rng.choice(["gpt-4o", "small-7b"], len(at), p=[0.7, 0.3]),
            "input_tokens": np.rint(rng.lognormal(6.3, 1, len(at))),
            "output_tokens": np.rint(rng.lognormal(5, 1, len(at))),
            "task": rng.choice(["classify", "write"], len(at)),
            "solved": (rng.random(len(at)) < 0.8).astype(float),
        }
    )
    engine = sa.create_engine(url)
    frame.assign(at=at.tz_localize(None)).to_sql("log", engine, index=False)
    engine.dispose()
    return frame


def monitor_of(url: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "bot",
        "bucket": "1h",
        "window": "6h",
        "settle": "0s",
        "catch_up": "3650d",
        "source": {"url": url, "table": "log", "columns": {"timestamp": "at", "id": "id", "model_version": "model"}},
        "baseline": {"from": START.isoformat(), "to": (START + DAY).isoformat()},
        "segments": ["model_version"],
        "signals": [{"price": {"prices": {"small-7b": {"input": 0.1, "output": 0.3}}}}],
        "savings": SAVINGS,
        **more,
    }


def cost(frame: pd.DataFrame, models: pd.Series) -> float:
    rows = zip(frame["input_tokens"], frame["output_tokens"], models, strict=True)
    return float(sum(int(i) * PRICES[m][0] + int(o) * PRICES[m][1] for i, o, m in rows) / 10**6)


def held_against(told: dict[str, Any], frame: pd.DataFrame) -> None:
    """Compare what is told with decimals on the three days before the last."""
    part = frame[(frame["at"] >= START + DAY) & (frame["at"] < START + 4 * DAY)]
    small = (part["input_tokens"] <= 800) & (part["task"] == "classify")
    thens = {
        "all small": pd.Series("small-7b", part.index),
        "tiered": part["model"].where(~small, "small-7b"),
    }
    assert [one["plan"] for one in told["plans"]] == ["all small", "tiered"]  # the most saved first
    for one in told["plans"]:
        assert one["requests"] == len(part)
        assert one["unpriced"] == 0
        assert one["now"] == pytest.approx(cost(part, part["model"]), abs=0.005)
        assert one["then"] == pytest.approx(cost(part, thens[one["plan"]]), abs=0.005)
        quality = one["tiers"][0]["quality"]
        assert quality["difference"]["low"] < 0 < quality["difference"]["high"]


def counted_days(connection: sa.Connection) -> list[tuple[datetime, datetime]]:
    """Return each stored day of each plan, and when it was counted."""
    stored, empty = tables.aggregates.c, DayCells("", START)
    rows = connection.execute(sa.select(stored.start, stored.data).where(stored.kind == "savings"))
    return [(row.start, empty.from_bytes(row.data).counted_at) for row in rows]


@ON_POSTGRESQL_NIGHTLY
def test_the_daemon_counts_each_day_and_shows_it(tmp_path: Path, migrated_url: str) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    frame = logged(url)
    made = Config.model_validate({"store": migrated_url, "monitors": [monitor_of(url)]})
    with open_store(made, upgrade=True) as database:
        clock = Hand(START + 4 * DAY + 2 * HOUR)
        daemon = make_daemon(database, made, clock)
        for _ in range(6):
            daemon.tick_all()
        daemon.monitors[0].close()
        with database.read() as connection:
            counted = counted_days(connection)
        assert len(counted) == 6
        server = Server(create_app(database, made, SystemClock()), "127.0.0.1:0")
        server.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
            (told,) = client.get("/api/v1/savings").json()["savings"]
            assert client.get("/api/v1/savings?monitor=nobody").json() == {"savings": []}
            page = client.get("/monitors/bot").text
        server.stop()
        held_against(told, frame)
        assert "Savings" in page
        assert f"{told['plans'][0]['saved']:,.2f}" in page
        clock.moment += 2 * DAY  # labels have had their day: what was counted before it is over is counted again
        again = make_daemon(database, made, clock)
        for _ in range(6):
            again.tick_all()
        again.monitors[0].close()
        with database.read() as connection:
            later = counted_days(connection)
    assert all(counted_at == clock.moment for _, counted_at in later)
    assert {day for day, _ in later} == {START + n * DAY for n in (3, 4, 5)}


def test_the_command_reads_the_log_and_needs_no_daemon(tmp_path: Path) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'app.db'}")
    frame = logged(world.source_url)
    world.configure()
    path = tmp_path / "driftd.yaml"
    path.write_text(yaml.safe_dump({"store": world.store_url, "monitors": [monitor_of(world.source_url)]}))
    at = (START + 4 * DAY + 2 * HOUR).isoformat()
    code, told = world.json("savings", "--at", at, "--quiet")
    assert code == 0
    held_against(told, frame)
    assert sa.inspect(sa.create_engine(world.store_url)).get_table_names() == []  # who only looks makes no store
    code, other = world.json("savings", "--at", at, "--model", "gpt-4o", "--days", "1", "--quiet")
    last = frame[frame["at"] >= START + 3 * DAY]
    assert other["plans"][0]["then"] == pytest.approx(cost(last, pd.Series("gpt-4o", last.index)), abs=0.005)
    said = world.run("savings", "--at", at, "--quiet").stdout
    assert "would move to small-7b; quality" in said
    wrong = monitor_of(world.source_url, savings={**SAVINGS, "quality": "solvd"})
    path.write_text(yaml.safe_dump({"store": world.store_url, "monitors": [wrong]}))
    failed = world.run("savings", "--at", at, "--quiet")
    assert failed.returncode == 2
    assert "'solvd' is neither a column nor a signal of bot. Did you mean 'solved'?" in failed.stderr
    world.close()


def test_requests_that_failed_and_cost_nothing_would_cost_nothing_elsewhere(tmp_path: Path) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'app.db'}")
    frame = logged(world.source_url)
    with sa.create_engine(world.source_url).begin() as connection:
        connection.execute(sa.text("ALTER TABLE log ADD COLUMN status TEXT"))
        connection.execute(sa.text("UPDATE log SET status = CASE WHEN model = 'gpt-4o' THEN 'failure' ELSE 'OK' END"))
    config = {"store": world.store_url, "monitors": [monitor_of(world.source_url)]}
    (tmp_path / "driftd.yaml").write_text(yaml.safe_dump(config))
    _, told = world.json("savings", "--at", (START + 4 * DAY + 2 * HOUR).isoformat(), "--days", "1", "--quiet")
    last = frame[(frame["at"] >= START + 3 * DAY) & (frame["model"] == "small-7b")]
    for plan in told["plans"]:
        assert plan["unpriced"] == 0
        assert plan["now"] == plan["then"] == pytest.approx(cost(last, last["model"]), abs=0.005)
    world.close()


def test_without_plans_the_models_of_the_log_are_taken(tmp_path: Path) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'app.db'}")
    logged(world.source_url)
    monitor = {key: value for key, value in monitor_of(world.source_url).items() if key != "savings"}
    (tmp_path / "driftd.yaml").write_text(yaml.safe_dump({"store": world.store_url, "monitors": [monitor]}))
    _, told = world.json("savings", "--at", (START + 4 * DAY + 2 * HOUR).isoformat(), "--days", "1", "--quiet")
    assert {one["plan"] for one in told["plans"]} == {"all on gpt-4o", "all on small-7b"}
    assert all(one["tiers"][0]["quality"]["claim"] == "not known" for one in told["plans"])
    world.close()


def test_what_a_drift_has_cost_is_what_its_labels_say(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    bank.log(START, 25 * HOUR)
    bank.log(START + 25 * HOUR, 5 * HOUR, noise=0.9)
    made = bank.config(tmp_path, labels_after="0s", bucket="10m")
    with open_store(made, upgrade=True) as database:
        daemon = make_daemon(database, made, Hand(START + 30 * HOUR))
        daemon.tick_all()
        daemon.tick_all()
        since: datetime = START + 26 * HOUR
        with database.read() as connection:
            told = paying_since(connection, made.monitors[0], RetrainingSpec(price=500, error_cost=2), since)
        daemon.monitors[0].close()
    with bank.engine.connect() as connection:
        rows = pd.read_sql("SELECT at, p, repaid FROM loans", connection)
    right = (rows["p"] >= 0.5) == (rows["repaid"] == 1)
    before, after = rows["at"] < f"{START + 24 * HOUR:%Y-%m-%d %H:%M}", rows["at"] >= f"{since:%Y-%m-%d %H:%M}"
    extra = (right[before].mean() - right[after].mean()) * after.sum() * 2
    assert told["cost"]["value"] == pytest.approx(extra, rel=0.1)  # windows of an hour overlap the first hour
    assert told["cost"]["low"] < extra < told["cost"]["high"]
    assert told["verdict"] == "pays"
    bank.engine.dispose()


def test_a_model_that_nobody_can_price_is_found_without_being_asked_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    logged(url)
    engine = sa.create_engine(url)
    late = (START + 3 * DAY).replace(tzinfo=None)
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE log SET model = 'nobody-1' WHERE model = 'small-7b' AND at >= :late"), {"late": str(late)}
        )
    engine.dispose()
    made = Config.model_validate(
        {"store": f"sqlite:///{tmp_path / 'driftd.db'}", "monitors": [monitor_of(url, savings=None)]}
    )
    with open_store(made, upgrade=True) as database:
        daemon = make_daemon(database, made, Hand(START + 3 * DAY + 12 * HOUR))
        for _ in range(6):
            daemon.tick_all()
        daemon.monitors[0].close()
        with database.read() as connection:
            newest = reads.newest_bucket(connection, "bot")
            found = {row.key: row for row in reads.findings_at(connection, "bot", newest.start)}
    assert found["missing/price/missing/"].status == "drifted"
    used = newest.usage["segments"]
    assert used["model_version=nobody-1"]["cost"]["unpriced"] == used[""]["cost"]["unpriced"] > 0
    assert used["model_version=nobody-1"]["cost"]["amount"] == 0.0 < used[""]["cost"]["amount"]
    assert "per_success" not in used[""]["cost"]
