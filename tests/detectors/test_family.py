"""Families: named from the baseline alone, and what each of them sees that the usual methods do not."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.nulls import POPULATIONS, SIZES, WINDOWS, drawn, stack, windows
from detectors import DETECTORS, SEQUENTIAL
from detectors.binning import Binning, learn_numeric
from detectors.family import FAMILIES, SMOOTH, classify
from detectors.profile import Profile
from detectors.records import Column

EXPECTED = {
    "constant": "constant",
    "flag 1e-3": "rare flag",
    "flag 1e-2": "rare flag",
    "flag 0.3": "flag",
    "few values": "few values",
    "counts": "few values",
    "zeros 90 %": "zero-inflated",
    "zeros 99.5 %": "rare amount",
    "normal": "smooth",
    "exponential": "smooth",
    "log-normal": "heavy-tailed",
    "Cauchy": "heavy-tailed",
    "Pareto 1.1": "heavy-tailed",
    "one word": "constant",
    "four words": "closed vocabulary",
    "open words": "open vocabulary",
    "all different": "open vocabulary",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_baseline_tells_its_family(name: str) -> None:
    for seed in range(3):
        family = classify(drawn(POPULATIONS[name], np.random.default_rng(seed)))
        assert family is not None
        assert family.name == EXPECTED[name]


def test_many_different_counts_are_counts_and_a_column_of_sums_has_no_family() -> None:
    values = np.random.default_rng(0).poisson(30.0, 10_000).astype(float)
    family = classify(Profile.of(Column.floats(values), learn_numeric(values, values.min(), values.max())))
    assert family is not None
    assert family.name == "counts"
    assert classify(Profile.empty(Binning(kind="vector", width=3))) is None
    assert classify(Profile.empty(learn_numeric(values, 0.0, 1.0))) is None


def test_smooth_columns_keep_the_methods_that_they_had_and_all_methods_exist() -> None:
    for family in FAMILIES:
        assert family.about
        assert set(family.methods) <= {*DETECTORS, *SEQUENTIAL}
        if family.name in ("smooth", "heavy-tailed", "counts", "few values", "flag"):
            assert family.methods == SMOOTH


@pytest.mark.parametrize(("before", "after"), [(1e-3, 5e-3), (1e-3, 2e-2)])
def test_a_rare_flag_that_rises_is_above_its_floor(before: float, after: float) -> None:
    """In points of the distribution function it is below the floor of every other method."""
    old = flags(round(20_000 * before), 20_000)
    layout = learn_numeric(old, 0.0, 1.0)
    sides = [Profile.of(Column.floats(each), layout) for each in (old, flags(round(4800 * after), 4800))]
    seen, detector = DETECTORS["rate_ratio"].measure(*sides), DETECTORS["rate_ratio"]
    assert seen.statistic > max(detector.floor, detector.threshold)
    assert seen.p_value < 1e-6
    assert seen.statistic > 1.4 * seen.noise
    if after < 1e-2:
        others = [DETECTORS[name] for name in ("kolmogorov_smirnov", "rank")]
        assert all(other.measure(*sides).statistic < other.floor for other in others)


def test_one_or_two_odd_rows_are_no_change_of_a_rate() -> None:
    layout = learn_numeric(np.zeros(12_000), 0.0, 0.0)
    baseline = Profile.of(Column.floats(np.zeros(12_000)), layout)
    for hits, size in ((1, 20), (2, 20), (2, 400)):
        seen = DETECTORS["rate_ratio"].measure(baseline, Profile.of(Column.floats(flags(hits, size)), layout))
        assert seen.statistic == 0.0
        assert seen.p_value == 1.0


@pytest.mark.parametrize("name", ["zeros 90 %", "zeros 99.5 %"])
def test_amounts_that_change_are_seen_however_many_are_zero(name: str) -> None:
    rng, population = np.random.default_rng(3), POPULATIONS[name]
    baseline = drawn(population, rng)
    assert population.below is not None
    same = windows(population, baseline, 2000, 200, rng)
    assert np.mean(DETECTORS["rest"].measure(baseline, same).p_value <= 0.01) <= 0.05
    values = population.draw(rng, 20_000)
    doubled = Profile.of(Column.floats(3 * values), baseline.layout)
    seen = DETECTORS["rest"].measure(baseline, doubled)
    if name == "zeros 90 %":
        assert seen.statistic > DETECTORS["rest"].threshold
        assert seen.p_value < 1e-9


def test_too_few_other_values_say_nothing_of_them() -> None:
    layout = learn_numeric(flags(5, 1000), 0.0, 1.0)
    baseline = Profile.of(Column.floats(flags(5, 1000)), layout)
    empty = stack(layout, np.zeros((1, layout.bins), dtype=np.int64))
    for window in (Profile.of(Column.floats(flags(900, 1000)), layout), empty):
        assert DETECTORS["rest"].measure(baseline, window).statistic == 0.0


def test_rates_of_unchanged_flags_are_as_rare_as_they_say() -> None:
    for size in SIZES:
        rng, found = np.random.default_rng(size), []
        for _ in range(20):
            baseline = drawn(POPULATIONS["flag 1e-2"], rng)
            sides = windows(POPULATIONS["flag 1e-2"], baseline, size, WINDOWS[size], rng)
            found.append(np.asarray(DETECTORS["rate_ratio"].measure(baseline, sides).p_value))
        assert np.mean(np.concatenate(found) <= 0.01) <= 0.02


def flags(ones: int, rows: int) -> np.ndarray:
    return np.append(np.ones(ones), np.zeros(rows - ones))
