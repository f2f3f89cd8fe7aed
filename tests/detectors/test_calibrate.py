"""Calibration against its own promise: on streams that have not changed, pages come as often as the budget says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from scipy import stats

from detectors.calibrate import BudgetShares, Peaks, RarityLimit, episodes, peaks, spend
from detectors.correct import false_discovery
from detectors.null_distribution import (
    MOST_EXTREME,
    CalibratedNull,
    NullDistribution,
    held_out_rarity,
    independent,
    learn_null,
)
from detectors.season import SEASONS, choose, possible
from detectors.unusual import find_unusual_stretch
from tests.support.nightly import nightly_except

WEEKS = 2.0


def test_a_null_that_never_moved_knows_what_is_rare_without_a_warning() -> None:
    null = learn_null(np.zeros(500), np.full(500, 0.003), 500)
    assert null is not None
    rare = null.rarity(np.array([0.0, 0.001, 0.5, 1e200]), np.array([0.003, 0.003, 0.003, 0.0]))
    assert rare[0] == 0.0
    assert rare[1] < 2 < 1000 < rare[2] <= rare[3] <= MOST_EXTREME
    assert CalibratedNull(null, 12.0).p_value(0.5, 0.003) < 1e-300


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


@dataclass(frozen=True)
class Unchanged:
    """What is learnt of the columns of an unchanged stream, and how they go on."""

    watched: dict[str, list[Peaks]]
    nulls: list[NullDistribution]
    live: np.ndarray

    def pages(self, budget: float) -> tuple[int, RarityLimit]:
        """Return the pages of the live weeks under a budget, and the limit that it sets."""
        spending = spend(self.watched, budget, WEEKS)
        high = np.zeros(LIVE, dtype=bool)
        for place, (null, column) in enumerate(zip(self.nulls, self.live.T, strict=True)):
            high |= null.rarity(column, 3.29) >= spending.own.get(str(place), spending.limit.rarity)
        return episodes(high), spending.limit


def learn_unchanged(rng: np.random.Generator, columns: int, slow: float) -> Unchanged:
    values = stream(rng, columns, slow, LEARN + LIVE)
    folds = [slice(start, start + LEARN // 14) for start in range(0, LEARN, LEARN // 14)]
    sway = np.full(LEARN, 3.29)
    watched, nulls = {}, []
    for place, column in enumerate(values.T):
        windows = independent(column[:LEARN], LENGTH)
        rarity = held_out_rarity(column[:LEARN], sway, folds, 0.0, windows)
        watched[str(place)] = [Peaks(str(place), peaks(rarity, LENGTH))]
        null = learn_null(column[:LEARN], sway, windows)
        assert null is not None
        nulls.append(null)
    return Unchanged(watched, nulls, values[LEARN:])


@cache
def twelve_unchanged(columns: int, slow: float) -> list[Unchanged]:
    rng = np.random.default_rng(int(100 * slow) + columns)
    return [learn_unchanged(rng, columns, slow) for _ in range(12)]


@pytest.mark.parametrize("budget", nightly_except([1.0, 7 / 30.4375], 1.0))
@pytest.mark.parametrize(
    ("columns", "slow"),
    [
        *(pytest.param(*case, marks=pytest.mark.xdist_group(f"unchanged {case}")) for case in [(1, 0.98), (30, 0.0)]),
        *(pytest.param(*case, marks=pytest.mark.nightly) for case in [(1, 0.0), (30, 0.98)]),
    ],
)
def test_the_budget_is_kept_on_unchanged_streams(columns: int, slow: float, budget: float) -> None:
    """Twelve streams of eight live weeks each: the pages may not speak against the budget (Poisson, 1 %)."""
    pages = [one.pages(budget)[0] for one in twelve_unchanged(columns, slow)]
    weeks = 12 * LIVE / LEARN * WEEKS
    assert stats.poisson.sf(sum(pages) - 1, budget * weeks) > 0.01, pages


def test_the_expected_rate_and_its_interval_tell_the_truth() -> None:
    rng = np.random.default_rng(4)
    inside = 0
    for _ in range(20):
        pages, limit = learn_unchanged(rng, 5, 0.0).pages(1.0)
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
    null = NullDistribution(0.1, 0.2, 0.1, 0.4, (0.1, 0.2, 0.3, 0.4), 100.0)
    again = NullDistribution.from_json(null.to_json())
    assert again == null
    for rarity in (3.0, 7.0, 20.0):
        assert null.rarity(again.threshold(rarity, 0.05), 0.05) == pytest.approx(rarity)
    calibrated = CalibratedNull(null, 7.0)
    assert calibrated.p_value(calibrated.threshold(0.05), 0.05) == pytest.approx(math.exp(-7))
    assert calibrated.p_value(-1.0, 0.05) == 1.0


def test_persistence_and_recovery_are_inside_the_count() -> None:
    high = np.array([0, 9, 0, 9, 9, 9, 0, 9, 0, 0, 9, 9.0])
    asked = ((1, 1), (2, 1), (3, 1), (1, 3))
    assert [episodes(high >= 5, bad, clean) for bad, clean in asked] == [4, 2, 1, 1]


def calm(rng: np.random.Generator, columns: int, stretches: int = 336) -> dict[str, list[Peaks]]:
    """Return columns that follow their nulls."""
    return {f"c{i}": [Peaks(f"c{i}", rng.exponential(size=(stretches, 4)).max(axis=1))] for i in range(columns)}


def spent(statistics: dict[str, list[Peaks]], budget: float = 1.0) -> BudgetShares:
    return spend(statistics, budget, WEEKS)


def test_a_smaller_budget_asks_for_rarer_things() -> None:
    statistics = calm(np.random.default_rng(2), 3)
    limits = [spent(statistics, budget).limit.rarity for budget in (7.0, 1.0, 7 / 30.4375, 1 / 52)]
    assert limits == sorted(limits)
    assert len(set(limits)) == 4


@pytest.mark.parametrize("columns", [2, 5, 30, 300])
@pytest.mark.parametrize("kind", ["one burst", "a state that comes again", "heavy", "too wide", "dead"])
def test_no_column_makes_the_others_deaf(columns: int, kind: str) -> None:
    """Whatever one column does, the limit of the others moves by less than a tenth; it keeps to its own share."""
    rng = np.random.default_rng(columns)
    statistics = calm(rng, columns)
    odd = {
        "one burst": np.where(np.arange(336) // 3 == 40, 1400.0, 0.0),
        "a state that comes again": np.where(np.arange(336) % 168 < 2, 700.0, rng.exponential(size=336)),
        "heavy": rng.exponential(size=336) ** 3,
        "too wide": 6 * rng.exponential(size=336),
        "dead": np.zeros(336),
    }[kind]
    alone, beside = spent(statistics), spent({**statistics, "odd": [Peaks("odd", odd)]})
    more = math.log((columns + 1) / columns)
    assert abs(beside.limit.rarity - alone.limit.rarity) < 0.1 * alone.limit.rarity + more
    reached = (odd >= beside.own.get("odd", beside.limit.rarity)).sum()
    assert reached <= 2


def test_a_statistic_that_two_rules_watch_is_paid_twice() -> None:
    rng = np.random.default_rng(5)
    once = calm(rng, 10)
    twice = {name: [one, Peaks(f"other/{one.group}", one.heights)] for name, [one] in once.items()}
    assert spent(once).limit.rarity + 0.4 < spent(twice).limit.rarity < spent(once).limit.rarity + 1.2


def test_what_must_last_counts_by_its_lowest_window() -> None:
    rarity = np.array([0.0, 9, 1, 8, 8, 8, 0, 7, 7, 0])
    assert peaks(rarity, 5).tolist() == [9, 8]
    assert peaks(rarity, 5, bad_for=2).tolist() == [8, 8]
    assert peaks(rarity, 5, bad_for=3).tolist() == [1, 8]


def test_only_a_stretch_that_came_once_is_unusual() -> None:
    rng = np.random.default_rng(6)
    noise = np.full(4032, 3.29)
    usual = np.abs(rng.normal(size=4032))
    assert find_unusual_stretch(usual, noise, 12) is None
    for first, last in ((500, 536), (0, 40), (4000, 4032)):
        values = usual.copy()
        values[first:last] += 40
        stretch = find_unusual_stretch(values, noise, 12)
        assert stretch is not None
        assert stretch.start <= first
        assert stretch.stop >= last
        assert (stretch.stop - stretch.start) <= last - first + 24
    weekly = usual.copy()
    weekly[500:524] += 40
    weekly[2516:2540] += 40
    assert find_unusual_stretch(weekly, noise, 12) is None
    burst = usual.copy()
    burst[500:512] += 40
    assert find_unusual_stretch(burst, noise, 12) is None, "a burst within a window will come again"
    long = usual.copy()
    long[:400] += 40
    assert find_unusual_stretch(long, noise, 12) is None
    assert find_unusual_stretch(np.full(50, np.nan), noise[:50], 12) is None


def test_a_null_tells_clustered_rows_from_a_population_that_wanders() -> None:
    """Clusters shrink in thick windows, a wander does not: thresholds learnt on both sizes hold for each."""
    rng = np.random.default_rng(7)
    rows = np.where(np.arange(8000) % 2, 100, 5000)
    noise = 3.29 / np.sqrt(rows)
    for spread in (np.sqrt(6.0 / rows), np.sqrt(1 / rows + 0.05**2)):
        values = np.abs(rng.normal(size=8000) * spread)
        null = learn_null(values[:4000], noise[:4000], 4000)
        assert null is not None
        over = values[4000:] >= null.threshold(math.log(100), noise[4000:])
        assert over[::2].mean() < 0.025
        assert over[1::2].mean() < 0.025


def test_windows_without_noise_are_no_division_by_zero() -> None:
    noise = np.array([0.0, 0.01, 0.02, 0.1] * 50)
    null = learn_null(np.tile([0.3, 0.0, 0.05, 0.2], 50), noise, 50.0)
    assert null is not None
    assert np.isfinite(null.threshold(10.0, noise)).all()


def test_nothing_measured_teaches_nothing() -> None:
    nothing = np.full(100, np.nan)
    assert learn_null(nothing, nothing, 100) is None
    assert np.isneginf(held_out_rarity(nothing, nothing, [slice(0, 50), slice(50, 100)], 0.0, 100)).all()
    limit = spent({"x": [Peaks("x", peaks(np.full(4032, -np.inf), 12))]}).limit
    assert limit.rarity >= math.log(2016 / 12)
    assert spend({}, 1.0, 1.0).limit.rarity >= 0


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
