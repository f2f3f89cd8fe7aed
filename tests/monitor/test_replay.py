"""A replay of a stretch finds what the daemon would have found, bucket by bucket."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from detectors.base import Finding, Status
from detectors.sequential import State
from monitor.alerting.change_point import Plateau, second_shift
from monitor.checks.baseline import Baseline, previous_stretch
from monitor.checks.detect import detect
from monitor.checks.window import Window
from monitor.cli.connections import open_reader
from monitor.config.load import load
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.jobs.memory_baseline import baseline_for
from monitor.jobs.replay import replay
from monitor.jobs.replay_shifts import PlateauComparison
from monitor.jobs.replay_target import NEAR
from monitor.jobs.source_baseline import with_previous
from monitor.profiling.stretch import profile_buckets
from monitor.profiling.timeline import Timeline
from monitor.sources.base import Reader
from tests.support.windows import read_window
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)
BEGIN, END = START + 24 * HOUR, START + 28 * HOUR
Told = dict[str, tuple[Status, float, float, str]]
"""Status, statistic, threshold and, of those that drifted, the sentence of the findings of a bucket, by key."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.log(rows_of(START, 26 * HOUR))
    made.log(rows_of(START + 26 * HOUR, 2 * HOUR, seed=2, shift=0.6, plan="team"))
    yield made
    made.close()


def one_by_one(reader: Reader, monitor: Monitor, baseline: Baseline) -> Iterator[tuple[Bucket, list[Finding]]]:
    """Detect every bucket as a tick does, each window read by itself."""
    sums: dict[str, State] = {}
    end = BEGIN + monitor.bucket
    while end <= END:
        baseline = with_previous(reader, monitor, baseline, end - monitor.window)
        window, _ = read_window(reader, monitor, baseline, end)
        newest, _ = read_window(reader, monitor.model_copy(update={"window": monitor.bucket}), baseline, end)
        now = Window(window.profiles, window.traffic, window.starts, newest.profiles, sums)
        findings = detect(monitor, baseline, now)
        sums = {f.key: f.detail["state"] for f in findings if "state" in f.detail}
        yield Bucket(end - monitor.bucket, end), findings
        end += monitor.bucket


def told(findings: list[Finding]) -> Told:
    """Return what came near its threshold; a replay does not spell out the rest."""
    measured = (f for f in findings if f.statistic is not None and f.threshold and f.check != "freshness")
    near = (f for f in measured if f.statistic >= NEAR * f.threshold)
    return {f.key: (f.status, round(f.statistic, 9), round(f.threshold, 9), sentence(f)) for f in near}


def sentence(finding: Finding) -> str:
    """Return the sentence of a finding that drifted, without the note of an improvement, which a replay leaves out."""
    return finding.reason.removesuffix(", an improvement") if finding.status is Status.DRIFTED else ""


REFERENCES: dict[str, dict[str, Any]] = {
    "baseline": {},
    "previous": {"baseline": {"rolling": "24h", "previous": "3h"}, "segments": ["plan"]},
}


def both_ways(world: World) -> tuple[dict[Bucket, Told], dict[Bucket, Told]]:
    """Return the findings of a replay and those of ticks, by bucket."""
    monitor = load(world.folder / "driftd.yaml").monitors[0]
    with open_reader(monitor) as reader:
        baseline = baseline_for(reader, monitor, BEGIN)
        assert baseline is not None
        assert baseline.calibration.limit is not None
        lead = BEGIN - monitor.window + monitor.bucket
        if monitor.baseline.previous:
            lead, _ = previous_stretch(monitor, monitor.baseline.previous, lead)
        timeline = Timeline.of_stretch(monitor, baseline.layouts, lead, END, BEGIN)
        for bucket, profiler in profile_buckets(reader, monitor, baseline.layouts, lead, END):
            timeline.add(bucket.start, profiler.facts.rows, profiler.profiles())
        whole = {bucket: told(found) for bucket, found, _ in replay(monitor, baseline, timeline, {})}
        single = {bucket: told(found) for bucket, found in one_by_one(reader, monitor, baseline)}
    return whole, single


@pytest.mark.parametrize("changes", REFERENCES.values(), ids=REFERENCES)
def test_a_replay_finds_what_ticks_find(world: World, changes: dict[str, Any]) -> None:
    world.configure(checks=["drift", "quality"], **changes)
    whole, single = both_ways(world)
    assert whole == single
    assert {key.split("/")[0] for found in single.values() for key in found} >= {"drift"}
    assert {key.split("/")[2] for found in single.values() for key in found} >= {
        "rank",
        "cusum",
        "rate_cusum",
        "jensen_shannon",
    }


def test_a_replay_gives_a_check_of_the_records_its_name(world: World) -> None:
    world.log(rows_of(START + 26 * HOUR, 2 * HOUR, per_minute=20, seed=3))
    world.configure(checks=[{"volume": {"name": "traffic", "threshold": 0.5}}])
    whole, single = both_ways(world)
    assert whole == single
    assert {key.split("/")[0] for found in whole.values() for key in found} == {"traffic"}


def test_a_replay_finds_the_same_further_changes(world: World) -> None:
    world.log(rows_of(START + 28 * HOUR, 3 * HOUR, seed=3, shift=1.6, plan="team"))
    world.configure()
    monitor = load(world.folder / "driftd.yaml").monitors[0]
    since, end = START + 27 * HOUR, START + 31 * HOUR
    with open_reader(monitor) as reader:
        baseline = baseline_for(reader, monitor, BEGIN)
        assert baseline is not None
        lead = BEGIN - monitor.window + monitor.bucket
        timeline = Timeline.of_stretch(monitor, baseline.layouts, lead, end)
        for bucket, profiler in profile_buckets(reader, monitor, baseline.layouts, lead, end):
            timeline.add(bucket.start, profiler.facts.rows, profiler.profiles())
        again, plateaus = PlateauComparison(monitor, baseline, timeline), {}
        first, _ = read_window(reader, monitor, baseline, since + monitor.window)
        plateau = Plateau(first.profiles, first.starts)
        moment, seen = since, set()
        while moment <= end:
            fast = again.moved(plateaus, since, moment)
            slow = []
            if moment > since + monitor.window:
                slow = second_shift(monitor, baseline, plateau, read_window(reader, monitor, baseline, moment)[0])
            assert told(fast) == told(slow), moment
            assert [f.detail["back"] for f in fast] == [f.detail["back"] for f in slow]
            seen |= {(f.column, moment > START + 28 * HOUR) for f in fast}
            moment += monitor.bucket
    assert ("amount", True) in seen
    assert not {when for column, when in seen if column == "plan" or not when}
