"""P-values of every method on every family of columns: those of an unchanged window, at every size.

`make bench-nulls` draws 100,000 windows of each; here are few enough for every run, and what a few rows may not do.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from benchmarks.nulls import (
    JOINTLY,
    POPULATIONS,
    SIZES,
    WINDOWS,
    Found,
    drawn,
    of_columns,
    of_missing,
    of_vectors,
    stack,
    windows,
)
from detectors import DETECTORS, LATENCY, Criterion, assess
from detectors.base import NULL_TAIL, Status
from detectors.binning import Binning, learn_numeric
from detectors.drift.laws import at_least, at_most, pearson_tail
from detectors.profile import Profile
from detectors.quality.percentile import learn_times
from detectors.records import Column
from tests.support.nightly import nightly_except

ONE_SIDED = {"missing", "mistyped", "range", "unseen"}
FEW = ("normal", "Cauchy", "all different", "open words")
"""What `make test` simulates of the populations: one of each sort."""
BASELINES = {20: 3, 200: 4, 2000: 12}


@pytest.mark.parametrize("name", nightly_except(POPULATIONS, *FEW))
def test_unchanged_windows_are_as_rare_as_their_p_values_say(name: str) -> None:
    """Of 600 to 1,500 windows at most so many lie below 1e-2 that twice as much as that would give one time in 1e4."""
    population, kind = POPULATIONS[name], "numeric" if POPULATIONS[name].words is None else "categorical"
    for size in SIZES:
        rng = np.random.default_rng([size, len(name)])
        found: dict[str, list[np.ndarray]] = {}
        for _ in range(BASELINES[size]):
            baseline = drawn(population, rng)
            sides = windows(population, baseline, size, WINDOWS[size], rng)
            for method, detector in DETECTORS.items():
                if kind in detector.kinds:
                    seen = detector.measure(baseline, sides)
                    found.setdefault(method, []).append(np.broadcast_to(np.asarray(seen.p_value), WINDOWS[size]))
        for method, parts in found.items():
            p_values = np.concatenate(parts)
            assert np.isfinite(p_values).all(), (method, size)
            most = stats.binom(len(p_values), 0.02).isf(1e-4)
            assert (p_values <= 0.01).sum() <= most, (method, size)


@pytest.mark.parametrize("rate", [0.0, 1e-3, 0.3])
def test_a_share_that_rises_by_chance_has_the_p_value_of_chance(rate: float) -> None:
    for size in SIZES:
        assert np.mean(of_missing(rate, size, 2000, 1) <= 0.01) <= 0.02


@pytest.mark.parametrize("name", JOINTLY)
def test_the_methods_of_the_joint_column_have_p_values_that_hold(name: str) -> None:
    for method, found in of_vectors(name, 20, 500, 3, ["mmd", "correlation"]).items():
        assert np.isfinite(found).all(), method
        assert (found <= 0.01).sum() <= stats.binom(len(found), 0.02).isf(1e-4), method


@pytest.mark.parametrize("name", ["one factor", "twenty normals", "normal, five flags"])
def test_many_or_dependent_columns_have_fewer_independent_features_than_columns(name: str) -> None:
    """The share of 3,000 windows at 1e-2 was 2.0 and 3.1 times that when features were taken as unlimited in number.

    It was 3.8 times that beside columns that are nearly constant, when those were taken to lie at their centre.
    """
    found = of_vectors(name, 20, 3000, 3, ["mmd"])["mmd"]
    assert (found <= 0.01).sum() <= stats.binom(len(found), 0.01).isf(1e-3)


def test_the_rate_of_an_open_vocabulary_is_that_of_its_most_frequent_word() -> None:
    """The words beyond the vocabulary are most of the rows; their number is an estimate, and no value's."""
    layout = Binning(kind="categorical", vocabulary=("a", "b"), complete=False)
    baseline = Profile(layout, np.array([900, 100, 9000]))
    measured = DETECTORS["rate_ratio"].measure(baseline, stack(layout, np.array([[90, 10, 900], [300, 10, 690]])))
    assert measured.detail["from"] == pytest.approx(0.09, abs=0.01)
    assert measured.detail["to"].tolist() == [0.09, 0.3]
    assert measured.p_value[0] > 0.5
    assert measured.p_value[1] < 1e-9


@pytest.mark.parametrize(
    "name", ["constant", "flag 1e-3", "few values", "zeros 90 %", "normal", "four words", "one word"]
)
def test_a_statistic_in_units_of_its_noise_is_the_normal_score_of_its_p_value(name: str) -> None:
    population, rng = POPULATIONS[name], np.random.default_rng(5)
    kind = "numeric" if population.words is None else "categorical"
    baseline = drawn(population, rng)
    counts = rng.multinomial(200, np.full(baseline.layout.bins, 1 / baseline.layout.bins), size=50)
    sides = stack(baseline.layout, np.concatenate([windows(population, baseline, 200, 50, rng).counts, counts]))
    for method, detector in DETECTORS.items():
        if kind not in detector.kinds:
            continue
        seen, ends = detector.measure(baseline, sides), 1 if method in ONE_SIDED else 2
        tell = np.asarray(seen.p_value) < 0.25
        score = -special.ndtri(np.clip(seen.p_value, 1e-300, 1) / ends)
        expected = score / -special.ndtri(NULL_TAIL / ends)
        assert np.allclose((seen.statistic / np.maximum(seen.noise, 1e-300))[tell], expected[tell], rtol=1e-9), method
        assert np.isfinite(seen.noise).all(), method
        assert ((np.asarray(seen.noise) > 0) | (np.asarray(seen.statistic) <= 0)).all(), method


@pytest.mark.parametrize("method", [name for name, detector in DETECTORS.items() if "numeric" in detector.kinds])
def test_one_row_of_a_constant_column_alerts_nobody_and_a_tenth_of_them_does(method: str) -> None:
    old = np.zeros(11_986)
    layout = learn_numeric(old, 0.0, 0.0)
    baseline = Profile.of(Column.floats(old), layout)

    def after(ones: int) -> Status:
        values = np.append(np.zeros(400 - ones), np.ones(ones))
        return assess(DETECTORS[method], baseline, Profile.of(Column.floats(values), layout), column="pii").status

    assert after(0) is Status.OK
    assert after(1) is Status.OK
    if DETECTORS[method].check in ("drift", "range"):
        far = DETECTORS[method].measure(
            baseline, Profile.of(Column.floats(np.append(np.zeros(360), np.ones(40))), layout)
        )
        # Methods that rest on the place of values know none beyond the only edge: their statistic stays 0.
        assert far.statistic < 1e-9 or far.statistic > far.noise


@pytest.mark.parametrize("method", ["kolmogorov_smirnov", "rank", "spread", "range"])
def test_a_tenth_of_the_rows_of_a_constant_column_alerts(method: str) -> None:
    old, layout = np.zeros(11_986), learn_numeric(np.zeros(11_986), 0.0, 0.0)
    new = np.append(np.zeros(360), np.ones(40))
    finding = assess(
        DETECTORS[method],
        *(Profile.of(Column.floats(values), layout) for values in (old, new)),
        column="pii",
        criterion=Criterion(threshold=DETECTORS[method].floor),
    )
    assert finding.status is Status.DRIFTED
    assert finding.p_value is not None
    assert finding.p_value < 1e-9


def test_a_flag_with_one_hit_in_the_baseline_is_not_deaf() -> None:
    old = np.append(np.zeros(11_985), 1.0)
    layout = learn_numeric(old, 0.0, 1.0)
    baseline = Profile.of(Column.floats(old), layout)
    new = Profile.of(Column.floats(np.append(np.zeros(380), np.ones(20))), layout)
    for method in ("kolmogorov_smirnov", "rank", "spread", "mean", "jensen_shannon", "psi", "wasserstein", "energy"):
        seen = DETECTORS[method].measure(baseline, new)
        assert np.isfinite(seen.noise)
        assert seen.statistic < 1e-9 or seen.statistic > seen.noise, method
        assert seen.p_value < 1e-9 or seen.statistic < 1e-9, method


def test_new_categories_of_an_open_vocabulary_are_expected() -> None:
    """Two rows of 380 in categories that the days before did not have, where some hundred had a single row."""
    rng = np.random.default_rng(0)
    population = POPULATIONS["open words"]
    baseline = drawn(population, rng)
    known = baseline.counts.copy()
    known[:-1] = np.where(np.arange(len(known) - 1) >= 160, 1, known[:-1])
    known[-1] = 0
    without = known.copy()
    without[150:160] = 0  # of the window's own rows: it is in the vocabulary, and not in the rest of the baseline
    layout = type(baseline.layout)(kind="categorical", vocabulary=baseline.layout.vocabulary)
    counts = np.zeros((2, len(known)), dtype=np.int64)
    counts[:, 0], counts[0, 150], counts[0, 151] = 378, 1, 1
    counts[1, 0], counts[1, 150] = 300, 80
    seen = DETECTORS["unseen"].measure(Profile(layout, without), stack(layout, counts))
    assert seen.detail["share"].tolist() == [2 / 380, 80 / 380]
    assert seen.p_value[0] > 0.5
    assert seen.p_value[1] < 1e-9


def test_percentiles_rise_by_chance_as_their_p_values_say() -> None:
    population = POPULATIONS["exponential"]
    for size in (200, 2000):
        rng, found = np.random.default_rng(size), []
        for _ in range(BASELINES[size]):
            baseline = drawn(population, rng, learn_times)
            sides = windows(population, baseline, size, WINDOWS[size], rng)
            found.append(np.asarray(LATENCY["p95_rise"].measure(baseline, sides).p_value))
        p_values = np.concatenate(found)
        assert (p_values <= 0.01).sum() <= stats.binom(len(p_values), 0.02).isf(1e-4)


@pytest.mark.parametrize(
    ("total", "size", "whole"), [(1, 400, 12_386), (30, 400, 12_400), (6_000, 400, 12_400), (700, 900, 1000)]
)
def test_counts_have_the_hypergeometric_law(total: int, size: int, whole: int) -> None:
    law = stats.hypergeom(whole, total, size)
    for hits in np.unique(law.ppf([1e-5, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-5])):
        assert at_least(hits, total, size, whole) == pytest.approx(law.sf(hits - 1), rel=0.05)
        assert at_most(hits, total, size, whole) == pytest.approx(law.cdf(hits), rel=0.05)


def test_the_law_of_three_cumulants_is_the_gamma_and_the_normal_law() -> None:
    for shape in (0.3, 3.0, 300.0):
        value = stats.gamma(shape).isf(1e-3)
        assert pearson_tail(value, shape, shape, 2 * shape) == pytest.approx(1e-3, rel=1e-6)
        assert pearson_tail(-value, -shape, shape, -2 * shape) == pytest.approx(1 - 1e-3, rel=1e-6)
    assert pearson_tail(3.0902, 0.0, 1.0, 0.0) == pytest.approx(1e-3, rel=1e-3)
    assert pearson_tail(0.0, 0.0, 0.0, 0.0) == 1.0


def test_what_takes_few_values_is_judged_by_the_values_that_it_takes() -> None:
    p_values = np.append(np.full(80, 0.004), np.ones(19_920))
    assert Found(p_values).is_low
    assert not Found(p_values, np.array([0.004, 0.0])).is_low
    assert Found(np.ones(20_000), np.array([0.004, 0.0])).is_low
    assert not Found(np.ones(2_000), np.array([0.004, 0.0])).is_low  # eight were expected, which is too few


def test_the_largest_p_value_that_is_reached_is_told_of_discrete_statistics_only() -> None:
    found = of_columns("normal", POPULATIONS["normal"], 20, 500, 0, ["range", "rank"])
    assert found["rank"].largest is None
    assert found["range"].largest is not None
    assert 0 < found["range"].largest[0] <= 0.01


def test_a_shift_of_a_skewed_column_is_not_counted_twice_in_the_p_value_of_its_distance() -> None:
    """The mean and the mean absolute deviation of a Pareto law rise in the same windows."""
    found = of_columns("Pareto 1.1", POPULATIONS["Pareto 1.1"], 20, 20_000, 3, ["wasserstein"])["wasserstein"]
    assert found.shares[0] > 0.8
