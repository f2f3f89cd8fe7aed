"""Hellinger, energy, Anderson-Darling, mean, quantile and share against scipy, numpy and their null laws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats
from scipy.stats import _morestats

from detectors import DETECTORS
from detectors.base import NULL_TAIL, Measurement
from detectors.binning import learn_categorical
from detectors.drift.anderson_darling import CRITICAL, tail
from detectors.drift.bins import bin_values, paired_counts
from detectors.drift.quantile import LEVELS
from detectors.profile import Profile
from detectors.records import Column
from tests.detectors.columns import categorical_pair, null_windows, numeric_layout, numeric_pair, pair
from tests.support.nightly import nightly_except

MORE = ("hellinger", "energy", "anderson_darling", "mean", "quantile", "share")
DRAWS = 10_000


def measured(name: str, old: Profile, new: Profile) -> Measurement:
    return DETECTORS[name].measure(old, new)


def poisson_pair(rng: np.random.Generator, shift: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    return rng.poisson(2.0, 5000).clip(0, 6).astype(float), rng.poisson(2.0 + shift, 3000).clip(0, 6).astype(float)


@pytest.mark.parametrize("name", MORE)
def test_a_stack_is_measured_like_each_of_its_windows(name: str) -> None:
    kind = sorted(DETECTORS[name].kinds)[0]
    old, _ = pair(kind, np.random.default_rng(0), 10, 0.0)
    windows = null_windows(old, 700, 5, 1)
    # The Hellinger distance leaves out what is empty everywhere, which changes no sum but its rounding.
    together = measured(name, old, windows)
    for place in range(5):
        alone = measured(name, old, Profile(old.layout, windows.counts[place]))
        assert together.statistic[place] == pytest.approx(alone.statistic, rel=1e-12)
        assert np.broadcast_to(together.noise, (5,))[place] == pytest.approx(alone.noise, rel=1e-12)
        for key, value in alone.detail.items():
            seen = np.broadcast_to(together.detail[key], (5,))[place]
            assert seen == (value if isinstance(value, str) else pytest.approx(value, rel=1e-9, abs=1e-12))
        if alone.p_value is not None:
            assert together.p_value[place] == pytest.approx(alone.p_value, rel=1e-9)


def test_hellinger_is_the_formula_on_the_same_counts() -> None:
    for kind in ("numeric", "categorical"):
        old, new = pair(kind, np.random.default_rng(2), 3000, 0.3)
        p, q = (c / c.sum() for c in paired_counts(old, new, 20))
        expected = np.sqrt(1 - np.sum(np.sqrt(p * q)))
        assert measured("hellinger", old, new).statistic == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n", nightly_except([150, 1000, 10_000], 150))
def test_hellinger_holds_its_floor_with_rare_categories(n: int) -> None:
    odds = 1 / np.arange(1.0, 201) ** 1.2
    layout = learn_categorical(Counter({f"v{i:03}": 201 - i for i in range(200)}))
    rng = np.random.default_rng(3)
    old = Profile(layout, np.append(rng.multinomial(20_000, odds / odds.sum()), 0))
    windows = null_windows(old, n, DRAWS, 4)
    for name in ("hellinger", "share"):
        seen = measured(name, old, windows)
        assert np.mean(seen.statistic > seen.noise) <= 3 * NULL_TAIL, name


def test_energy_is_scipys_on_point_masses() -> None:
    x, y = poisson_pair(np.random.default_rng(5))
    old, new = numeric_pair(x, y)
    low, high = old.layout.edges[1], old.layout.edges[-2]
    scale = old.layout.scale
    expected = stats.energy_distance(np.clip(x, low, high) / scale, np.clip(y, low, high) / scale)
    assert measured("energy", old, new).statistic == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("shift", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_energy_is_scipys_on_winsorised_values_in_any_unit(shift: float, scale: float) -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=20_000) * scale, rng.normal(shift, size=20_000) * scale
    old, new = numeric_pair(x, y)
    low, high = old.layout.edges[1], old.layout.edges[-2]
    exact = stats.energy_distance(np.clip(x, low, high) / old.layout.scale, np.clip(y, low, high) / old.layout.scale)
    assert measured("energy", old, new).statistic == pytest.approx(exact, rel=0.01)


def unnormalised(x: np.ndarray, y: np.ndarray) -> float:
    """Scholz and Stephens' (6), of the values and of the mirrored values, as scipy computes it."""
    found = []
    for first, second in ((x, y), (-x, -y)):
        whole = np.sort(np.concatenate([first, second]))
        n = np.array([len(first), len(second)])
        found.append(_morestats._anderson_ksamp_right([first, second], whole, np.unique(whole), 2, n, len(whole)))
    return float(np.mean(found))


def test_anderson_darling_is_scipys_on_the_same_counts() -> None:
    old, new = pair("numeric", np.random.default_rng(7), 3000, 0.05)
    x, y = (np.repeat(np.arange(len(p.counts)), p.counts).astype(float) for p in (old, new))
    expected = unnormalised(x, y)
    seen = measured("anderson_darling", old, new)
    assert seen.detail["anderson_darling"] == pytest.approx(expected, rel=1e-9)
    assert seen.statistic == pytest.approx(np.sqrt(expected * (1 / len(x) + 1 / len(y))), rel=1e-9)


@pytest.mark.filterwarnings("ignore:p-value:UserWarning")
def test_anderson_darling_and_its_p_value_are_near_scipys_on_the_values() -> None:
    """Scipy's p-value is interpolated between seven levels and cut at 0.25 and 0.001; between them they agree."""
    rng = np.random.default_rng(8)
    compared = 0
    for _ in range(40):
        x, y = rng.normal(size=8000), rng.normal(0.03, size=8000)
        seen = measured("anderson_darling", *numeric_pair(x, y))
        assert seen.detail["anderson_darling"] == pytest.approx(unnormalised(x, y), rel=0.06, abs=0.1)
        exact = stats.anderson_ksamp([x, y], variant="continuous").pvalue
        if 0.001 < exact < 0.25:
            compared += 1
            assert seen.p_value == pytest.approx(exact, rel=0.2)
    assert compared >= 10


def test_the_anderson_darling_law_is_the_sum_of_its_chi_squares() -> None:
    rng = np.random.default_rng(11)
    weights = 1 / (np.arange(1.0, 200) * np.arange(2.0, 201))
    drawn = np.concatenate([rng.chisquare(1, size=(20_000, 199)) @ weights for _ in range(3)]) + 1 / 200
    assert stats.kstest(drawn, lambda z: 1 - tail(z)).pvalue > 1e-3
    assert float(tail(CRITICAL)) == pytest.approx(NULL_TAIL, rel=2e-3)
    for joint in (2.0, 5.0):
        assert float(tail(joint - 1e-9)) == pytest.approx(float(tail(joint)), rel=5e-3)
    far = np.linspace(0.05, 60, 2000)
    assert np.all(np.diff(tail(far)) <= 0)


def test_the_mean_is_scipys_on_the_same_counts() -> None:
    old, new = pair("numeric", np.random.default_rng(12), 3000, 0.04)
    edges = old.layout.edges
    values = np.clip(bin_values(edges), edges[1], edges[-2])
    x, y = np.repeat(values, old.counts), np.repeat(values, new.counts)
    expected = stats.ttest_ind(y, x, equal_var=False)
    interval = expected.confidence_interval(0.95)
    seen, sd = measured("mean", old, new), x.std(ddof=1)
    assert seen.p_value == pytest.approx(expected.pvalue, rel=0.2)  # of the pooled sample, and skewed
    assert seen.statistic == pytest.approx(abs(y.mean() - x.mean()) / sd, rel=1e-9)
    assert seen.detail["low"] == pytest.approx(interval.low / sd, rel=1e-9)
    assert seen.detail["high"] == pytest.approx(interval.high / sd, rel=1e-9)
    assert seen.detail["from"] == pytest.approx(x.mean(), abs=1e-9)


@pytest.mark.parametrize("shift", [0.1, 0.5, 1.0])
def test_the_mean_is_within_two_percent_of_the_winsorised_values(shift: float) -> None:
    rng = np.random.default_rng(13)
    x, y = rng.normal(7.0, size=20_000), rng.normal(7.0 + shift, size=20_000)
    old, new = numeric_pair(x, y)
    x, y = (np.clip(values, old.layout.edges[1], old.layout.edges[-2]) for values in (x, y))
    exact = (y.mean() - x.mean()) / x.std()
    assert measured("mean", old, new).statistic == pytest.approx(exact, rel=0.02)


def test_a_constant_baseline_still_has_a_unit() -> None:
    old, new = numeric_pair(np.full(1000, 4.0), np.full(1000, 8.0))
    assert measured("mean", old, old).statistic == 0.0
    assert measured("mean", old, old).p_value == 1.0
    assert measured("mean", old, new).p_value == 0.0


@pytest.mark.parametrize("law", ["normal", "exponential", "lognormal"])
def test_quantiles_are_numpys_within_the_width_of_a_bin(law: str) -> None:
    rng = np.random.default_rng(14)
    x, y = getattr(rng, law)(size=20_000), getattr(rng, law)(size=5000) * 1.3
    old, new = numeric_pair(x, y)
    seen = measured("quantile", old, new)
    exact = (np.quantile(y, LEVELS) - np.quantile(x, LEVELS)) / old.layout.scale
    assert seen.statistic == pytest.approx(np.abs(exact).max(), abs=0.01)
    assert seen.detail["quantile"] == LEVELS[np.abs(exact).argmax()]


def test_quantiles_of_point_masses_are_exact() -> None:
    x, y = poisson_pair(np.random.default_rng(15), 1.0)
    seen = measured("quantile", *numeric_pair(x, y))
    assert seen.detail["to"] - seen.detail["from"] == pytest.approx(1.0, abs=1e-9)


def test_share_names_the_category_and_its_p_value_is_above_that_of_one_alone() -> None:
    old, new = categorical_pair(["a"] * 800 + ["b"] * 150 + ["c"] * 50, ["a"] * 390 + ["b"] * 75 + ["c"] * 45)
    seen = measured("share", old, new)
    table = np.array([[50, 950], [45, 465]])
    gap_a, gap_c = 390 / 510 - 0.8, 45 / 510 - 0.05
    assert seen.detail["category"] == ("a" if abs(gap_a) > abs(gap_c) else "c")
    assert seen.statistic == pytest.approx(100 * max(abs(gap_a), abs(gap_c)), rel=1e-9)
    alone = stats.chi2_contingency(table, correction=False).pvalue
    assert alone < seen.p_value < 1  # any of the three categories may change so much, and some by chance more easily
    assert seen.detail["low"] < 100 * gap_c < seen.detail["high"]


def test_share_counts_what_is_not_in_the_vocabulary() -> None:
    seen = measured("share", *categorical_pair(["a"] * 900 + ["b"] * 100, ["a"] * 500 + ["z"] * 450 + ["b"] * 50))
    assert seen.detail["category"] == "(other)"
    assert seen.statistic == pytest.approx(45.0)


@pytest.mark.parametrize(("name", "low", "high"), [("mean", 0.93, 0.97), ("quantile", 0.91, 0.97)])
def test_intervals_cover_a_true_shift(name: str, low: float, high: float) -> None:
    """Where the window truly moved by half a sd: Welch's interval as promised, the chosen quantile's about so."""
    rng = np.random.default_rng(16)
    x, y = rng.normal(size=200_000), rng.normal(0.5, size=200_000)
    old, moved = numeric_pair(x, y)
    truth = measured(name, old, moved).detail
    chance = moved.counts / moved.counts.sum()
    covered = 0
    rounds = 700
    for _ in range(rounds):
        sample = Profile(old.layout, rng.multinomial(1000, old.counts / old.counts.sum()))
        seen = measured(name, sample, Profile(old.layout, rng.multinomial(1000, chance))).detail
        if name == "mean":
            unit = (truth["to"] - truth["from"]) / (seen["to"] - seen["from"])
            middle = (seen["low"] + seen["high"]) / 2
            covered += seen["low"] <= middle * unit <= seen["high"]
        else:
            at = LEVELS.index(seen["quantile"])
            exact = quantile_shift(old, moved, at)
            covered += seen["low"] <= exact <= seen["high"]
    assert low <= covered / rounds <= high


def quantile_shift(old: Profile, moved: Profile, at: int) -> float:
    from detectors.drift.bins import quantiles

    levels = np.array(LEVELS)
    return float(quantiles(moved, levels)[at] - quantiles(old, levels)[at]) / old.layout.scale


@pytest.mark.parametrize("n", nightly_except([150, 1000, 20_000], 150))
@pytest.mark.parametrize("name", ["energy", "anderson_darling", "mean", "quantile"])
def test_noise_floors_hold_on_skewed_spiked_and_coarse_columns(name: str, n: int) -> None:
    rng = np.random.default_rng(17)
    columns = {
        "lognormal": rng.lognormal(0, 2, 20_000),
        "spiked": np.where(rng.random(20_000) < 0.5, 0.0, rng.exponential(1.0, 20_000)),
        "poisson": rng.poisson(1.0, 20_000).astype(float),
        "rare one": (rng.random(20_000) < 0.02).astype(float),
        "two modes": rng.normal(size=20_000) + 20 * (rng.random(20_000) < 0.5),
    }
    for label, values in columns.items():
        layout = numeric_layout(values)
        old = Profile.of(Column.floats(values), layout)
        seen = measured(name, old, null_windows(old, n, DRAWS, 18))
        assert np.mean(seen.statistic > seen.noise) <= 4 * NULL_TAIL, label


def p_values_under_the_null(name: str, kind: str, n: int) -> np.ndarray:
    """Against a baseline so large that its own noise does not count."""
    old, _ = pair(kind, np.random.default_rng(19), 10, 0.0)
    known = Profile(old.layout, old.counts * 1_000_000)
    return np.asarray(measured(name, known, null_windows(known, n, DRAWS, 20)).p_value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("chi_square", "categorical"), ("chi_square", "numeric"), ("mean", "numeric"), ("anderson_darling", "numeric")],
)
def test_p_values_are_uniform_under_the_null(name: str, kind: str) -> None:
    assert stats.kstest(p_values_under_the_null(name, kind, 2000), "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("name", "kind"), [("kolmogorov_smirnov", "numeric"), ("share", "categorical")])
def test_p_values_that_err_do_so_on_the_quiet_side(name: str, kind: str) -> None:
    """The gap at the edges is at most the gap anywhere, and Bonferroni is a bound: both are conservative."""
    found = p_values_under_the_null(name, kind, 2000)
    for level in (0.001, 0.01, 0.05, 0.1, 0.5):
        sd = np.sqrt(level * (1 - level) / DRAWS)
        assert np.mean(found <= level) <= level + 3.5 * sd
    assert np.mean(found <= 0.1) > 0.03


@pytest.mark.parametrize("name", ["mean", "anderson_darling"])
def test_p_values_are_uniform_when_both_sides_are_samples(name: str) -> None:
    rng = np.random.default_rng(21)
    old, _ = pair("numeric", rng, 10, 0.0)
    shares = old.counts / old.counts.sum()
    found = [
        measured(name, *(Profile(old.layout, rng.multinomial(n, shares)) for n in (3000, 1500))).p_value
        for _ in range(800)
    ]
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_how_conservative_the_binned_kolmogorov_smirnov_is() -> None:
    """At 2,000 rows its distribution function is 0.09 below the diagonal at most, and 0.12 is what we promise."""
    found = np.sort(p_values_under_the_null("kolmogorov_smirnov", "numeric", 2000))
    assert np.abs(found - (np.arange(DRAWS) + 0.5) / DRAWS).max() < 0.12
