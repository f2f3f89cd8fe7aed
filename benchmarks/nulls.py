"""How often unchanged windows look rare: p-values of every method on every family of columns, at three sizes.

    python -m benchmarks.nulls [--draws 100000] [--only rank]

A baseline of 5,000 to 20,000 rows is drawn anew every 50 to 500 windows, its bins are learnt from it as the monitor
learns them, and windows of 20, 200 and 2,000 rows are drawn from the same population. For each method and family:
the share of windows whose p-value is at most 1e-2 and 1e-3, in units of that. Above 2 a method alerts too often; a
method on a column of few values may lie far below 1, for its statistic takes few values. So may a statistic that takes
few values on any column (`discrete`): below half is said of it only where it is also below half of the largest p-value
that it can reach at most at that level.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from detectors import DETECTORS, LATENCY
from detectors.base import Detector
from detectors.binning import Binning, learn_categorical, learn_numeric
from detectors.joint import JOINT, learn_joint, project
from detectors.profile import Profile
from detectors.quality.percentile import learn_times
from detectors.records import Column
from detectors.stack import Stack

LEVELS = (1e-2, 1e-3)
SIZES = (20, 200, 2000)
WINDOWS = {20: 500, 200: 200, 2000: 50}
"""Windows of a size that share a baseline: fewer where its own noise counts."""
SMALLEST, LARGEST = 5_000, 20_000
DISCRETE = ("range", "quantile", "p99_rise", "rate_ratio")
"""Statistics with few values in small windows: counts of few rows, and quantiles that the outermost edges cut."""
FEW_ROWS = (1, 2, 3, 4, 5)
FEWEST_HITS = 10
"""Windows that a discrete statistic must be expected to call rare before their number is judged."""
RATES = (0.0, 1e-4, 1e-3, 1e-2, 0.3)
"""Of the rows without a value."""


@dataclass(frozen=True)
class Population:
    """A family of columns.

    Parameters
    ----------
    draw
        Draws so many values.
    below
        The probability of less than a number; None for a column of words.
    words
        The probability of each word of a categorical column.
    continuous
        Whether all values differ.
    """

    draw: Callable[[np.random.Generator, int], np.ndarray]
    below: Callable[[np.ndarray], np.ndarray] | None = None
    words: np.ndarray | None = None
    continuous: bool = False


def _continuous(law: stats.rv_continuous) -> Population:
    return Population(lambda rng, n: law.rvs(size=n, random_state=rng), law.cdf, continuous=True)


def _values(values: np.ndarray, chances: np.ndarray) -> Population:
    chances = chances / chances.sum()

    def below(edges: np.ndarray) -> np.ndarray:
        return np.append(0.0, np.cumsum(chances))[np.searchsorted(values, edges, side="left")]

    return Population(lambda rng, n: rng.choice(values, n, p=chances), below)


def _inflated(zeros: float, law: stats.rv_continuous) -> Population:
    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return np.where(rng.random(n) < zeros, 0.0, law.rvs(size=n, random_state=rng))

    return Population(draw, lambda edges: np.where(edges > 0, zeros + (1 - zeros) * law.cdf(edges), 0.0))


def _words(chances: np.ndarray) -> Population:
    chances = chances / chances.sum()
    return Population(lambda rng, n: rng.choice(len(chances), n, p=chances), words=chances)


def _flag(rate: float) -> Population:
    return _values(np.array([0.0, 1.0]), np.array([1 - rate, rate]))


_COUNTS = np.arange(60.0)
POPULATIONS: Mapping[str, Population] = {
    "constant": _values(np.array([0.0]), np.array([1.0])),
    "flag 1e-5": _flag(1e-5),
    "flag 1e-4": _flag(1e-4),
    "flag 1e-3": _flag(1e-3),
    "flag 1e-2": _flag(1e-2),
    "flag 0.3": _flag(0.3),
    "few values": _values(np.arange(4.0), np.array([0.7, 0.2, 0.08, 0.02])),
    "rare values": _values(np.arange(4.0), np.array([0.995, 0.003, 0.0015, 0.0005])),
    "counts": _values(_COUNTS, stats.poisson(3.0).pmf(_COUNTS)),
    "zeros 90 %": _inflated(0.9, stats.lognorm(1.0)),
    "zeros 99.5 %": _inflated(0.995, stats.lognorm(1.0)),
    "normal": _continuous(stats.norm()),
    "exponential": _continuous(stats.expon()),
    "log-normal": _continuous(stats.lognorm(2.0)),
    "Cauchy": _continuous(stats.cauchy()),
    "Pareto 1.1": _continuous(stats.pareto(1.1)),
    "one word": _words(np.ones(1)),
    "four words": _words(np.array([4.0, 3.0, 2.0, 1.0])),
    "rare words": _words(10.0 ** -np.arange(5)),
    "open words": _words(1 / np.arange(1.0, 50_001) ** 1.2),
    "all different": _words(np.ones(1_000_000)),
}


@dataclass(frozen=True)
class Found:
    """The p-values of a method on a family.

    Parameters
    ----------
    p_values
        Of every window.
    largest
        Of a discrete statistic, the largest p-value at most at each level, the mean over the baselines.
    """

    p_values: np.ndarray
    largest: np.ndarray | None = None

    @property
    def shares(self) -> list[float]:
        """Return the share of windows at each level, in units of the level."""
        return [float(np.mean(self.p_values <= level * (1 + 1e-9))) / level for level in LEVELS]

    @property
    def is_low(self) -> bool:
        """Say whether a share is below half of what it should be, or of what a discrete statistic can reach.

        What too few windows could reach is not judged.
        """
        if self.largest is None:
            return min(self.shares) < 0.5  # noqa: PLR2004
        enough = self.largest * len(self.p_values) >= FEWEST_HITS
        return bool((np.array(self.shares) * LEVELS < self.largest / 2)[enough].any())


def drawn(population: Population, rng: np.random.Generator, learn: Callable[..., Binning] = learn_numeric) -> Profile:
    """Return a baseline of a random size, with its own bins."""
    values = population.draw(rng, int(rng.integers(SMALLEST, LARGEST)))
    if population.words is not None:
        words = Column.of([str(value) for value in values.tolist()])
        return Profile.of(words, learn_categorical(Counter(words.values.tolist())))
    layout = learn(values, values.min(), values.max()) if learn is learn_numeric else learn(values)
    return Profile.of(Column.floats(values), layout)


def windows(population: Population, baseline: Profile, size: int, count: int, rng: np.random.Generator) -> Stack:
    """Draw so many windows of the population over the bins of a baseline."""
    if population.words is not None:
        known = population.words[[int(word) for word in baseline.layout.vocabulary]]
        chances = np.append(known, max(0.0, 1 - known.sum()))
    else:
        assert population.below is not None
        chances = np.diff(np.concatenate([[0.0], population.below(baseline.layout.edges), [1.0]]))
    counts = rng.multinomial(size, np.maximum(0.0, chances) / np.maximum(0.0, chances).sum(), size=count)
    return stack(baseline.layout, counts)


def stack(layout: Binning, counts: np.ndarray, missing: np.ndarray | None = None) -> Stack:
    """Put counts side by side as windows."""
    none, sums = np.zeros(len(counts), dtype=np.int64), np.zeros(len(counts))
    return Stack(layout, counts, none if missing is None else missing, none, none, sums, sums)


def reachable(detector: Detector, baseline: Profile, size: int, seen: np.ndarray) -> list[float]:
    """Return the largest p-value at most at each level that windows can have, 0 where there is none.

    They are the windows that were seen, and those of which a few rows, or all, lie in one bin, and the others in the
    middle of the baseline.
    """
    bins = baseline.layout.bins
    middle = int(np.searchsorted(np.cumsum(baseline.counts), baseline.n / 2))
    sides = np.zeros((len(FEW_ROWS) + 1, bins, bins), dtype=np.int64)
    for place, rows in enumerate((*FEW_ROWS, size)):
        sides[place, :, middle] = size - rows
        sides[place, np.arange(bins), np.arange(bins)] += rows
    made = detector.measure(baseline, stack(baseline.layout, sides.reshape(-1, bins))).p_value
    p_values = np.append(seen, np.asarray(made))
    return [float(p_values[p_values <= level].max(initial=0.0)) for level in LEVELS]


def of_columns(
    name: str, population: Population, size: int, draws: int, seed: int, methods: list[str]
) -> dict[str, Found]:
    """Return the p-values of every method that measures such a column."""
    kind = "numeric" if population.words is None else "categorical"
    rng = np.random.default_rng([seed, size, len(name)])
    fitting = [DETECTORS[method] for method in methods if method in DETECTORS and kind in DETECTORS[method].kinds]
    fitting = [detector for detector in fitting if detector.name not in ("missing", "mistyped")]
    rises = [LATENCY[method] for method in methods if method.endswith("_rise") and population.continuous]
    found: dict[str, list[np.ndarray]] = {}
    reached: dict[str, list[list[float]]] = {}
    count = WINDOWS[size]
    for _ in range(max(1, draws // count)):
        for detectors, learn in ((fitting, learn_numeric), (rises, learn_times)):
            if not detectors:
                continue
            baseline = drawn(population, rng, learn)
            sides = windows(population, baseline, size, count, rng)
            for detector in detectors:
                p_value = np.broadcast_to(np.asarray(detector.measure(baseline, sides).p_value), count)
                found.setdefault(detector.name, []).append(p_value)
                if detector.name in DISCRETE and population.continuous:
                    reached.setdefault(detector.name, []).append(reachable(detector, baseline, size, p_value))
    return {
        method: Found(np.concatenate(parts), np.mean(reached[method], axis=0) if method in reached else None)
        for method, parts in found.items()
    }


def of_missing(rate: float, size: int, draws: int, seed: int) -> np.ndarray:
    """Return the p-values of the share of rows without a value."""
    rng, layout, found = np.random.default_rng([seed, size, 7]), learn_categorical(Counter("a")), []
    for _ in range(max(1, draws // WINDOWS[size])):
        rows = int(rng.integers(SMALLEST, LARGEST))
        gone = int(rng.binomial(rows, rate))
        baseline = Profile(layout, np.array([rows - gone, 0]), missing=gone)
        lost = rng.binomial(size, rate, size=WINDOWS[size])
        counts = np.stack([size - lost, np.zeros_like(lost)], axis=-1)
        found.append(np.asarray(DETECTORS["missing"].measure(baseline, stack(layout, counts, lost)).p_value))
    return np.concatenate(found)


JOINTLY: Mapping[str, Callable[[np.random.Generator, int], dict[str, Column]]] = {
    "two normals": lambda rng, n: {name: Column.floats(rng.normal(size=n)) for name in "xy"},
    "correlated": lambda rng, n: _pair(rng, n, 0.8),
    "eight normals": lambda rng, n: {name: Column.floats(rng.normal(size=n)) for name in "abcdefgh"},
    "twenty normals": lambda rng, n: {f"x{place}": Column.floats(rng.normal(size=n)) for place in range(20)},
    "one factor": lambda rng, n: _one_factor(rng, n, 0.8),
    "normal and flag": lambda rng, n: {
        "x": Column.floats(rng.normal(size=n)),
        "y": Column.floats((rng.random(n) < 1e-3).astype(float)),  # noqa: PLR2004
    },
    "normal, five flags": lambda rng, n: {
        "x": Column.floats(rng.normal(size=n)),
        **{f"y{place}": Column.floats((rng.random(n) < 1e-3).astype(float)) for place in range(5)},  # noqa: PLR2004
    },
    "constants": lambda _, n: {name: Column.floats(np.zeros(n)) for name in "xy"},
    "two flags": lambda rng, n: {name: Column.floats((rng.random(n) < 1e-3).astype(float)) for name in "xy"},  # noqa: PLR2004
}


def _pair(rng: np.random.Generator, n: int, rho: float) -> dict[str, Column]:
    x = rng.normal(size=n)
    return {"x": Column.floats(x), "y": Column.floats(rho * x + np.sqrt(1 - rho**2) * rng.normal(size=n))}


def _one_factor(rng: np.random.Generator, n: int, loading: float) -> dict[str, Column]:
    """Return eight columns that are correlated by a common factor."""
    common, own = loading * rng.normal(size=n), np.sqrt(1 - loading**2)
    return {name: Column.floats(common + own * rng.normal(size=n)) for name in "abcdefgh"}


def of_vectors(name: str, size: int, draws: int, seed: int, methods: list[str]) -> dict[str, np.ndarray]:
    """Return the p-values of the methods of the joint column; there are fewer draws, for each is of rows."""
    rng, found = np.random.default_rng([seed, size, len(name)]), dict[str, list[np.ndarray]]()
    fitting = [DETECTORS[method] for method in methods if method in DETECTORS and "vector" in DETECTORS[method].kinds]
    count = WINDOWS[size]
    for _ in range(max(1, draws // count)):
        rows = int(rng.integers(SMALLEST, LARGEST))
        sample = JOINTLY[name](rng, rows)
        layouts = {
            key: learn_numeric(column.values, column.values.min(), column.values.max())
            for key, column in sample.items()
        }
        joint = learn_joint(layouts)
        assert joint is not None
        layouts[JOINT] = joint
        baseline = Profile.of(project(sample, layouts), joint)
        vectors = project(JOINTLY[name](rng, count * size), layouts).values.reshape(count, size, -1)
        whole = np.rint(vectors * 2.0**16).sum(axis=1).astype(np.int64)
        sides = stack(joint, np.concatenate([np.full((count, 1), size), whole], axis=1))
        for detector in fitting:
            p_value = np.broadcast_to(np.asarray(detector.measure(baseline, sides).p_value), count)
            found.setdefault(detector.name, []).append(p_value)
    return {method: np.concatenate(parts) for method, parts in found.items()}


def table(draws: int, methods: list[str], seed: int = 0) -> Iterator[tuple[str, str, int, Found]]:
    """Yield method, family, size and p-values."""
    for size in SIZES:
        for name, population in POPULATIONS.items():
            for method, found in of_columns(name, population, size, draws, seed, methods).items():
                yield method, name, size, found
        for rate in RATES if "missing" in methods else ():
            yield "missing", f"rate {rate:g}", size, Found(of_missing(rate, size, draws, seed))
        for name in JOINTLY if {"mmd", "correlation"} & set(methods) else ():
            for method, found in of_vectors(name, size, draws // 10, seed, methods).items():
                yield method, name, size, Found(found)


def main() -> None:
    """Print the table, and what lies above twice or, for continuous columns, below half of what it should be."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--draws", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="")
    given = options.parse_args()
    known = [*DETECTORS, *(name for name in LATENCY if name.endswith("_rise"))]
    methods = [name for name in known if not given.only or name in given.only.split(",")]
    print(f"{'method':<20}{'family':<18}{'rows':>6}  at 1e-2  at 1e-3")
    odd = []
    for method, name, size, found in table(given.draws, methods, given.seed):
        ratios = found.shares
        quiet = name in POPULATIONS and POPULATIONS[name].continuous and found.is_low
        mark = "above 2" if max(ratios) > 2 else "below 0.5" if quiet else ""  # noqa: PLR2004
        line = f"{method:<20}{name:<18}{size:>6}{ratios[0]:>9.2f}{ratios[1]:>9.2f}  {mark}"
        line += "" if found.largest is None else "  discrete"
        print(line, flush=True)
        odd += [line] if mark else []
    print("\n" + ("\n".join(odd) if odd else "All lie between half and twice what they should."))


if __name__ == "__main__":
    main()
