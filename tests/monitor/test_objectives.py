"""Objectives in the daemon: counts kept by bucket, whatever is computed again, beside pandas on the log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from prometheus_client.core import CollectorRegistry

from monitor.cli.connections import open_reader, open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.config.models import Config, ConfigError
from monitor.jobs.one_shot import check
from monitor.metrics.export import StateCollector
from monitor.store import buckets, reads
from tests.support.hand import Hand
from tests.support.nightly import ON_POSTGRESQL_NIGHTLY
from tests.support.world import START, World

HOUR = timedelta(hours=1)
SLOW = START + 7 * HOUR


def logged(url: str) -> pd.DataFrame:
    """Log eight hours, a request every five seconds; in the last, a third of them is slow."""
    rng = np.random.default_rng(0)
    at = pd.date_range(START, START + 8 * HOUR, freq="5s", inclusive="left")
    late = rng.random(len(at)) < np.where(at >= SLOW, 0.33, 0.001)
    frame = pd.DataFrame(
        {"id": range(len(at)), "at": at, "latency": np.where(late, 9.0, rng.uniform(0.5, 1.5, len(at)))}
    )
    engine = sa.create_engine(url)
    frame.assign(at=at.tz_localize(None)).set_index("at").to_sql("log", engine)
    engine.dispose()
    return frame


def config(url: str, store: str) -> Config:
    monitor = {
        "name": "gateway",
        "source": {"url": url, "table": "log", "columns": {"timestamp": "at", "id": "id"}},
        "bucket": "5m",
        "window": "1h",
        "settle": "0s",
        "catch_up": "3650d",
        "features": ["latency"],
        "baseline": {"from": START.isoformat(), "to": (START + 2 * HOUR).isoformat()},
        "signals": [{"slow": {"seconds": 3}}],
        "checks": [{"slo": {"signal": "slow", "objective": 0.99}}],
    }
    return Config.model_validate({"store": store, "monitors": [monitor]})


@ON_POSTGRESQL_NIGHTLY
def test_slow_requests_burn_the_room_as_pandas_counts_them(tmp_path: Path, migrated_url: str) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    frame = logged(url)
    made = config(url, migrated_url)
    with open_store(made, upgrade=True) as database:
        daemon = make_daemon(database, made, Hand(START + 8 * HOUR))
        daemon.tick_all()
        daemon.tick_all()
        last = START + 8 * HOUR - timedelta(minutes=5)
        with database.write() as connection:
            buckets.mark_stale(connection, "gateway", [last - HOUR, last])  # counted again, they replace what was
        daemon.tick_all()
        with database.read() as connection:
            (found,) = reads.findings_at(connection, "gateway", last)
            (quiet,) = reads.findings_at(connection, "gateway", SLOW - timedelta(minutes=5))
        registry = CollectorRegistry()
        registry.register(StateCollector(database, made))
        burns = {
            sample.labels["window"]: sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == "driftd_slo_burn_rate_ratio"
        }
        daemon.monitors[0].close()
    assert (quiet.status, found.status) == ("ok", "drifted")
    bad = frame["latency"] > 3
    for window, hours in {"5m": 1 / 12, "30m": 0.5, "1h": 1, "2h": 2, "6h": 6}.items():
        part = bad[frame["at"] >= START + 8 * HOUR - hours * HOUR]
        assert burns[window] == pytest.approx(part.mean() / 0.01, rel=1e-9)
    assert found.detail["left"] == pytest.approx(1 - bad.mean() / 0.01, rel=1e-9)
    with open_reader(made.monitors[0]) as reader:
        (alone,) = check(reader, made.monitors[0], START + 8 * HOUR)["findings"]
    assert (alone["status"], alone["reason"][:12]) == ("inconclusive", "not_measured")


def test_an_objective_of_a_signal_that_is_not_computed_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'app.db'}")
    path = world.configure(signals=["length"], checks=[{"slo": {"signal": "failed", "objective": 0.99}}])
    with pytest.raises(ConfigError, match="'failed' is not among `signals:`"):
        load(path)
    path = world.configure(checks=[{"slo": {"signal": "failed"}}])
    with pytest.raises(ConfigError, match="objective: 0.999"):
        load(path)
    world.close()
