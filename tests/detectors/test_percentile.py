"""Percentiles from merged bins: close to the exact ones, with limits that hold, on real and made-up times."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.base import Criterion, Status, assess
from detectors.profile import Profile
from detectors.quality.percentile import LEVELS, RISES, TARGETS, learn_times, percentile
from detectors.records import Column

LAYOUT = learn_times(np.random.default_rng(0).lognormal(0, 1, 5000))


def profile(seconds: np.ndarray) -> Profile:
    return Profile.of(Column.floats(seconds), LAYOUT)


@pytest.mark.parametrize("spread", [0.1, 0.5, 1.5])
@pytest.mark.parametrize("level", LEVELS)
def test_a_percentile_of_merged_buckets_is_within_one_percent_of_the_exact_one(level: float, spread: float) -> None:
    rng = np.random.default_rng(1)
    seconds = rng.lognormal(-1, spread, 20_000)
    parts = [profile(part) for part in np.array_split(seconds, 12)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    value, low, high = (float(one) for one in percentile(level, whole))
    exact = np.quantile(seconds, level, method="inverted_cdf")
    assert value == pytest.approx(exact, rel=0.01)
    assert low <= value <= high


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_limits_hold_at_their_nominal_rate(level: float) -> None:
    rng = np.random.default_rng(2)
    truth = np.exp(np.sqrt(2) * 0.8 * {0.5: 0.0, 0.95: 1.1630871536766743}[level])
    inside = 0
    for _ in range(400):
        _, low, high = percentile(level, profile(rng.lognormal(0, 0.8, 500)))
        inside += float(low) <= truth <= float(high)
    assert 0.95 - 3 * np.sqrt(0.05 * 0.95 / 400) <= inside / 400 <= 0.99


def test_an_unchanged_service_is_below_its_noise_and_a_slower_one_above() -> None:
    rng = np.random.default_rng(3)
    before = profile(rng.lognormal(0, 0.8, 20_000))
    quiet = [RISES["p95_rise"].measure(before, profile(rng.lognormal(0, 0.8, 500))) for _ in range(300)]
    assert np.mean([seen.statistic > seen.noise for seen in quiet]) <= 0.01
    slow = RISES["p95_rise"].measure(before, profile(rng.lognormal(0.7, 0.8, 500)))
    assert slow.statistic == pytest.approx(0.7, abs=0.25)
    assert slow.statistic > slow.noise


@pytest.mark.parametrize("draw", ["lognormal", "pareto"])
def test_a_tail_that_small_samples_do_not_reach_is_no_rise(draw: str) -> None:
    rng = np.random.default_rng(4)
    times = {"lognormal": lambda n: rng.lognormal(0, 1, n), "pareto": lambda n: rng.pareto(2.5, n) + 1}[draw]
    quiet = [RISES["p99_rise"].measure(profile(times(260)), profile(times(250))) for _ in range(300)]
    assert np.mean([seen.statistic > seen.noise for seen in quiet]) <= 0.02
    slow = RISES["p99_rise"].measure(profile(times(5000)), profile(3 * times(2000)))
    assert slow.statistic > slow.noise


def test_a_target_is_held_in_seconds_and_none_is_no_verdict() -> None:
    before, now = profile(np.full(500, 1.0)), profile(np.append(np.full(460, 1.0), np.full(40, 9.0)))
    for target, status in ((3.0, Status.DRIFTED), (10.0, Status.OK)):
        found = assess(TARGETS["p95"], before, now, column="latency", criterion=Criterion(threshold=target))
        assert found.status is status
        assert found.statistic == pytest.approx(9.0, rel=0.02)
        assert found.detail["baseline_value"] == pytest.approx(1.0, rel=0.02)
    assert assess(TARGETS["p50"], before, now, column="latency", criterion=Criterion(threshold=3.0)).status is Status.OK


def test_times_outside_of_the_edges_and_odd_ones_do_no_harm() -> None:
    odd = profile(np.array([0.0, -1.0, np.nan, np.inf, 1e9, 5e-324] * 100))
    assert odd.nonfinite == 200
    for detector in (*TARGETS.values(), *RISES.values()):
        found = assess(detector, odd, odd, column="latency", criterion=Criterion(threshold=1.0))
        assert found.status in (Status.OK, Status.DRIFTED)
        assert found.statistic is not None
        assert np.isfinite(found.statistic)
