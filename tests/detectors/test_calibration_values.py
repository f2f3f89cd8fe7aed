"""Nulls and limits of inputs without chance, beside values that were computed once: no term may change unnoticed.

`python -m tests.detectors.test_calibration_values` computes the stored values again.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from detectors.calibrate import Peaks, RarityLimit, episodes, expected_alerts, peaks, spend
from detectors.null_distribution import (
    CalibratedNull,
    NullDistribution,
    held_out_rarity,
    independent,
    learn_null,
    rarity_of_score,
    score_of_rarity,
)

STORED = Path(__file__).with_name("calibration_values.json")


def even(size: int, step: int = 89) -> np.ndarray:
    """Return numbers between 0 and 1 that are spread evenly, in an order that looks like chance."""
    return (np.arange(1, size + 1) * step * (math.sqrt(5) - 1) / 2) % 1


def normal(size: int, step: int = 89) -> np.ndarray:
    """Return the size of as many normal scores."""
    return np.abs(special.ndtri(even(size, step)))


def stored() -> dict[str, list[float]]:
    return dict(json.loads(STORED.read_text()))


THICK = np.where(np.arange(1200) % 3, 1.0, 0.2)
CASES = {
    "sampling noise": (normal(1200), np.full(1200, 3.29), 300.0),
    "a wander": (3 * normal(1200), np.full(1200, 3.29), 300.0),
    "clusters": (3 * THICK * normal(1200), 3.29 * THICK, 300.0),
    "a wander of thin and thick windows": (np.hypot(THICK, 1.5) * normal(1200), 3.29 * THICK, 300.0),
    "both": (np.hypot(2 * THICK, 0.8) * normal(1200), 3.29 * THICK, 300.0),
    "a heavy tail": (normal(1200) ** 2, np.full(1200, 3.29), 60.0),
    "hardly ever": (np.where(np.arange(1200) % 50 == 0, 0.5, 0.0), np.full(1200, 0.3), 300.0),
    "not measured": (np.where(np.arange(1200) % 4 == 0, np.nan, normal(1200) - 0.5), np.full(1200, 3.29), 225.0),
}


def null_of(name: str) -> NullDistribution:
    statistic, noise, windows = CASES[name]
    null = learn_null(statistic, noise, windows)
    assert null is not None
    return null


def terms_of(name: str) -> list[float]:
    """Return what was learnt of a case, the rarities and thresholds that follow, and rarities by other folds."""
    null = null_of(name)
    statistic, noise, windows = CASES[name]
    learnt = [null.wander, null.start, null.share, null.scale, *null.quantiles, null.windows, null.noise]
    rarities = null.rarity(np.array([0.0, 0.5, 2.0, 5.0, 50.0]), 3.29).tolist()
    thresholds = [float(null.threshold(rarity, 3.29)) for rarity in (1.0, 2.0, 5.0, 12.0)]
    folds = [slice(start, start + 200) for start in range(0, 1200, 200)]
    apart = np.sort(held_out_rarity(statistic, noise, folds, 0.1, windows))
    counted = apart[np.isfinite(apart)]
    return [*learnt, null.inflation, *rarities, *thresholds, float(len(counted)), *counted[::-100].tolist()]


@pytest.mark.parametrize("name", CASES)
def test_a_null_and_its_rarities_are_what_they_were(name: str) -> None:
    assert terms_of(name) == pytest.approx(stored()[name], rel=1e-5, abs=1e-9)


def test_scores_and_rarities_have_bounds() -> None:
    assert rarity_of_score(np.array([0.0, 1.0, 1e300])).tolist() == pytest.approx([0.0, math.log(1000), 1e4])
    assert rarity_of_score(4.0) == pytest.approx(-math.log(2 * special.ndtr(2 * special.ndtri(0.0005))))
    assert score_of_rarity(np.array([-1.0, 0.0, math.log(1000)])).tolist() == pytest.approx([0.0, 0.0, 1.0])


def test_a_calibrated_statistic_has_a_threshold_and_a_p_value() -> None:
    calibrated = CalibratedNull(null_of("a wander"), 9.0)
    assert calibrated.null.rarity(calibrated.threshold(3.29), 3.29) == pytest.approx(9.0)
    assert calibrated.p_value(calibrated.threshold(3.29), 3.29) == pytest.approx(math.exp(-9.0))
    assert calibrated.p_value(0.0, 3.29) == calibrated.p_value(-2.0, 3.29) == 1.0


def new_windows() -> list[float]:
    slow = np.repeat(even(60) - 0.5, 10)
    gaps = np.where(np.arange(600) % 3 == 0, np.nan, slow)
    return [independent(each, 5) for each in (even(600), slow, gaps, np.full(600, 2.0), even(4), np.full(600, np.nan))]


def test_windows_that_tell_something_new_are_counted() -> None:
    assert new_windows() == pytest.approx(stored()["windows that tell something new"], rel=1e-5)


# ---- limits ----------------------------------------------------------------------------------------------------


def heights(step: int, scale: float = 1.0) -> np.ndarray:
    return scale * -np.log1p(-even(336 * 4, step)).reshape(336, 4).max(axis=1)


STATISTICS: dict[str, dict[str, list[Peaks]]] = {
    "ordinary": {f"c{i}": [Peaks(f"c{i}", heights(89 + 12 * i))] for i in range(12)},
    "one": {"c": [Peaks("c", heights(89))]},
    "two rules": {f"c{i}": [Peaks(f"{rule}/c{i}", heights(89 + 12 * i)) for rule in "ab"] for i in range(5)},
    "one group": {f"c{i}": [Peaks("g", heights(89 + 12 * i))] for i in range(5)},
    "apart": {
        **{f"c{i}": [Peaks(f"c{i}", heights(89 + 12 * i))] for i in range(12)},
        "wide": [Peaks("wide", heights(77, 6.0))],
        "burst": [Peaks("burst", np.where(np.arange(336) // 3 == 40, 70.0, 0.0))],
        "dead": [Peaks("dead", np.zeros(336))],
    },
    "still": {"c": [Peaks("c", np.zeros(336))], "d": [Peaks("d", np.full(336, 0.5))]},
    "nothing": {},
}


def limits_of(name: str) -> list[float]:
    """Return limits under two budgets, and those of what is set apart."""
    found: list[float] = []
    for budget in (0.2, 3.0):
        shares = spend(STATISTICS[name], budget, 2.0)
        found += shares.limit.to_json().values()
        found += [value for _, value in sorted(shares.own.items())]
    return found


@pytest.mark.parametrize("name", STATISTICS)
def test_limits_are_what_they_were(name: str) -> None:
    assert limits_of(name) == pytest.approx(stored()[name], rel=1e-5, abs=1e-9)


def test_limits_survive_storage_and_know_more_or_less_of_the_tail() -> None:
    limit = RarityLimit(9.0, 1.0, 0.5, 0.4, 0.6, 2.0, 0.5)
    assert RarityLimit.from_json({**limit.to_json(), "shape": 0.1}) == limit


def alerts() -> list[float]:
    some = [expected_alerts(heights(89), limit, 2.0) for limit in (1.0, 6.0, 9.0)]
    few = (np.zeros(9), np.array([0.0, 9.0]), np.array([7.0, 9.0]))
    return [*some, *(expected_alerts(each, 6.0, 2.0) for each in few)]


def test_alerts_of_one_statistic_are_expected_by_its_tail() -> None:
    assert alerts() == pytest.approx(stored()["alerts"], rel=1e-5)


def test_episodes_follow_the_rule() -> None:
    high = np.array([0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1])
    asked = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1), (4, 1)]
    assert [episodes(high, *each) for each in asked] == [4, 3, 2, 2, 2, 1, 0]
    assert episodes(high) == 3


def test_peaks_are_those_of_stretches() -> None:
    rarity = np.array([3.0, -np.inf, 1, 8, 7, 2, 9])
    assert peaks(rarity, 3).tolist() == [8.0, 9.0]
    assert peaks(rarity, 0).tolist() == [3.0, 0.0, 1.0, 8.0, 7.0, 2.0, 9.0]
    assert peaks(rarity, 100).tolist() == [9.0]
    assert peaks(rarity, 3, bad_for=2).tolist() == [1.0, 7.0]


if __name__ == "__main__":
    values = {name: terms_of(name) for name in CASES} | {name: limits_of(name) for name in STATISTICS}
    values |= {"alerts": alerts(), "windows that tell something new": new_windows()}
    rows = {name: [float(f"{value:.8g}") for value in each] for name, each in values.items()}
    STORED.write_text("{\n" + ",\n".join(f'"{name}": {json.dumps(each)}' for name, each in rows.items()) + "\n}\n")
