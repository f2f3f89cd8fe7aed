"""A further change of an open incident: told when something changed, and not when the evening came."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from detectors import Column, Profile, learn_numeric
from detectors.quality.traffic import Traffic
from monitor.alerting.change_point import Plateau, second_shift
from monitor.alerting.incidents import decide_incident
from monitor.checks.baseline import Baseline
from monitor.checks.calibrate import calibrate
from monitor.checks.detect import detect
from monitor.checks.window import Window
from monitor.config.models import Monitor
from monitor.core.incident import Decision, Incident
from monitor.profiling.bucket_profiles import add_profiles
from monitor.profiling.timeline import Timeline
from tests.support.decisions import context_of

START = datetime(2026, 11, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = 24 * HOUR
BUCKET = HOUR / 2
ROWS = 120


def monitor_of() -> Monitor:
    source = {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}}
    rules = [{"when": ["drift"], "for": 2, "resolve_for": 2}]
    return Monitor.model_validate(
        {"name": "bot", "source": source, "bucket": "30m", "window": "2h", "rules": rules, "checks": ["drift"]}
    )


class Stream:
    """A column with an evening season, which an incident multiplies from a moment on and a second one shifts."""

    def __init__(self, days: int, seed: int, evening: float = 1.0) -> None:
        self.monitor, self.days, self.evening = monitor_of(), days, evening
        self.random = np.random.default_rng(seed)
        self.factor, self.shift = 1.0, 0.0
        sample = np.concatenate([self.values(START + place * BUCKET) for place in range(48)])
        self.layout = learn_numeric(sample, sample.min(), sample.max())
        self.baseline = self._learn()

    def values(self, at: datetime) -> np.ndarray:
        evening = self.evening if 18 <= at.hour < 22 else 0.0
        return self.factor * (4.0 + evening + self.random.normal(size=ROWS)) + self.shift

    def profile(self, at: datetime) -> dict[str | None, dict[str, Profile]]:
        return {None: {"x": Profile.of(Column.floats(self.values(at)), self.layout)}}

    def _learn(self) -> Baseline:
        end = START + self.days * DAY
        timeline = Timeline.of_baseline(self.monitor, {"x": self.layout}, START, end)
        parts = []
        for place in range(self.days * 48):
            parts.append(self.profile(START + place * BUCKET))
            timeline.add(START + place * BUCKET, ROWS, parts[-1])
        calibration, slots = calibrate(self.monitor, timeline, {"x": self.layout})
        rows = (ROWS,) * len(parts)
        return Baseline(
            1,
            "l",
            {"x": self.layout},
            add_profiles(parts),
            Traffic(rows, BUCKET.total_seconds()),
            ROWS * len(parts),
            START,
            end,
            calibration=calibration,
            slots=slots,
        )

    def play(self, since: datetime, hours: int, second: datetime | None = None) -> list[Decision]:
        """Judge every bucket from a moment on, at which the column is multiplied by 1.4."""
        parts = [self.profile(since + place * BUCKET) for place in range(-4, 0)]
        self.factor = 1.4
        incident: Incident | None = None
        decisions, plateaus = [], dict[datetime, Plateau]()
        for place in range(2 * hours):
            start = since + place * BUCKET
            self.shift = 3.0 if second is not None and start >= second else 0.0
            parts = [*parts[-3:], self.profile(start)]
            starts = [start + back * BUCKET for back in range(-3, 1)]
            window = Window(add_profiles(parts), Traffic((), BUCKET.total_seconds()), starts)
            at = start + BUCKET
            further = []
            last = incident.announced_at if incident is not None and incident.state == "firing" else None
            if last is not None and at >= last + self.monitor.window:
                plateaus.setdefault(last, Plateau(window.profiles, starts))
                further = second_shift(self.monitor, self.baseline, plateaus[last], window)
            findings = [replace(f, direction="worse") for f in detect(self.monitor, self.baseline, window)]
            decision = decide_incident(context_of(self.monitor, at), findings, incident, moved=further)
            if decision is not None:
                decisions.append(decision)
                incident = decision.incident
        return decisions


def again(decisions: list[Decision]) -> list[datetime]:
    return [datetime.fromisoformat(str(one.change["at"])) for one in decisions if one.change]


@pytest.mark.parametrize("days", [2, 12])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_evening_of_a_column_that_an_incident_changed_is_no_further_change(days: int, seed: int) -> None:
    stream = Stream(days, seed)
    assert bool(stream.baseline.calibration.seasons) == (days == 12)
    decisions = stream.play(START + days * DAY + 12 * HOUR, 36)
    assert any(one.transition == "firing" for one in decisions)
    assert again(decisions) == []


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_second_shift_is_told_within_hours_all_the_same(seed: int) -> None:
    stream = Stream(12, seed)
    second = START + 13 * DAY + 12 * HOUR + HOUR / 2
    told = again(stream.play(START + 12 * DAY + 12 * HOUR, 30, second))
    assert [moment - second <= 4 * HOUR for moment in told] == [True]
