"""Every registered detector's statistic by another way to the same number, on the same counts, to 1e-9.

Where scipy has the statistic, it is scipy's on the values that the counts stand for. A detector that is added without
a line here fails the last test.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, special, stats
from scipy.spatial.distance import jensenshannon

from detectors import DETECTORS
from detectors.drift.bins import bin_values, paired_counts
from detectors.drift.chi_square import GROUPS as CHI_SQUARE_GROUPS
from detectors.drift.quantile import LEVELS
from detectors.drift.spread import FARTHEST, LEAST
from detectors.joint import FEATURES
from detectors.profile import SCALE, Profile
from detectors.records import Column
from tests.detectors.columns import null_windows, numeric_layout, pair
from tests.detectors.test_joint import baseline, profile, records
from tests.detectors.test_more_detectors import unnormalised

Sides = tuple[Profile, Profile]


def places(sides: Sides) -> list[np.ndarray]:
    """Return the number of the bin of every value."""
    return [np.repeat(np.arange(len(side.counts)), side.counts).astype(float) for side in sides]


def winsorised(sides: Sides) -> list[np.ndarray]:
    edges = sides[0].layout.edges
    values = np.clip(bin_values(edges), edges[1], edges[-2])
    return [np.repeat(values, side.counts) for side in sides]


def gaps(sides: Sides) -> tuple[np.ndarray, np.ndarray]:
    """Return where the distribution functions are known, in the layout's unit, and how far they lie apart."""
    old, new = (np.cumsum(side.counts)[:-1] / side.counts.sum() for side in sides)
    return sides[0].layout.edges[1:-1] / sides[0].layout.scale, (old - new)[1:-1]


def rank(sides: Sides) -> float:
    old, new = places(sides)
    return abs(stats.mannwhitneyu(new, old).statistic / (len(old) * len(new)) - 0.5)


def spread(sides: Sides) -> float:
    old, new = places(sides)
    ranks = (stats.rankdata(old) - 0.5) / len(old)
    score = dict(zip(old.tolist(), stats.norm.ppf(np.clip(ranks, FARTHEST, 1 - FARTHEST)).tolist(), strict=True))
    missing = {place: float(np.searchsorted(np.sort(old), place) / len(old)) for place in set(new) - set(score)}
    score |= {place: stats.norm.ppf(np.clip(below, FARTHEST, 1 - FARTHEST)) for place, below in missing.items()}
    before, after = (np.var([score[place] for place in side.tolist()]) for side in (old, new))
    return abs(float(np.log((after + LEAST) / (before + LEAST))))


def energy(sides: Sides) -> float:
    at, apart = gaps(sides)
    parts = [
        integrate.quad(lambda x: np.interp(x, at, apart) ** 2, low, high)[0]
        for low, high in zip(at, at[1:], strict=False)
    ]
    return float(np.sqrt(2 * np.sum(parts)))


def quantile(sides: Sides) -> float:
    edges, found = sides[0].layout.edges, []
    for side in sides:
        below = np.append(0, np.cumsum(side.counts))
        left, right = np.append(edges[:1], edges), np.append(edges, edges[-1:])
        ends = np.append(left, right[-1:])
        found.append(np.clip(np.interp(np.array(LEVELS) * below[-1], below, ends), edges[1], edges[-2]))
    return float(np.abs(found[1] - found[0]).max() / sides[0].layout.scale)


def correlation(sides: Sides) -> float:
    pairs = sides[0].layout.paired * (sides[0].layout.paired - 1) // 2
    first, second = (side.counts[1 : 1 + pairs] / SCALE / side.counts[0] for side in sides)
    squares = sides[0].counts[1 + pairs : 1 + 2 * pairs] / SCALE / sides[0].counts[0]
    scores = (second - first) / np.sqrt(squares - first**2)
    return float(abs(second - first)[np.abs(scores).argmax()])


def features(sides: Sides) -> float:
    first, second = (side.counts[-FEATURES:] / SCALE / side.counts[0] for side in sides)
    return float(np.linalg.norm(second - first) / np.sqrt(FEATURES / 2))


def symmetric(sides: Sides) -> float:
    p, q = ((c + 0.5) / (c + 0.5).sum() for c in paired_counts(*sides, 10))
    return float(stats.entropy(p, q) + stats.entropy(q, p))


def of_a_table(sides: Sides) -> float:
    table = np.array(paired_counts(*sides, CHI_SQUARE_GROUPS))
    found = stats.chi2_contingency(table[:, table.any(axis=0)], correction=False).statistic
    return float(np.sqrt(found * (1 / table[0].sum() + 1 / table[1].sum())))


def squared_affinity(sides: Sides) -> float:
    p, q = (c / c.sum() for c in paired_counts(*sides, 20))
    return float(np.sqrt(1 - np.sum(np.sqrt(p * q))))


def base_two(sides: Sides) -> float:
    return float(jensenshannon(*paired_counts(*sides, 20), base=2))


def rate_ratio(sides: Sides) -> float:
    usual = int(np.argmax(sides[0].counts))
    hits, rows = np.array([side.counts[usual] for side in sides]), np.array([side.counts.sum() for side in sides])
    hits = hits if hits[0] <= rows[0] / 2 else rows - hits
    if abs(hits[1] - rows[1] * hits[0] / rows[0]) < 3:
        return 0.0
    return float(abs(np.diff(np.log((hits + 0.5) / (rows + 1)))[0]))


def rest(sides: Sides) -> float:
    usual = int(np.argmax(sides[0].counts))
    old, new = (values[values != usual] for values in places(sides))
    return float(stats.ks_2samp(old, new, method="asymp").statistic)


def share_of(name: str) -> Callable[[Sides], float]:
    def rise(sides: Sides) -> float:
        return float(np.subtract(*(getattr(side, name) / side.rows for side in reversed(sides))))

    return rise


def share_at(bins: list[int]) -> Callable[[Sides], float]:
    return lambda sides: float(np.subtract(*(side.counts[bins].sum() / side.counts.sum() for side in reversed(sides))))


NUMERIC: dict[str, Callable[[Sides], float]] = {
    "kolmogorov_smirnov": lambda sides: float(stats.ks_2samp(*places(sides), method="asymp").statistic),
    "rank": rank,
    "spread": spread,
    "wasserstein": lambda sides: float(integrate.trapezoid(np.abs(gaps(sides)[1]), gaps(sides)[0])),
    "psi": symmetric,
    "jensen_shannon": base_two,
    "chi_square": of_a_table,
    "hellinger": squared_affinity,
    "energy": energy,
    "anderson_darling": lambda sides: float(
        np.sqrt(unnormalised(*places(sides)) * sum(1 / side.counts.sum() for side in sides))
    ),
    "mean": lambda sides: float(
        abs(np.subtract(*(x.mean() for x in winsorised(sides)))) / winsorised(sides)[0].std(ddof=1)
    ),
    "quantile": quantile,
    "rate_ratio": rate_ratio,
    "rest": rest,
    "missing": share_of("missing"),
    "mistyped": lambda sides: float(
        np.subtract(*((side.mistyped + side.nonfinite) / side.rows for side in reversed(sides)))
    ),
    "range": share_at([0, -1]),
}
CATEGORICAL: dict[str, Callable[[Sides], float]] = {
    "psi": symmetric,
    "jensen_shannon": base_two,
    "chi_square": of_a_table,
    "hellinger": squared_affinity,
    "rate_ratio": rate_ratio,
    "share": lambda sides: 100 * float(np.abs(np.subtract(*(c.counts / c.counts.sum() for c in sides))).max()),
    "unseen": share_at([-1]),
    "missing": share_of("missing"),
}
VECTOR: dict[str, Callable[[Sides], float]] = {"correlation": correlation, "mmd": features}


def numeric_sides(seed: int) -> Sides:
    """Return 20,000 and 3,000 values, of which some are missing, some no numbers, and some beyond the baseline."""
    rng = np.random.default_rng(seed)
    old, new = rng.gamma(2.0, size=20_000), rng.gamma(2.0, 1.2, size=3000)
    layout = numeric_layout(old)
    found = []
    for values, gone in ((old, 0.01), (new, 0.05)):
        values[rng.random(len(values)) < gone / 2] = np.nan
        found.append(Profile.of(Column.floats(values, rng.random(len(values)) < gone), layout))
    return found[0], found[1]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", NUMERIC)
def test_numeric_statistics_have_another_way_to_the_same_number(name: str, seed: int) -> None:
    sides = numeric_sides(seed)
    assert DETECTORS[name].measure(*sides).statistic == pytest.approx(NUMERIC[name](sides), abs=1e-9)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", CATEGORICAL)
def test_categorical_statistics_have_another_way_to_the_same_number(name: str, seed: int) -> None:
    sides = pair("categorical", np.random.default_rng(seed), 3000, 0.2)
    assert DETECTORS[name].measure(*sides).statistic == pytest.approx(CATEGORICAL[name](sides), abs=1e-9)


@pytest.mark.parametrize("name", VECTOR)
def test_joint_statistics_have_another_way_to_the_same_number(name: str) -> None:
    sides = baseline(), profile(records(np.random.default_rng(9), 800, rho=0.2))
    assert DETECTORS[name].measure(*sides).statistic == pytest.approx(VECTOR[name](sides), abs=1e-9)


def test_no_registered_detector_is_left_out() -> None:
    checked = {
        (name, kind)
        for kind, names in (("numeric", NUMERIC), ("categorical", CATEGORICAL), ("vector", VECTOR))
        for name in names
    }
    assert checked == {(name, kind) for name, detector in DETECTORS.items() for kind in detector.kinds}


@pytest.mark.parametrize("name", ["rank", "spread", "mean", "chi_square"])
def test_ten_thousand_p_values_are_uniform_under_the_null(name: str) -> None:
    """A draw of 10,000 windows against a baseline so large that it has no noise."""
    old, _ = pair("numeric", np.random.default_rng(8), 10, 0.0)
    known = Profile(old.layout, old.counts * 1_000_000)
    found = DETECTORS[name].measure(known, null_windows(known, 2000, 10_000, 9)).p_value
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_psi_and_wasserstein_lie_within_their_bounds_of_the_raw_data() -> None:
    """Psi over its ten groups is that of raw deciles up to where a bin's edge lies; Wasserstein within 2 %."""
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=20_000), rng.normal(0.3, size=20_000)
    layout = numeric_layout(x)
    sides = Profile.of(Column.floats(x), layout), Profile.of(Column.floats(y), layout)
    deciles = np.quantile(x, np.linspace(0.1, 0.9, 9))
    p, q = (np.bincount(np.searchsorted(deciles, v), minlength=10) / len(v) for v in (x, y))
    raw = float(np.sum(special.rel_entr(p, q) + special.rel_entr(q, p)))
    assert DETECTORS["psi"].measure(*sides).statistic == pytest.approx(raw, rel=0.05)
    low, high = layout.edges[1], layout.edges[-2]
    exact = stats.wasserstein_distance(np.clip(x, low, high), np.clip(y, low, high)) / layout.scale
    assert DETECTORS["wasserstein"].measure(*sides).statistic == pytest.approx(exact, rel=0.02)
