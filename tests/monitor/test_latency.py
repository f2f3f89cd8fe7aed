"""Latency and errors of real requests, from the log to /metrics, beside pandas on the raw file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from prometheus_client.core import CollectorRegistry

from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.metrics.export import StateCollector
from monitor.store import reads
from tests.support.hand import Hand
from tests.support.world import START

DATA = Path(__file__).parents[2] / "benchmarks" / "data" / "latency_llmperf.csv.gz"
STEP = timedelta(seconds=6)
"""Between two requests: the file has no clock."""


@pytest.fixture(scope="module")
def requests() -> pd.DataFrame:
    """Real requests in a shuffled order, the last tenth of them twice as slow."""
    frame = pd.read_csv(DATA).sample(frac=1.0, random_state=0).reset_index(drop=True)
    slow = frame.index >= len(frame) * 9 // 10
    frame.loc[slow, ["end_to_end_latency_s", "ttft_s"]] *= 2
    frame["at"] = [START + place * STEP for place in range(len(frame))]
    return frame


@pytest.fixture
def url(requests: pd.DataFrame, tmp_path: Path) -> Iterator[str]:
    made = f"sqlite:///{tmp_path / 'log.db'}"
    engine = sa.create_engine(made)
    log = pd.DataFrame(
        {
            "id": range(len(requests)),
            "at": requests["at"].dt.strftime("%Y-%m-%d %H:%M:%S"),
            "model": requests["model"],
            "latency": requests["end_to_end_latency_s"],
            "time_to_first_token": requests["ttft_s"],
            "output_tokens": requests["output_tokens"],
            "status": requests["error_code"].fillna(200).astype(int),
            "error_type": requests["error_code"].astype("string"),
        }
    )
    log.set_index("at").to_sql("log", engine)
    yield made
    engine.dispose()


def config(url: str, folder: Path, *checks: Any) -> Config:
    monitor = {
        "name": "gateway",
        "source": {"url": url, "table": "log", "columns": {"timestamp": "at", "id": "id", "model_version": "model"}},
        "bucket": "5m",
        "window": "25m",
        "settle": "0s",
        "catch_up": "3650d",
        "features": ["latency", "time_to_first_token"],
        "signals": ["failed", "rate_limited", "tokens_per_second"],
        "baseline": {"from": START.isoformat(), "to": (START + timedelta(hours=3)).isoformat()},
        "checks": list(checks),
        "min_samples": 50,
    }
    return Config.model_validate({"store": f"sqlite:///{folder / 'driftd.db'}", "monitors": [monitor]})


def watched(made: Config, until: timedelta) -> tuple[dict[tuple[str, str], float], dict[str, Any], datetime]:
    """Run the daemon to a moment; return the percentiles of /metrics, the newest findings, and the window's end."""
    with open_store(made, upgrade=True) as database:
        clock = Hand(START + until)
        daemon = make_daemon(database, made, clock)
        for _ in range(40):
            daemon.tick_all()
        registry = CollectorRegistry()
        registry.register(StateCollector(database, made))
        samples = {
            (sample.labels["column"], sample.labels["percentile"]): sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == "driftd_latency_seconds" and not sample.labels["segment"]
        }
        with database.read() as connection:
            newest = reads.newest_bucket(connection, "gateway")
            found = {row.key: row for row in reads.findings_at(connection, "gateway", newest.start)}
        daemon.monitors[0].close()
    return samples, found, newest.start + timedelta(minutes=5)


def test_percentiles_in_metrics_equal_pandas_on_the_raw_file(url: str, tmp_path: Path, requests: pd.DataFrame) -> None:
    made = config(url, tmp_path, {"latency": {"p50": "1s", "p95": "3s", "p99": "1m"}})
    samples, found, end = watched(made, timedelta(hours=4))
    window = requests[(requests["at"] >= end - timedelta(minutes=25)) & (requests["at"] < end)]
    assert len(window) == 250
    for column, raw in (("latency", "end_to_end_latency_s"), ("time_to_first_token", "ttft_s")):
        for level in (0.5, 0.95, 0.99):
            exact = window[raw].quantile(level, interpolation="inverted_cdf")
            assert samples[column, f"{level:g}"] == pytest.approx(exact, rel=0.02)
    p95 = window["end_to_end_latency_s"].quantile(0.95)
    assert found["latency/latency/p95/"].status == ("drifted" if p95 >= 3 else "ok")
    assert found["latency/latency/p99/"].status == "ok"


def test_without_a_target_a_slower_service_pages_and_the_same_one_does_not(url: str, tmp_path: Path) -> None:
    made = config(url, tmp_path, "latency")
    _, quiet, _ = watched(made, timedelta(hours=4, minutes=10))
    assert {row.status for key, row in quiet.items() if "p50_rise" in key} == {"ok"}
    _, slow, _ = watched(made, timedelta(hours=4, minutes=44))
    risen = slow["latency/latency/p50_rise/"]
    assert risen.status == "drifted"
    assert risen.statistic == pytest.approx(0.69, abs=0.35)


def test_signals_of_failure_count_what_pandas_counts(requests: pd.DataFrame) -> None:
    from detectors import SIGNALS
    from detectors.records import Column

    status = requests["error_code"].fillna(200).astype(int).tolist()
    kinds = [None if pd.isna(code) else str(code) for code in requests["error_code"]]
    failed = SIGNALS["failed"].compute({"status": Column.of(status)}).values.sum()
    limited = SIGNALS["rate_limited"].compute({"error_type": Column.of(kinds)}).values.sum()
    assert failed == requests["error_code"].notna().sum() > 0
    assert limited == requests["error_code"].astype("string").str.contains("429").sum() > 0
