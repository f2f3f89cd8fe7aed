"""Intervals that know their own record: against a closed form, at their nominal rate, and what they promise."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from detectors.performance import interval_calibration as module
from detectors.performance.interval_calibration import (
    LONGEST,
    MISSES,
    RATE,
    Residual,
    ResidualHistory,
    Z,
    calibrate_interval,
    follow,
)
from detectors.performance.measured import backtest_estimates, spoken, with_record
from tests.support.nightly import nightly_except


def windows(residuals: np.ndarray, error: float = 0.01, new: float = 0.0, start: int = 0) -> list[Residual]:
    return [Residual(float(start + place), residual, error, new) for place, residual in enumerate(residuals.tolist())]


def test_one_answer_of_the_grid_is_the_conditional_normal_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kalman's recursion against the joint covariance of all residuals, inverted."""
    move, wander, back, judged, span = 0.5, 1.0, 0.8, 0.15, 1.0
    for name, value in (("MOVES", move), ("WANDERS", wander), ("RETURNS", back), ("MISJUDGED", judged)):
        monkeypatch.setattr(module, name, (value,))
    rng = np.random.default_rng(0)
    at = np.array([0.0, 1.0, 2.5, 4.0, 7.0])
    new, error = rng.random(5), np.array([0.01, 0.02, 0.01, 0.03, 0.02])
    residual = rng.normal(0, 0.05, 5)
    unit = float(np.median(error[:4]))
    level = (move * unit) ** 2 / (1 - back**2) * back ** np.abs(at[:, None] - at)
    joint = level + (judged * span) ** 2 * np.outer(new, new) + np.diag((wander * unit) ** 2 + error**2)
    weights = np.linalg.solve(joint[:4, :4], joint[:4, 4])
    mean, variance = weights @ residual[:4], joint[4, 4] - weights @ joint[:4, 4]
    seen = [Residual(*one) for one in zip(at.tolist(), residual.tolist(), error.tolist(), new.tolist(), strict=True)]
    state = module._follow(ResidualHistory(tuple(seen[:4]), span), lag=1.0)[0][-1]
    law = state.law(seen[4])
    assert law.means[0] == pytest.approx(mean, rel=1e-9)
    assert law.spreads[0] ** 2 == pytest.approx(variance, rel=1e-9)
    assert law.quantiles(np.array([Z]))[0] == pytest.approx(mean + Z * np.sqrt(variance), rel=1e-6)


@pytest.mark.parametrize("wander", nightly_except([0.0, 0.01, 0.04], 0.01))
@pytest.mark.parametrize("lag", nightly_except([1.0, 5.0, None], 5.0))
def test_intervals_hold_at_their_nominal_rate_where_the_future_is_like_the_baseline(
    wander: float, lag: float | None
) -> None:
    rng = np.random.default_rng(1)
    inside = count = 0
    for _ in range(12):
        truth = windows(rng.normal(0, np.hypot(0.01, wander), 80))
        stated = follow(ResidualHistory(tuple(truth[:30])), truth[30:], lag)
        inside += sum(said.low <= one.residual <= said.high for said, one in zip(stated, truth[30:], strict=True))
        count += 50
    low, high = stats.binomtest(inside, count).proportion_ci(0.999)
    assert high >= 1 - MISSES
    assert low <= 1 - MISSES + 0.03  # where little is known it is wide rather than narrow


@pytest.mark.parametrize("lag", nightly_except([1.0, 6.0], 6.0))
def test_in_the_long_run_it_misses_as_often_as_it_says_whatever_the_world_does(lag: float) -> None:
    rng = np.random.default_rng(2)
    world = np.concatenate([rng.normal(0, 0.01, 100), rng.standard_cauchy(200) * 0.02, np.linspace(0, 1, 200)])
    world += 0.2 * (rng.random(500) < 0.2)
    truth = windows(world)
    stated = follow(ResidualHistory(tuple(truth[:20])), truth[20:], lag)
    missed = [not said.low <= one.residual <= said.high for said, one in zip(stated, truth[20:], strict=True)]
    logs = np.log([said.stretch for said in stated])
    assert abs(np.mean(missed) - MISSES) <= (np.ptp(logs) + RATE * (lag + 1)) / (RATE * len(missed))
    assert abs(np.mean(missed) - MISSES) < 0.02


def test_the_interval_knows_bias_horizon_ignorance_and_new_rows() -> None:
    rng = np.random.default_rng(3)
    walk = ResidualHistory(tuple(windows(np.cumsum(rng.normal(0, 0.01, 60)))))
    calm = ResidualHistory(tuple(windows(rng.normal(0, 0.01, 60))))
    few = ResidualHistory(calm.residuals[:5])

    def width(record: ResidualHistory, at: float = 60.0, new: float = 0.0) -> float:
        seen = calibrate_interval(record, at, 0.01, new)
        return seen.high - seen.low

    assert calibrate_interval(walk, 60.0, 0.01).middle == pytest.approx(walk.residuals[-1].residual, abs=0.02)
    assert width(walk, 90.0) > 1.5 * width(walk)
    assert width(few) > 1.2 * width(calm)
    assert width(calm, new=0.3) > 1.5 * width(calm)
    assert calibrate_interval(ResidualHistory(), 1.0, 0.01)[:3] == pytest.approx((0.0, -Z * 0.01, Z * 0.01))


def test_a_record_forgets_what_is_old_refuses_what_is_not_later_and_is_plain_data() -> None:
    known = ResidualHistory(tuple(windows(np.zeros(LONGEST))), span=2.0)
    longer = known + windows(np.ones(3), start=LONGEST - 1)
    assert len(longer.residuals) == LONGEST
    assert [one.residual for one in longer.residuals[-3:]] == [0.0, 1.0, 1.0]
    assert ResidualHistory.from_json(json.loads(json.dumps(longer.to_json()))) == longer
    assert len(longer.until(50.0).residuals) == 51 - 2
    assert backtest_estimates("accuracy", np.zeros(0), []) == ResidualHistory()


def test_a_finding_says_what_labels_should_show_and_whether_they_did() -> None:
    record = ResidualHistory(tuple(windows(np.full(40, -0.1))))
    told = {"value": 0.8, "low": 0.78, "high": 0.82, "estimated": 0.8, "error": 0.01, "new": 0.0}
    guess = with_record("estimated_accuracy", told, record, 41.0, 1.0)
    assert guess["low"] < guess["corrected"] < guess["high"] < 0.73
    assert guess["known_to_hold"]
    assert spoken(guess).startswith("; expected once labels arrive: 0.7 (")
    assert "still related as at the newest labels, 2 windows ago" in spoken(guess)
    strange = with_record("estimated_accuracy", {**told, "new": 0.4}, record, 41.0, 1.0)
    assert "not verified: 40% of the rows are unlike" in spoken(strange)
    alone = with_record("estimated_accuracy", told, None, 41.0, 1.0)
    assert "covers sampling error only" in spoken(alone)
    assert "newest_label" not in alone
    truth = with_record("accuracy", {**told, "value": 0.705}, record, 41.0, 1.0)
    assert truth["estimate_held"]
    assert not with_record("accuracy", told, record, 41.0, 1.0)["estimate_held"]
    assert with_record("calibration_error", told, record, 41.0, 1.0) == told
