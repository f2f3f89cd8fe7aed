"""The calibration of a small baseline without chance, beside what it was: seasons, nulls, limits, what is set apart.

`python -m tests.monitor.test_calibrated_monitor` computes the stored values again.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from detectors.binning import learn_categorical, learn_numeric
from detectors.clusters import count_clients
from detectors.profile import Profile
from detectors.records import Column
from monitor.checks.calibrate import calibrate
from monitor.checks.calibration import Calibration, SlotProfiles
from monitor.checks.calibration_settings import definition
from monitor.config.models import Monitor
from monitor.profiling.timeline import Timeline
from tests.support.decisions import HOUR, START, finding

DAYS, ROWS = 10, 40
STORED = Path(__file__).with_name("calibrated_monitor.json")


def monitor_of(**changes: Any) -> Monitor:
    settings = {
        "name": "bot",
        "bucket": "1h",
        "window": "3h",
        "min_samples": 30,
        "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts"}},
        "segments": ["plan"],
        "checks": [{"drift": {"method": ["kolmogorov_smirnov", "cusum", "jensen_shannon", "psi"]}}, "quality"],
        "rules": [{"when": ["drift"]}, {"when": ["*"], "for": 2}],
        **changes,
    }
    return Monitor.model_validate(settings)


def even(size: int, step: int) -> np.ndarray:
    return (np.arange(1, size + 1) * step * (math.sqrt(5) - 1) / 2) % 1


def learn(monitor: Monitor, days: int = DAYS, gap: int = 5) -> tuple[Calibration, SlotProfiles]:
    """Calibrate on days of 40 rows an hour: a rhythm of the day, a burst on one day, and an hour that is missing."""
    steps = days * 24
    hours = np.arange(steps)
    wave = np.sin(2 * np.pi * hours / 24)[:, None]
    amount = special.ndtri(even(steps * ROWS, 89)).reshape(steps, ROWS) + 1.5 * wave
    steady = special.ndtri(even(steps * ROWS, 113)).reshape(steps, ROWS)
    steady[100:112] += 2.0
    steady[:, 0] = np.nan
    words = np.array(["free", "pro", "team"])[(3 * even(steps * ROWS, 67) ** 2).astype(int)].reshape(steps, ROWS)
    layouts = {
        "amount": learn_numeric(amount.ravel(), amount.min(), amount.max()),
        "steady": learn_numeric(steady[:, 1:].ravel(), steady[:, 1:].min(), steady[:, 1:].max()),
        "plan": learn_categorical(Counter(words.ravel().tolist())),
    }
    timeline = Timeline.of_baseline(monitor, layouts, START, START + days * timedelta(days=1))

    def profiled(step: int, among: np.ndarray) -> dict[str, Profile]:
        columns = {
            "amount": Column.floats(amount[step][among]),
            "steady": Column.floats(steady[step][among]),
            "plan": Column.of(words[step][among].tolist()),
        }
        return {name: Profile.of(column, layouts[name]) for name, column in columns.items()}

    for step in range(steps):
        if step % 50 == gap:
            continue
        free = words[step] == "free"
        parts = {None: profiled(step, np.ones(ROWS, dtype=bool)), "plan=free": profiled(step, free)}
        users = count_clients(Column.of([f"u{number}" for number in range(step % 9, step % 9 + 20)]))
        timeline.add(START + step * HOUR, ROWS + step % 5, parts, {"user": users.tolist()})
    return calibrate(monitor, timeline, layouts)


@pytest.fixture(scope="module")
def learnt() -> tuple[Calibration, SlotProfiles]:
    return learn(monitor_of())


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Return every leaf of plain data by its path."""
    if isinstance(value, dict):
        return {k: v for key, each in value.items() for k, v in flat(each, f"{path}/{key}").items()}
    if isinstance(value, list):
        return {k: v for place, each in enumerate(value) for k, v in flat(each, f"{path}/{place}").items()}
    return {path: float(f"{value:.6g}") if isinstance(value, float) else value}


def leaves_of(calibration: Calibration, slots: SlotProfiles) -> dict[str, Any]:
    """Return all that was learnt, and the rows of every slot of a season."""
    rows = {
        f"slots/{season}/{slot}/{segment}/{column}": int(profile.rows)
        for season, kept in slots.items()
        for slot, segments in kept.items()
        for segment, columns in segments.items()
        for column, profile in columns.items()
    }
    return flat({**calibration.to_json(), "definition": ""}) | rows


def test_a_calibration_is_what_it_was(learnt: tuple[Calibration, SlotProfiles]) -> None:
    found, stored = leaves_of(*learnt), json.loads(STORED.read_text())
    assert found.keys() == stored.keys()
    for path, value in stored.items():
        assert found[path] == (pytest.approx(value, rel=1e-4, abs=1e-9) if isinstance(value, float) else value), path


def test_a_calibration_survives_storage(learnt: tuple[Calibration, SlotProfiles]) -> None:
    calibration, _ = learnt
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    assert again == calibration
    assert Calibration.from_json(None) == Calibration.from_json({}) == Calibration()
    assert Calibration().limit is None


def test_a_finding_has_the_limit_that_holds_for_it(learnt: tuple[Calibration, SlotProfiles]) -> None:
    calibration, _ = learnt
    assert calibration.limit is not None
    apart = calibration.set_apart
    assert apart.keys() < calibration.nulls.keys()
    for key in calibration.nulls:
        found = calibration.calibrated(key)
        assert found is not None
        assert found.limit == (apart[key].limit if key in apart else calibration.limit.rarity)
    whole = finding(0.3, column="steady", method="psi")
    assert calibration.of(whole) == calibration.calibrated(whole.key)
    assert calibration.of(replace(whole, segment="plan=new")) == calibration.calibrated(whole.key)
    known = replace(whole, segment="plan=free")
    assert calibration.of(known) == calibration.calibrated(known.key) != calibration.calibrated(whole.key)
    assert calibration.of(replace(whole, column="other")) is None
    assert Calibration(nulls=calibration.nulls).of(whole) is None


def test_what_is_too_short_or_alerts_nobody_is_not_calibrated() -> None:
    none, slots = learn(monitor_of(rules=[]), days=1)
    assert (none.limit, slots, none.nulls) == (None, {}, {})
    assert none.reason == "not_calibrated: no rule is configured, so fixed thresholds apply"
    assert none.definition == definition(monitor_of(rules=[]))
    short, slots = learn(monitor_of(window="6h"), days=1)
    assert (short.limit, slots) == (None, {})
    assert short.reason == (
        "too_short: the baseline has 4 non-overlapping windows and 5 are needed; until then fixed thresholds apply"
    )
    assert short.definition == definition(monitor_of(window="6h"))
    assert learn(monitor_of(window="4h"), days=1, gap=30)[0].limit is not None


def test_thresholds_depend_on_what_is_measured_and_when_it_alerts() -> None:
    usual = definition(monitor_of())
    assert len(usual) == 16
    for changes in (
        {"alert_budget": "2/week"},
        {"window": "6h"},
        {"min_samples": 31},
        {"rules": [{"when": ["drift"], "for": 3}]},
        {"checks": ["quality"]},
    ):
        assert definition(monitor_of(**changes)) != usual
    assert definition(monitor_of(settle="9s")) == usual


if __name__ == "__main__":
    STORED.write_text(json.dumps(leaves_of(*learn(monitor_of())), indent=0, sort_keys=True) + "\n")
