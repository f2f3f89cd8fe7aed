"""A few large clients do not alert: how rows spread over clients widens the noise of a window."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.base import Finding
from detectors.sequential import State
from monitor.checks.baseline import Baseline
from monitor.checks.calibration import Calibration
from monitor.checks.detect import detect
from monitor.cli.connections import open_reader
from monitor.config.load import load
from monitor.config.models import Monitor
from monitor.jobs.memory_baseline import baseline_for
from monitor.jobs.replay import replay
from monitor.profiling.profile import Facts
from monitor.profiling.stretch import profile_buckets
from monitor.profiling.timeline import Timeline
from monitor.sources.base import Reader
from tests.support.windows import read_window
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)
END = START + 26 * HOUR


def sent_by(rows: list[dict[str, Any]], clients: int, seed: int) -> list[dict[str, Any]]:
    """Say which of so many clients sent each row."""
    who = np.random.default_rng(seed).integers(clients, size=len(rows))
    return [{**row, "answer": f"user {client}"} for row, client in zip(rows, who.tolist(), strict=True)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.log(sent_by(rows_of(START, 25 * HOUR), 200, 1))
    yield made
    made.close()


def monitor_of(world: World, *, clients: bool) -> Monitor:
    columns = {"timestamp": "Zeit", "id": "id", "model_version": "model"} | ({"user": "answer"} if clients else {})
    source = {"url": world.source_url, "table": "inference log", "columns": columns}
    world.configure(source=source, checks=["drift"], features={"include": ["amount"]})
    return load(world.folder / "driftd.yaml").monitors[0]


def judged(reader: Reader, monitor: Monitor) -> tuple[Baseline, dict[str, Finding]]:
    baseline = baseline_for(reader, monitor, START + 24 * HOUR)
    assert baseline is not None
    assert baseline.calibration.limit is not None
    window, _ = read_window(reader, monitor, baseline, END)
    return baseline, {finding.method: finding for finding in detect(monitor, baseline, window)}


def test_one_client_that_sends_most_of_a_window_does_not_alert(world: World) -> None:
    robot = rows_of(START + 25 * HOUR, HOUR, per_minute=16, seed=3, shift=0.5, answer="robot")
    world.log(sent_by(rows_of(START + 25 * HOUR, HOUR, seed=2), 200, 4) + robot)
    with open_reader(monitor := monitor_of(world, clients=False)) as reader:
        _, before = judged(reader, monitor)
    with open_reader(monitor := monitor_of(world, clients=True)) as reader:
        baseline, after = judged(reader, monitor)
    assert {before[method].status.value for method in ("rank", "kolmogorov_smirnov")} == {"drifted"}
    assert {finding.status.value for finding in after.values()} <= {"ok", "inconclusive"}
    assert after["rank"].statistic == before["rank"].statistic
    assert after["rank"].n_window == 1560
    assert 2 < after["rank"].detail["n_effective"] < 30
    assert Calibration.from_json(baseline.calibration.to_json()).clients == baseline.calibration.clients


def test_a_change_of_all_clients_is_seen_as_before(world: World) -> None:
    world.log(sent_by(rows_of(START + 25 * HOUR, HOUR, seed=2, shift=0.5), 200, 4))
    bounds = []
    for clients in (False, True):
        with open_reader(monitor := monitor_of(world, clients=clients)) as reader:
            _, found = judged(reader, monitor)
        assert found["rank"].status.value == "drifted"
        bounds.append(found["rank"].threshold)
    assert bounds[1] < 1.1 * bounds[0]


def test_a_replay_finds_the_same_with_clients(world: World) -> None:
    world.log(rows_of(START + 25 * HOUR, HOUR, per_minute=16, seed=3, shift=0.5, answer="robot"))
    with open_reader(monitor := monitor_of(world, clients=True)) as reader:
        baseline = baseline_for(reader, monitor, START + 24 * HOUR)
        assert baseline is not None
        lead = END - 2 * HOUR
        timeline = Timeline.of_stretch(monitor, baseline.layouts, lead, END)
        for bucket, profiler in profile_buckets(reader, monitor, baseline.layouts, lead, END):
            timeline.add(bucket.start, profiler.facts.rows, profiler.profiles(), profiler.facts.clients)
        for bucket, findings, _ in replay(monitor, baseline, timeline, dict[str, State]()):
            window, _ = read_window(reader, monitor, baseline, bucket.end)
            single = {finding.key: finding for finding in detect(monitor, baseline, window)}
            for finding in findings:
                if finding.column and finding.method != "cusum":
                    assert finding.threshold == pytest.approx(single[finding.key].threshold), finding.key
                    assert finding.status == single[finding.key].status


def test_facts_of_older_buckets_and_of_logs_without_clients_stay_as_they_were() -> None:
    assert "clients" not in Facts(rows=3).to_json()
    assert Facts.from_json({"rows": 3}) + Facts(rows=1) == Facts(rows=4)
    one, other = Facts(clients={"user": [1, 2]}), Facts(clients={"user": [0, 5], "tenant": [7, 0]})
    assert (one + other).clients == (other + one).clients == {"user": [1, 7], "tenant": [7, 0]}
