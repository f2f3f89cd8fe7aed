"""Intervals that know their own record: they hold as often as they say, whatever chance they overlooked."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.performance.estimate import RECORD, Estimate, doubt, miss, widened
from detectors.performance.measured import with_record


@pytest.mark.parametrize("wander", [0.0, 1.0, 4.0])
def test_a_widened_interval_holds_at_its_nominal_rate_however_far_the_world_wanders(wander: float) -> None:
    rng = np.random.default_rng(1)
    plain, checked = 0, 0
    for _ in range(2000):
        truths = rng.normal(0, np.hypot(1, wander), RECORD + 1)
        seen = Estimate(0.0, -1.96, 1.96, 100)
        record = np.array([miss(seen, truth) for truth in truths[:-1]])
        wide = widened(seen, doubt(record))
        plain += seen.low <= truths[-1] <= seen.high
        checked += wide.low <= truths[-1] <= wide.high
    assert checked / 2000 >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 2000)
    if wander:
        assert plain / 2000 < 0.9


def test_the_record_forgets_what_is_old_and_leaves_out_what_is_not_known() -> None:
    old = np.append(9.0, np.full(RECORD, 1.5))
    assert doubt(old) == 1.5
    assert doubt(np.array([np.nan, 2.0, np.nan])) == 2.0


def test_a_measured_metric_says_whether_its_estimate_held_within_the_widened_interval() -> None:
    told = {"value": 0.8, "estimated": 0.9, "estimated_reach": 0.06, "estimate_held": False}
    assert with_record("accuracy", told, {"accuracy": 2.0})["estimate_held"]
    assert not with_record("accuracy", told, {"recall": 2.0})["estimate_held"]
    assert not told["estimate_held"]
