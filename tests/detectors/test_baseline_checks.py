"""Baseline checks on series with a known history: what must be said, and what must not."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from detectors.baseline_checks import Series, effect, extract_series, find_changes, is_weekend, unusual_stretches
from detectors.binning import learn_categorical, learn_numeric
from detectors.profile import Profile
from detectors.records import Column
from detectors.season import DAY
from detectors.stack import Stack
from tests.support.nightly import nightly_except

HOURS = 336
SECONDS = 1_762_300_800 + 3600 * np.arange(HOURS)
HOUR = np.arange(HOURS)
Path = Callable[[np.ndarray], np.ndarray]


def wander(rng: np.random.Generator, hours: float, size: float) -> np.ndarray:
    """Return an autocorrelated population mean that forgets within so many hours."""
    keep = np.exp(-1 / hours)
    steps = rng.normal(0, size * np.sqrt(1 - keep**2), HOURS + 100)
    value = np.zeros(HOURS + 100)
    for at in range(1, len(value)):
        value[at] = keep * value[at - 1] + steps[at]
    return value[100:]


def traffic(rng: np.random.Generator, rows: int) -> np.ndarray:
    return np.maximum(1, rng.poisson(rows * (1 + 0.6 * np.sin(2 * np.pi * HOUR / 24)))).astype(float)


def level(path: Path, rows: int = 200, seed: int = 0) -> Series:
    """Return the mean of a column with an evening season and a wander of its own."""
    rng = np.random.default_rng(seed)
    count = traffic(rng, rows)
    base = 0.2 * np.sin(2 * np.pi * HOUR / 24) + wander(rng, 6, 0.05)
    return Series("level", base + path(HOUR) + rng.normal(size=HOURS) / np.sqrt(count), count)


def share(path: Path, rows: int = 200, seed: int = 0) -> Series:
    rng = np.random.default_rng(seed)
    count = traffic(rng, rows)
    hits = rng.binomial(count.astype(int), path(HOUR)) / count
    return Series("=yes", 2 * np.arcsin(np.sqrt(hits)), count, is_share=True)


def kinds(series: Series) -> list[tuple[str, int, int]]:
    return [(change.kind, change.first, change.last) for change in find_changes([series], SECONDS)]


@pytest.mark.parametrize("rows", [20, 200, 2000])
def test_a_shift_three_days_before_the_end_is_placed_to_the_hour(rows: int) -> None:
    [(kind, first, last)] = kinds(level(lambda hour: 1.0 * (hour >= 264), rows))
    assert (kind, last) == ("shift", HOURS)
    assert abs(first - 264) <= 2


def test_a_shift_has_its_size_and_its_sign() -> None:
    [change] = find_changes([level(lambda hour: -1.0 * (hour >= 264))], SECONDS)
    assert change.effect == pytest.approx(-1.0, abs=0.15)


def test_a_share_that_rises_is_a_shift() -> None:
    [(kind, first, _)] = kinds(share(lambda hour: np.where(hour >= 264, 0.05, 0.01)))
    assert kind == "shift"
    assert abs(first - 264) <= 3


def test_a_bad_batch_day_is_a_stretch_and_not_two_shifts() -> None:
    assert kinds(level(lambda hour: 1.0 * ((hour >= 100) & (hour < 124)))) == [("stretch", 100, 124)]


def test_three_hours_of_another_value_are_a_stretch() -> None:
    series = level(lambda hour: 2.0 * ((hour >= 100) & (hour < 103)))
    assert unusual_stretches(series.value, series.weight, SECONDS) == [(100, 103)]


def test_what_comes_again_and_again_is_ordinary() -> None:
    assert kinds(level(lambda hour: 2.0 * (hour % 72 < 2))) == []


@pytest.mark.parametrize("slope", [0.05, -0.05])
def test_a_slow_trend_is_one_trend_and_no_staircase(slope: float) -> None:
    [change] = find_changes([level(lambda hour: slope * hour / 24)], SECONDS)
    assert change.kind == "trend"
    assert change.effect == pytest.approx(14 * slope, rel=0.3)


def test_a_stretch_is_found_on_a_trend() -> None:
    series = level(lambda hour: 0.05 * hour / 24 + 1.5 * ((hour >= 100) & (hour < 124)), rows=2000)
    assert {change.kind for change in find_changes([series], SECONDS)} == {"stretch", "trend"}


def test_ten_times_the_traffic_is_no_change_of_a_share() -> None:
    rng = np.random.default_rng(3)
    count = np.round(traffic(rng, 20) * 10 ** (HOUR / HOURS))
    hits = rng.binomial(count.astype(int), 0.01) / count
    assert kinds(Series("=yes", 2 * np.arcsin(np.sqrt(hits)), count, is_share=True)) == []


def test_two_weekends_are_a_season_and_no_stretches() -> None:
    weekend = (SECONDS // 86_400 + 3) % 7 >= 5
    assert kinds(level(lambda _hour: 0.5 * weekend)) == []


def test_hours_without_rows_are_no_change() -> None:
    series = level(lambda hour: 0.0 * hour)
    value, weight = series.value.copy(), series.weight.copy()
    value[50:80], weight[50:80] = np.nan, 0
    assert kinds(Series("level", value, weight)) == []


@pytest.mark.parametrize("baselines", nightly_except([10, 40], 10))
def test_clean_baselines_of_thirty_columns_are_clean(baselines: int) -> None:
    """At most one in twenty may have a note: baselines of 30 columns, with seasons, wander and rare flags."""
    noted = 0
    for baseline in range(baselines):
        seeds = [1000 * baseline + column for column in range(30)]
        series = [
            share(lambda hour: np.full(len(hour), 0.003), seed=seed)
            if seed % 3 == 0
            else level(np.zeros_like, seed=seed)
            for seed in seeds
        ]
        noted += bool(find_changes(series, SECONDS))
    assert noted <= baselines / 20


def test_too_short_a_stretch_says_nothing() -> None:
    assert find_changes([Series("level", np.zeros(12), np.ones(12))], SECONDS[:12]) == []
    assert find_changes([], SECONDS) == []


def test_the_series_of_a_numeric_column_see_level_spread_and_missing_values() -> None:
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=(48, 400))
    values[24:] **= 2.0
    layout = learn_numeric(values.ravel(), values.min(), values.max())
    profiles = [Profile.of(Column.floats(np.append(hour, [np.nan] * 100)), layout) for hour in values]
    parts = {each.part: each.value for each in extract_series(Stack.of(profiles, layout))}
    assert set(parts) == {"level", "spread", "missing"}
    assert parts["spread"][24:].mean() - parts["spread"][:24].mean() > 0.5
    # 400 of 500 rows have a value, which the angle of the missing share says
    assert np.allclose(parts["missing"], 2 * np.arcsin(np.sqrt(0.2)))


def test_a_constant_column_has_nothing_to_move() -> None:
    layout = learn_numeric(np.zeros(10), 0.0, 0.0)
    profiles = [Profile.of(Column.floats(np.zeros(50)), layout) for _ in range(48)]
    series = extract_series(Stack.of(profiles, layout))
    assert find_changes(series, SECONDS[:48]) == []


def test_the_series_of_categories_are_angles_of_shares() -> None:
    layout = learn_categorical(Counter({"a": 90, "b": 10}))
    profiles = [Profile.of(Column.of(["a"] * 90 + ["b"] * 10), layout) for _ in range(30)]
    parts = {each.part: each for each in extract_series(Stack.of(profiles, layout))}
    assert parts["=b"].is_share
    assert parts["=b"].value[0] == pytest.approx(effect(0.0, 0.1))


@pytest.mark.parametrize("ends", range(7))
def test_a_step_is_found_alone_whatever_day_of_the_week_the_range_ends(ends: int) -> None:
    """With two weeks, one of two weekends lies in the changed part on some days."""
    rng = np.random.default_rng(ends)
    seconds = ends * DAY + 3600 * HOUR
    level = rng.normal(np.where(HOUR >= 264, 0.6, 0.0), 0.15)
    changes = find_changes([Series("level", level, np.full(HOURS, 60.0))], seconds)
    assert [(change.kind, change.first) for change in changes] == [("shift", 264)]


@pytest.mark.parametrize("ends", range(7))
def test_weekends_that_differ_are_no_change(ends: int) -> None:
    rng = np.random.default_rng(ends)
    seconds = ends * DAY + 3600 * HOUR
    level = rng.normal(0.6 * is_weekend(seconds), 0.15)
    assert find_changes([Series("level", level, np.full(HOURS, 60.0))], seconds) == []
