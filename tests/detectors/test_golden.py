"""Every statistic against an independent implementation, and against its own null distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from detectors import DETECTORS, assess
from detectors.base import NULL_TAIL, Status
from detectors.drift.bins import paired_counts
from detectors.profile import Profile
from detectors.stack import Stack
from tests.detectors.columns import categorical_pair, null_windows, numeric_pair, pair

DRAWS = 2000


def test_jensen_shannon_is_scipys() -> None:
    old, new = pair("categorical", np.random.default_rng(0), 3000, 0.3)
    expected = jensenshannon(old.counts, new.counts, base=2)
    assert DETECTORS["jensen_shannon"].measure(old, new).statistic == pytest.approx(expected, abs=1e-12)


def test_chi_square_and_its_p_value_are_scipys() -> None:
    old, new = pair("categorical", np.random.default_rng(1), 3000, 0.05)
    used = (old.counts + new.counts) > 0
    expected = stats.chi2_contingency(np.array([old.counts[used], new.counts[used]]), correction=False)
    seen = DETECTORS["chi_square"].measure(old, new)
    assert seen.detail["chi_square"] == pytest.approx(expected.statistic, rel=1e-9)
    assert seen.p_value == pytest.approx(expected.pvalue, rel=0.02)  # its cells have cumulants of their own


def test_psi_is_the_formula_on_the_same_counts() -> None:
    old, new = pair("numeric", np.random.default_rng(2), 3000, 0.3)
    p, q = ((c + 0.5) / (c + 0.5).sum() for c in paired_counts(old, new, 10))
    expected = stats.entropy(q, p) + stats.entropy(p, q)
    assert DETECTORS["psi"].measure(old, new).statistic == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_binned_ks_lies_within_its_stated_bound_of_the_exact_one(shift: float) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.lognormal(size=20_000), rng.lognormal(shift, size=5000)
    exact = stats.ks_2samp(x, y, method="asymp")
    seen = DETECTORS["kolmogorov_smirnov"].measure(*numeric_pair(x, y))
    assert exact.statistic - 0.008 <= seen.statistic <= exact.statistic + 1e-12


def test_ks_is_exact_on_point_masses() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.poisson(2.0, 5000).astype(float), rng.poisson(2.4, 3000).astype(float)
    exact = stats.ks_2samp(x, y, method="asymp")
    seen = DETECTORS["kolmogorov_smirnov"].measure(*numeric_pair(x, y))
    assert seen.statistic == pytest.approx(exact.statistic, abs=2 / 5000)


@pytest.mark.parametrize("shift", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_wasserstein_is_scipys_on_winsorised_values_in_any_unit(shift: float, scale: float) -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=20_000) * scale, rng.normal(shift, size=20_000) * scale
    old, new = numeric_pair(x, y)
    low, high = old.layout.edges[1], old.layout.edges[-2]
    exact = stats.wasserstein_distance(np.clip(x, low, high), np.clip(y, low, high)) / old.layout.scale
    assert DETECTORS["wasserstein"].measure(old, new).statistic == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize(
    ("name", "kind"), [(n, k) for n, d in DETECTORS.items() if d.check == "drift" for k in sorted(d.kinds - {"vector"})]
)
@pytest.mark.parametrize("n", [150, 1000])
def test_the_noise_floor_holds_under_the_null(name: str, kind: str, n: int) -> None:
    """Over 2,000 unchanged windows about two lie above a floor of one in a thousand; 12 would be p < 1e-6."""
    old, _ = pair(kind, np.random.default_rng(6), 10, 0.0)
    seen = DETECTORS[name].measure(old, null_windows(old, n, DRAWS, 7))
    assert np.mean(seen.statistic > seen.noise) <= 6 * NULL_TAIL


def test_p_values_are_uniform_under_the_null() -> None:
    rng = np.random.default_rng(7)
    odds = np.array([0.4, 0.3, 0.2, 0.1])
    found = []
    old, _ = pair("categorical", rng, 10, 0.0)
    for _ in range(DRAWS):
        first, second = rng.multinomial(5000, odds), rng.multinomial(2000, odds)
        profiles = [type(old)(old.layout, np.append(counts, 0)) for counts in (first, second)]
        found.append(DETECTORS["chi_square"].measure(*profiles).p_value)
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_shares_rise_as_counted() -> None:
    old, new = categorical_pair(["a"] * 900 + ["b"] * 100, ["a"] * 400 + ["z"] * 100)
    finding = assess(DETECTORS["unseen"], old, new, column="plan")
    assert finding.status is Status.DRIFTED
    assert finding.statistic == pytest.approx(0.2)
    x = np.arange(1000.0)
    finding = assess(DETECTORS["range"], *numeric_pair(x, x + 100), column="age")
    assert finding.statistic == pytest.approx(0.1)


@pytest.mark.parametrize(("name", "kind"), [("chi_square", "categorical"), ("kolmogorov_smirnov", "numeric")])
def test_ten_thousand_p_values_are_never_too_small(name: str, kind: str) -> None:
    """One draw of 10,000 windows in a stack: chi-square is uniform, the binned Kolmogorov-Smirnov conservative."""
    old, _ = pair(kind, np.random.default_rng(8), 10, 0.0)
    known = Profile(old.layout, old.counts * 1_000_000)
    counts = np.random.default_rng(9).multinomial(1000, old.counts / old.counts.sum(), size=10_000)
    none, sums = np.zeros(10_000, dtype=np.int64), np.zeros(10_000)
    found = DETECTORS[name].measure(known, Stack(old.layout, counts, none, none, none, sums, sums)).p_value
    side = "two-sided" if name == "chi_square" else "greater"  # greater: small p-values are too frequent
    assert stats.kstest(found, "uniform", alternative=side).pvalue > 1e-3
