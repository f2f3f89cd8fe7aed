"""Rates that add up: one model's refusals in a replay as in ticks, and what a restart remembers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from detectors.base import Finding, Status
from detectors.binning import learn_numeric
from detectors.sequential import State
from monitor.checks.detect import detect
from monitor.checks.targets import expand_checks
from monitor.checks.window import Window
from monitor.cli.config_template import SourceProbe, render_config
from monitor.cli.connections import open_reader
from monitor.config.load import load
from monitor.jobs.memory_baseline import baseline_for
from monitor.jobs.replay import replay
from monitor.profiling.stretch import profile_buckets
from monitor.profiling.timeline import Timeline
from tests.support.windows import read_window
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)
LIVE = START + 24 * HOUR
CHANGE, END = LIVE + 1 * HOUR, LIVE + 3 * HOUR
KEY = "drift/amount/rate_cusum/model_version="
"""The amount is a flag here: 1 for a request that was refused."""


def log_of(start: timedelta, length: timedelta, seed: int, **rates: float) -> list[dict[str, object]]:
    """Return rows of two models, each refusing at its own rate."""
    rng = np.random.default_rng(seed)
    rows = rows_of(START + start, length, per_minute=8, seed=seed)
    for row in rows:
        model = str(rng.choice(["v1", "v2"]))
        row |= {"model": model, "amount": float(rng.random() < rates[model])}
    return rows


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.log(log_of(0 * HOUR, 25 * HOUR, 0, v1=0.01, v2=0.01))
    made.log(log_of(25 * HOUR, 2 * HOUR, 1, v1=0.01, v2=0.18))
    made.configure(checks=[{"drift": {"columns": ["amount"]}}], segments=["model_version"])
    return made


def near(findings: list[Finding]) -> dict[str, tuple[Status, float]]:
    return {
        f.key: (f.status, round(f.statistic, 9))
        for f in findings
        if f.method == "rate_cusum" and f.statistic is not None and f.threshold and f.statistic >= 0.5 * f.threshold
    }


def test_refusals_of_one_model_are_found_in_its_segment_within_half_an_hour(world: World) -> None:
    monitor = load(world.folder / "driftd.yaml").monitors[0]
    with open_reader(monitor) as reader:
        baseline = baseline_for(reader, monitor, LIVE)
        assert baseline is not None
        lead = LIVE - monitor.window + monitor.bucket
        timeline = Timeline.of_stretch(monitor, baseline.layouts, lead, END)
        for bucket, profiler in profile_buckets(reader, monitor, baseline.layouts, lead, END):
            timeline.add(bucket.start, profiler.facts.rows, profiler.profiles())
        fast = {bucket.end: near(found) for bucket, found, _ in replay(monitor, baseline, timeline, {})}
        sums: dict[str, State] = {}
        slow = {}
        end = LIVE + monitor.bucket
        while end <= END:
            window, _ = read_window(reader, monitor, baseline, end)
            newest, _ = read_window(reader, monitor.model_copy(update={"window": monitor.bucket}), baseline, end)
            now = Window(window.profiles, window.traffic, window.starts, newest.profiles, sums)
            findings = detect(monitor, baseline, now)
            sums = {f.key: f.detail["state"] for f in findings if "state" in f.detail}
            slow[end] = near(findings)
            end += monitor.bucket
    assert fast == slow
    drifted = {
        model: [at for at, found in slow.items() if found.get(KEY + model, (Status.OK, 0.0))[0] is Status.DRIFTED]
        for model in ("v1", "v2")
    }
    assert CHANGE < drifted["v2"][0] <= CHANGE + HOUR / 2
    assert drifted["v1"] == []


def test_what_was_added_up_survives_a_bucket_without_the_segment(world: World) -> None:
    monitor = load(world.folder / "driftd.yaml").monitors[0]
    with open_reader(monitor) as reader:
        baseline = baseline_for(reader, monitor, LIVE)
        assert baseline is not None
        window, _ = read_window(reader, monitor, baseline, END)
        before: dict[str, State] = {KEY + "v2": {"0.hits.0": 3.0, "0.expected.0": 1.5}}
        newest = {segment: columns for segment, columns in window.profiles.items() if segment is None}
        whole = {segment: columns for segment, columns in window.profiles.items() if segment != "model_version=v2"}
        for profiles in (window.profiles, whole):
            now = Window(profiles, window.traffic, window.starts, newest, before)
            found = {finding.key: finding for finding in detect(monitor, baseline, now)}
            kept = found[KEY + "v2"]
            assert kept.status is Status.INCONCLUSIVE
            assert kept.reason.startswith("too_few")
            assert kept.detail["state"] == before[KEY + "v2"]


@pytest.mark.parametrize(
    ("check", "asks"),
    [
        ({"rate": {"signal": "refusal"}}, True),
        ({"rate": {"signal": "refusal", "max_increase": 0.05}}, False),
        ({"latency": {"columns": ["refusal"]}}, True),
        ({"latency": {"columns": ["refusal"], "p95": "3s"}}, False),
    ],
)
def test_rates_and_times_are_looked_at_bucket_by_bucket_unless_a_limit_is_given(
    world: World, check: dict[str, object], asks: bool
) -> None:
    world.configure(checks=[check], signals=["refusal"])
    monitor = load(world.folder / "driftd.yaml").monitors[0]
    flags = learn_numeric(np.repeat([0.0, 1.0], [99, 1]), 0.0, 1.0)
    methods = {question.detector.name for question in expand_checks(monitor, {"refusal": flags})}
    assert ("rate_cusum" in methods) is asks


@pytest.mark.parametrize(
    ("hourly", "bucket", "window"),
    [
        *[(2000, "2m", "1h"), (1000, "2m", "1h"), (999, "5m", "1h"), (300, "5m", "1h"), (200, "5m", "6h")],
        *[(120, "15m", "6h"), (20, "1h", "1d"), (0, "1h", "1d")],
    ],
)
def test_a_first_configuration_has_buckets_as_short_as_the_traffic_allows(
    hourly: float, bucket: str, window: str
) -> None:
    text = render_config("log", {"url": "sqlite://"}, SourceProbe(None, [], hourly))
    assert f"\n    bucket: {bucket}\n" in text
    assert f"\n    window: {window} " in text
