"""Calibration against its own promise: on streams that have not changed, pages come as often as the budget says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from detectors.calibrate import Limit, Watched, episodes, learn_limit
from detectors.correct import false_discovery
from detectors.null import Calibrated, Null, held_out_rarity, independent, learn_null
from detectors.season import SEASONS, choose, possible

WEEKS = 2.0


def test_a_null_that_never_moved_knows_what_is_rare_without_a_warning() -> None:
    null = learn_null(np.zeros(500), np.full(500, 0.003), 500)
    assert null is not None
    rare = null.rarity(np.array([0.0, 0.001, 0.5, 1e200]), np.array([0.003, 0.003, 0.003, 0.0]))
    assert rare[0] == 0.0
    assert rare[1] < 1 < 1000 < rare[2] < rare[3]
    assert Calibrated(null, 12.0).p_value(0.5, 0.003) == 0.0


LEARN, LIVE = 2016, 4 * 2016
LENGTH = 4


def stream(rng: np.random.Generator, columns: int, slow: float, size: int) -> np.ndarray:
    """Return |z| of each column and window: overlapping windows, and a wander of the population when ``slow``."""
    noise = rng.normal(size=(size + LENGTH, columns))
    smooth = np.cumsum(noise, axis=0)
    smooth = (smooth[LENGTH:] - smooth[:-LENGTH]) / math.sqrt(LENGTH)
    if slow:
        wander = np.zeros((size, columns))
        steps = rng.normal(size=(size, columns)) * math.sqrt(1 - slow**2)
        for t in range(1, size):
            wander[t] = slow * wander[t - 1] + steps[t]
        smooth = smooth + 1.5 * wander
    return np.asarray(np.abs(smooth))


def live_pages(rng: np.random.Generator, columns: int, slow: float, budget: float) -> tuple[int, Limit]:
    values = stream(rng, columns, slow, LEARN + LIVE)
    folds = [slice(start, start + LEARN // 14) for start in range(0, LEARN, LEARN // 14)]
    sway = np.full(LEARN, 3.29)
    held = np.full(LEARN, -np.inf)
    largest = np.full(LIVE, -np.inf)
    for column in values.T:
        windows = independent(column[:LEARN], LENGTH)
        held = np.maximum(held, held_out_rarity(column[:LEARN], sway, folds, 0.0, windows))
        null = learn_null(column[:LEARN], sway, windows)
        assert null is not None
        largest = np.maximum(largest, null.rarity(column[LEARN:], 3.29))
    limit = learn_limit([Watched(held)], budget, WEEKS, LENGTH)
    return episodes(Watched(largest), limit.rarity), limit


@pytest.mark.parametrize("slow", [0.0, 0.98])
@pytest.mark.parametrize("columns", [1, 30])
@pytest.mark.parametrize("budget", [1.0, 7 / 30.4375])
def test_the_budget_is_kept_on_unchanged_streams(columns: int, slow: float, budget: float) -> None:
    """Twelve streams of eight live weeks each: the pages may not speak against the budget (Poisson, 1 %)."""
    rng = np.random.default_rng(int(100 * slow) + columns)
    pages = [live_pages(rng, columns, slow, budget)[0] for _ in range(12)]
    weeks = 12 * LIVE / LEARN * WEEKS
    assert stats.poisson.sf(sum(pages) - 1, budget * weeks) > 0.01, pages


def test_the_expected_rate_and_its_interval_tell_the_truth() -> None:
    rng = np.random.default_rng(4)
    inside = 0
    for _ in range(20):
        pages, limit = live_pages(rng, 5, 0.0, 1.0)
        assert limit.low <= limit.expected <= limit.high * 1.001
        least, most = stats.poisson.ppf([0.005, 0.995], [limit.low * 8 + 1e-9, limit.high * 8])
        inside += least <= pages <= most
    assert inside >= 18


def test_a_null_learns_the_wander_and_one_threshold_serves_thin_and_thick_windows() -> None:
    rng = np.random.default_rng(1)
    rows = np.where(np.arange(6000) % 2, 100, 10_000)
    noise = 3.29 / np.sqrt(rows)
    seen = np.abs(rng.normal(size=6000) * np.sqrt(1 / rows + 0.02**2))
    null = learn_null(seen, noise, 6000)
    assert null is not None
    over = seen >= null.threshold(math.log(200), noise)
    assert over[1::2].mean() < 0.015
    assert over[::2].mean() < 0.015
    assert null.threshold(5.0, 3.29 / math.sqrt(100)) > null.threshold(5.0, 3.29 / math.sqrt(10_000))


def test_rarity_and_threshold_are_inverse_and_survive_storage() -> None:
    null = Null(0.1, 0.2, 0.1, 0.4, (0.1, 0.2, 0.3, 0.4), 100.0)
    again = Null.from_json(null.to_json())
    assert again == null
    for rarity in (3.0, 7.0, 20.0):
        assert null.rarity(again.threshold(rarity, 0.05), 0.05) == pytest.approx(rarity)
    calibrated = Calibrated(null, 7.0)
    assert calibrated.p_value(calibrated.threshold(0.05), 0.05) == pytest.approx(math.exp(-7))
    assert calibrated.p_value(-1.0, 0.05) == 1.0


def test_persistence_and_recovery_are_inside_the_count() -> None:
    high = np.array([0, 9, 0, 9, 9, 9, 0, 9, 0, 0, 9, 9.0])
    asked = ((1, 1), (2, 1), (3, 1), (1, 3))
    assert [episodes(Watched(high, bad, clean), 5) for bad, clean in asked] == [4, 2, 1, 1]


def test_a_smaller_budget_asks_for_rarer_things() -> None:
    rng = np.random.default_rng(2)
    watched = [Watched(rng.exponential(size=4032))]
    limits = [learn_limit(watched, budget, 2.0, 12).rarity for budget in (7.0, 1.0, 7 / 30.4375, 1 / 52)]
    assert limits == sorted(limits)
    assert len(set(limits)) == 4


def test_nothing_measured_teaches_nothing() -> None:
    nothing = np.full(100, np.nan)
    assert learn_null(nothing, nothing, 100) is None
    assert np.isneginf(held_out_rarity(nothing, nothing, [slice(0, 50), slice(50, 100)], 0.0, 100)).all()
    limit = learn_limit([Watched(np.full(2016, -np.inf))], 1.0, 1.0, 12)
    assert limit.rarity >= math.log(2016 / 12)


def test_false_discovery_is_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = np.random.default_rng(3).uniform(size=200) ** 3
    assert false_discovery(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1], abs=1e-12)


def test_seasons_cut_time_where_clocks_do() -> None:
    from datetime import UTC, datetime

    moments = [datetime(2026, 11, 23, 5, 59, tzinfo=UTC), datetime(2026, 11, 28, 6, 0, tzinfo=UTC)]
    assert [moment.weekday() for moment in moments] == [0, 5]
    seconds = np.array([int(moment.timestamp()) for moment in moments])
    slots = {name: season.slot(seconds).tolist() for name, season in SEASONS.items()}
    assert slots == {
        "all times": [0, 0],
        "hour of the day": [5, 6],
        "day of the week": [0, 5],
        "hour of workday or weekend": [5, 30],
        "hour of the week": [5, 126],
    }
    assert possible(3 * 86_400) == ["all times"]
    assert choose({"all times": 0.2, "hour of the day": 0.19}) == "all times"
