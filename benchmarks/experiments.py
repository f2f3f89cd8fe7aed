"""A/B comparisons that are looked at every five minutes for two weeks: `make bench-experiments`.

False verdicts over many simulated experiments in which nothing differs, beside a t-test that is looked at as often,
and with a heavy tail, winsorised or not, and arms of different sizes, beside the arms' own variances (Welch); how
often and how soon a real lift is told, beside the plain mixture, a t-test that waits for the end and what theory
expects; and how soon a wrong split of the traffic is found.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy import special

from benchmarks.detection.tables import table
from detectors.experiment.compare import (
    BURN_IN,
    adjust_for_covariate,
    information,
    larger_variances,
    lift,
    relative_error,
)
from detectors.experiment.sequence import (
    POWER,
    SPENT_BEFORE,
    interval_reach,
    planned_information,
    reach,
    split_evidence,
)
from detectors.experiment.tally import CC, GROUPS, PARTS, XX, XY, YC, YY, C, N, Tally, X, Y
from detectors.experiment.verdict import SPLIT_ALPHA, Metric, judge

LOOKS = 14 * 288
TOGETHER = 100
ALPHA = 0.05
PEEK = 1.959963984540054
"""Where a two-sided t-test of many rows says that p < 0.05."""

Draw = Callable[[np.random.Generator, int], np.ndarray]
"""Sums of every look, float64 of shape (experiments, looks, 2 arms, 9)."""
Looks = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of one experiment, the looks at which driftd, the plain mixture and the peeking test say that the arms differ."""


def summed(y: np.ndarray, x: np.ndarray, c: np.ndarray | None = None) -> np.ndarray:
    """Sum rows, shape (experiments, looks, arms, rows), into the parts of a tally."""
    sums = np.zeros((*y.shape[:-1], len(PARTS)))
    sums[..., N], sums[..., Y], sums[..., X] = y.shape[-1], y.sum(-1), x.sum(-1)
    sums[..., YY], sums[..., XX], sums[..., XY] = (y * y).sum(-1), (x * x).sum(-1), (x * y).sum(-1)
    if c is not None:
        sums[..., C], sums[..., CC], sums[..., YC] = c.sum(-1), (c * c).sum(-1), (y * c).sum(-1)
    return sums


def binary(rate: float, better: float = 0.0, rows: int = 10) -> Draw:
    def draw(rng: np.random.Generator, count: int) -> np.ndarray:
        rates = np.array([rate, rate * (1 + better)])
        hits = rng.binomial(rows, rates, (count, LOOKS, 2)).astype(np.float64)
        sums = np.zeros((count, LOOKS, 2, len(PARTS)))
        sums[..., N] = sums[..., X] = sums[..., XX] = rows
        sums[..., Y] = sums[..., YY] = sums[..., XY] = hits
        return sums

    return draw


def uneven(rate: float, better: float, share: float, rows: int) -> Draw:
    """Draw a share of zeros and ones from arms of different sizes, ``rows`` a look in both."""

    def draw(rng: np.random.Generator, count: int) -> np.ndarray:
        treated = rng.binomial(rows, share, (count, LOOKS))
        sums = np.zeros((count, LOOKS, 2, len(PARTS)))
        n = np.stack([rows - treated, treated], axis=-1)
        hits = rng.binomial(n, [rate, rate * (1 + better)])
        for parts, values in (((N, X, XX), n), ((Y, YY, XY), hits)):
            for part in parts:
                sums[..., part] = values
        return sums

    return draw


def heavy(rng: np.random.Generator, count: int) -> np.ndarray:
    y = rng.lognormal(0.0, 1.0, (count, LOOKS, 2, 10))
    return summed(y, np.ones_like(y))


def ratio(rng: np.random.Generator, count: int) -> np.ndarray:
    tokens = 1.0 + rng.poisson(rng.gamma(2.0, 100.0, (count, LOOKS, 2, 10)))
    return summed(tokens * rng.lognormal(-6.0, 0.5, tokens.shape), tokens)


def known_before(better: float = 0.0, *, used: bool = True) -> Draw:
    """Draw a metric of mean 2 and spread 1, of which three quarters were known before the experiment began."""

    def draw(rng: np.random.Generator, count: int) -> np.ndarray:
        before = rng.normal(0.0, np.sqrt(0.75), (count, LOOKS, 2, 5))
        y = 2.0 + before + rng.normal(0.0, 0.5, before.shape)
        y[:, :, 1] += 2.0 * better
        return summed(y, np.ones_like(y), before if used else None)

    return draw


def verdicts(sums: np.ndarray, rows: np.ndarray, minimum: float) -> Looks:
    """Return where each method says that the arms differ; ``sums`` of shape (..., 2 arms, groups, 9)."""
    enough = rows >= BURN_IN
    values, variances = adjust_for_covariate(sums)
    variances = larger_variances(values, variances, sums[..., X].sum(axis=-1))
    fraction = information(relative_error(values, variances), np.log1p(minimum), ALPHA)
    said = []
    for times in (interval_reach(fraction, ALPHA), reach(fraction, ALPHA, 1.0), PEEK):
        _, low, high = lift(values, variances, times)
        said.append(((low > 0) | (high < 0)) & enough)
    return said[0], said[1], said[2]


def played(draw: Draw, simulations: int, seed: int, minimum: float) -> Iterator[Looks]:
    """Yield what is said at every look of every experiment."""
    rng = np.random.default_rng(seed)
    for first in range(0, simulations, TOGETHER):
        sums = np.cumsum(draw(rng, min(TOGETHER, simulations - first)), axis=1)[..., None, :]
        yield from zip(*verdicts(sums, sums[..., N].sum(axis=-1).min(axis=-1), minimum), strict=True)


@dataclass
class Users:
    """Experiments whose 4,000 users come back: rows of one user are alike. Sums by group are kept up to date."""

    count: int
    rng: np.random.Generator
    split: float = 0.5

    def __post_init__(self) -> None:
        shape = (self.count, 2, 2000)
        self.taste = self.rng.beta(1.0, 4.0, shape)
        keen = np.sort(self.rng.pareto(2.0, 2000) + 1)
        self.chance = np.cumsum(keen) / keen.sum()
        self.sums = np.zeros((self.count, 2, GROUPS, len(PARTS)))
        """Of a tally, shape (experiments, 2 arms, groups, 9)."""
        self.at = np.indices((self.count, 2))

    def look(self, rows: int = 10) -> None:
        """Let ten records of each arm come in."""
        for _ in range(rows):
            user = np.searchsorted(self.chance, self.rng.random((self.count, 2)))
            y = self.rng.random(user.shape) < np.take_along_axis(self.taste, user[..., None], axis=2)[..., 0]
            place = (*self.at, user % GROUPS)
            for part, value in ((N, 1.0), (X, 1.0), (Y, y)):
                self.sums[(*place, part)] += value

    def as_if_independent(self) -> np.ndarray:
        """Return the sums of a tally that takes every row as independent."""
        sums = self.sums.sum(axis=2, keepdims=True)
        sums[..., XX] = sums[..., N]
        sums[..., YY] = sums[..., XY] = sums[..., Y]
        return sums


def clustered(simulations: int, seed: int, minimum: float) -> Iterator[Looks]:
    """Play experiments with users who come back; the peeking test takes their rows as independent."""
    rng = np.random.default_rng(seed)
    for first in range(0, simulations, TOGETHER):
        users = Users(min(TOGETHER, simulations - first), rng)
        found = np.zeros((3, users.count, LOOKS), dtype=bool)
        for look in range(LOOKS):
            users.look()
            rows = np.array((look + 1) * 10.0)
            found[:2, :, look] = verdicts(users.sums, rows, minimum)[:2]
            found[2, :, look] = verdicts(users.as_if_independent(), rows, minimum)[2]
        yield from zip(*found, strict=True)


Sides = tuple[np.ndarray, np.ndarray]
"""Of each experiment, whether the treatment was ever called lower, and whether it was ever called higher."""


def heavy_rows(
    rng: np.random.Generator, count: int, sigma: float, share: float, rows: int, cut: float = np.inf
) -> np.ndarray:
    """Return the sums up to each look of a log-normal metric, ``rows`` a look, of which a share is the treatment's.

    ``cut`` is how many standard deviations of the logarithm above its mean a value is winsorised.
    """
    sums = np.zeros((count, LOOKS, 2, len(PARTS)))
    for one in range(count):
        y = np.minimum(rng.lognormal(0.0, sigma, (LOOKS, rows)), np.exp(sigma * cut))
        treated = rng.random(y.shape) < share
        for arm, mine in enumerate((~treated, treated)):
            sums[one, :, arm, N] = mine.sum(-1)
            sums[one, :, arm, Y] = (y * mine).sum(-1)
            sums[one, :, arm, YY] = (y * y * mine).sum(-1)
    sums[..., X] = sums[..., XX] = sums[..., N]
    sums[..., XY] = sums[..., Y]
    return np.asarray(np.cumsum(sums, axis=1)[..., None, :])


winsorised = partial(heavy_rows, cut=NormalDist().inv_cdf(0.99))
"""The same, winsorised above the 99 % quantile of both arms together, as it was before the experiment."""


def heavy_users(rng: np.random.Generator, count: int, sigma: float, share: float, users: int) -> np.ndarray:
    """Return sums up to each half day; every user has a cost of their own, and users come back."""
    sums = np.zeros((count, 28, 2, GROUPS, len(PARTS)))
    for one in range(count):
        cost, keen = rng.lognormal(0.0, sigma, users), rng.pareto(2.0, users) + 1
        place = GROUPS * (rng.random(users) < share) + rng.integers(0, GROUPS, users)
        for look in range(28):
            rows = rng.poisson(keen / keen.sum() * users / 2)
            for part, values in ((N, rows), (Y, rows * cost)):
                sums[one, look, ..., part] = np.bincount(place, values, 2 * GROUPS).reshape(2, GROUPS)
    sums[..., X] = sums[..., N]
    return np.cumsum(sums, axis=1)


def called_different(sums: np.ndarray, *, welch: bool) -> Sides:
    """Judge every look of experiments that are planned for 14 days, by Welch's variances or by driftd's."""
    values, variances = adjust_for_covariate(sums)
    rows = sums[..., N].sum(axis=-1)
    if not welch:
        variances = larger_variances(values, variances, rows)
    total = rows.sum(axis=-1)
    _, low, high = lift(values, variances, interval_reach(total / total[:, -1:], ALPHA))
    enough = rows.min(axis=-1) >= BURN_IN
    return ((high < 0) & enough).any(axis=-1), ((low > 0) & enough).any(axis=-1)


def heavy_tails(simulations: int) -> str:
    cases: list[tuple[str, Callable[..., np.ndarray], float, int]] = [
        ("1 : 1", heavy_rows, 0.5, 10),
        ("1 : 9", heavy_rows, 0.1, 20),
        ("1 : 99", heavy_rows, 0.01, 50),
        ("1 : 1, users", heavy_users, 0.5, 2000),
        ("1 : 9, users", heavy_users, 0.1, 4000),
        ("1 : 99, users", heavy_users, 0.01, 10_000),
        ("1 : 9, winsorised", winsorised, 0.1, 20),
        ("1 : 99, winsorised", winsorised, 0.01, 50),
    ]
    rows = []
    for sigma in (1.0, 2.0):
        for name, draw, part, size in cases:
            begun = time.perf_counter()
            rng = np.random.default_rng([10, int(sigma), int(100 * part), size])
            parts: list[tuple[Sides, Sides]] = []
            for first in range(0, simulations, 20):
                sums = draw(rng, min(20, simulations - first), sigma, part, size)
                parts.append((called_different(sums, welch=False), called_different(sums, welch=True)))
            cells = []
            for method in (0, 1):
                lower, higher = (np.concatenate([part[method][side] for part in parts]) for side in (0, 1))
                cells += [share(int((lower | higher).sum()), simulations), f"{lower.mean():.1%}"]
            took = f"{time.perf_counter() - begun:.0f} s"
            rows.append([f"sigma {sigma:g}, {name}", simulations, *cells, took])
    heads = ["log-normal, arms alike", "experiments", "driftd", "lower", "Welch's variances", "lower", "took"]
    return table(heads, rows)


@dataclass(frozen=True)
class Summed:
    """What `judge` asks of a tally, without the exact limbs."""

    sums: np.ndarray

    @property
    def n(self) -> int:
        return int(self.sums[:, N].sum())


def judged(simulations: int, seed: int, every: int = 24) -> tuple[int, int]:
    """Judge experiments of two metrics, a primary and a guardrail, every two hours, as the daemon does.

    Returns
    -------
    decided, experiments
        How many were ever called a win or a loss although the arms are alike, and how many there were.
    """
    rng = np.random.default_rng(seed)
    metrics = [Metric("solved", minimum=0.04), Metric("latency", better="lower", role="guardrail", minimum=0.05)]
    wrong = 0
    for first in range(0, simulations, TOGETHER):
        count = min(TOGETHER, simulations - first)
        streams = [np.cumsum(draw(rng, count), axis=1)[:, every - 1 :: every] for draw in (binary(0.2), heavy)]
        for one in range(count):
            wrong += any(
                judge(metrics, *(_tallies(metrics, streams, one, look, arm) for arm in (0, 1))).verdict
                in ("win", "lose")
                for look in range(streams[0].shape[1])
            )
    return wrong, simulations


def _tallies(metrics: list[Metric], streams: list[np.ndarray], one: int, look: int, arm: int) -> Any:
    return {metric.name: Summed(stream[one, look, arm][None]) for metric, stream in zip(metrics, streams, strict=True)}


def share(hits: int, of: int) -> str:
    error = 1.96 * np.sqrt(max(hits, 1) / of * (1 - hits / of) / of)
    return f"{hits / of:.1%} ± {error:.1%}"


def false_verdicts(simulations: int) -> str:
    rows = []
    fewer = max(TOGETHER, simulations // 20)
    streams: list[tuple[str, Iterator[Looks], int]] = [
        ("binary, 20 %", played(binary(0.2), simulations, 1, 0.04), simulations),
        ("binary, 2 %", played(binary(0.02), simulations, 2, 0.15), simulations),
        ("log-normal, sigma 1", played(heavy, simulations, 3, 0.03), simulations),
        ("ratio: cost per token", played(ratio, simulations, 4, 0.02), simulations),
        ("CUPED: 3/4 known before", played(known_before(), simulations, 9, 0.01), simulations),
        ("binary, users come back", clustered(fewer, 5, 0.08), fewer),
    ]
    for name, stream, count in streams:
        begun = time.perf_counter()
        found = [[looks.any() for looks in one] for one in stream]
        ours, plain, peeking = (sum(bool(one[side]) for one in found) for side in range(3))
        took = f"{time.perf_counter() - begun:.0f} s"
        rows.append([name, count, share(ours, count), share(plain, count), share(peeking, count), took])
    begun = time.perf_counter()
    wrong, count = judged(fewer, 8)
    took = f"{time.perf_counter() - begun:.0f} s"
    rows.append(["verdicts of two metrics, every 2 hours", count, share(wrong, count), "", "", took])
    heads = ["metric, arms alike", "experiments", "driftd", "plain mixture", "t-test at every look", "took"]
    return table(heads, rows)


def days(look: float) -> str:
    return f"{look / 288:.1f} d"


def expected(rate: float, better: float, rows: int, minimum: float) -> str:
    """Say how often theory lets the boundary be crossed in time: a Brownian motion with a drift, and the constant."""
    values = np.array([rate, rate * (1 + better)])
    error = float(relative_error(values, values * (1 - values) / (rows * LOOKS)))
    fraction = float(information(error, np.log1p(minimum), ALPHA))
    until = min(1.0, fraction)
    drift = np.log1p(better) / error * np.sqrt(until / fraction)
    limit = special.ndtri(1 - SPENT_BEFORE * ALPHA / 4) / np.sqrt(until)
    crossed = special.ndtr(drift - limit) + np.exp(2 * drift * limit + special.log_ndtr(-drift - limit))
    return f"{crossed:.0%}"


def real_lifts(simulations: int) -> str:
    rows = []
    for name, rate, better, each in (
        ("2 % of 50 % (1 point)", 0.5, 0.02, 10),
        ("2 % of 50 % (1 point)", 0.5, 0.02, 100),
        ("2 % of 20 % (0.4 points)", 0.2, 0.02, 100),
        ("2 points on 50 %", 0.5, 0.04, 10),
        ("2 points on 20 %", 0.2, 0.10, 10),
        ("2 points on 20 %", 0.2, 0.10, 100),
    ):
        found = list(played(binary(rate, better, each), simulations, 6, 0.02))
        cells = []
        for side in (0, 1):
            first = [int(np.argmax(one[side])) + 1 for one in found if one[side].any()]
            cells += [f"{len(first) / len(found):.0%}", days(float(np.median(first))) if first else "-"]
        fixed = sum(bool(one[2][-1]) for one in found) / len(found)
        rows.append([name, each, *cells[:2], expected(rate, better, each, 0.02), *cells[2:], f"{fixed:.0%}"])
    for name, better, part in (
        ("2 points more on 20 %, 1 : 9", 0.1, 0.1),
        ("4 points more on 20 %, 1 : 99", 0.2, 0.01),
    ):
        found = list(played(uneven(0.2, better, part, 100), simulations, 6, 0.02))
        first = [int(np.argmax(one[0])) + 1 for one in found if one[0].any()]
        median = days(float(np.median(first))) if first else "-"
        rows.append(
            [name, f"{100 * (1 - part):.0f} + {100 * part:.0f}", f"{len(first) / len(found):.0%}", median, *[""] * 4]
        )
    for name, used in (("2 % of a mean of 2, no CUPED", False), ("the same, CUPED: 3/4 known before", True)):
        found = list(played(known_before(0.02, used=used), simulations, 6, 0.02))
        first = [int(np.argmax(one[0])) + 1 for one in found if one[0].any()]
        fixed = sum(bool(one[2][-1]) for one in found) / len(found)
        median = days(float(np.median(first))) if first else "-"
        rows.append([name, 5, f"{len(first) / len(found):.0%}", median, "", "", "", f"{fixed:.0%}"])
    heads = [
        "lift, minimum 2 %",
        "rows an arm and look",
        "told by driftd",
        "median time",
        "by the plan's end, in theory",
        "plain mixture",
        "median time",
        "t-test at the end, 14 d",
    ]
    return table(heads, rows)


def splits(simulations: int) -> str:
    rows = []
    rng = np.random.default_rng(7)
    even = np.array([0.5, 0.5])
    for name, chance in (("50 : 50", 0.5), ("51 : 49", 0.51), ("52 : 48", 0.52)):
        first = np.cumsum(rng.binomial(20, chance, (simulations, LOOKS)), axis=1)
        counts = np.stack([first, 20 * np.arange(1, LOOKS + 1) - first], axis=-1)
        over = split_evidence(counts, even) >= 1 / SPLIT_ALPHA
        told = [int(np.argmax(one)) + 1 for one in over if one.any()]
        median = f"{20 * float(np.median(told)):,.0f} units" if told else "-"
        rows.append([name, simulations, f"{len(told) / simulations:.2%}", median])
    for name, lost in (("50 : 50, users come back", 0.0), ("the same, 15 % of one arm's records lost", 0.15)):
        found = [_split_of_users(rng, TOGETHER, lost)]
        told = [look for part in found for look in part if look is not None]
        median = f"{20 * float(np.median(told)):,.0f} rows" if told else "-"
        rows.append([name, TOGETHER, f"{len(told) / TOGETHER:.2%}", median])
    return table(["split, meant 50 : 50", "experiments", "called wrong within 14 days", "median"], rows)


def _split_of_users(rng: np.random.Generator, count: int, lost: float, every: int = 12) -> list[int | None]:
    """Return when the split of grouped rows is called wrong, looked at every hour."""
    keen = rng.pareto(2.0, 4000) + 1
    chance = keen / keen.sum()
    arm, group = rng.integers(0, 2, (count, 4000)), rng.integers(0, GROUPS, (count, 4000))
    first: list[int | None] = [None] * count
    for one in range(count):
        held = np.zeros((2, GROUPS))
        for look in range(every, LOOKS + 1, every):
            user = rng.choice(4000, 20 * every, p=chance)
            side = arm[one, user]
            kept = (side == 0) | (rng.random(len(user)) >= lost)
            np.add.at(held, (side[kept], group[one, user[kept]]), 1.0)
            metric = {"m": Summed(_counts(held[0]))}, {"m": Summed(_counts(held[1]))}
            if judge([Metric("m")], *metric).verdict == "invalid":  # type: ignore[arg-type]
                first[one] = look
                break
    return first


def _counts(rows: np.ndarray) -> np.ndarray:
    sums = np.zeros((GROUPS, len(PARTS)))
    sums[:, N] = sums[:, X] = rows
    return sums


def sizes() -> str:
    """Say what a bucket of 1,000 records stores of one metric in one arm."""
    rng = np.random.default_rng(0)
    y, users = rng.lognormal(0.0, 1.0, 1000), rng.integers(0, 5000, 1000)
    told = [
        len(zlib.compress(json.dumps(tally.to_json(), separators=(",", ":")).encode(), 3))
        for tally in (Tally.of(y), Tally.of(y, units=users))
    ]
    return f"a metric of an arm takes {told[0]} bytes a bucket, {told[1]:,} with users who come back (1,000 records)"


def main() -> None:
    parser = argparse.ArgumentParser(description="False verdicts, power, and wrong splits of A/B comparisons")
    parser.add_argument("--simulations", type=int, default=2000)
    simulations = parser.parse_args().simulations
    begun = time.perf_counter()
    print(
        f"{LOOKS} looks, one every 5 minutes for 14 days; alpha {ALPHA}; nothing is said below {BURN_IN} rows an arm;\n"
        f"the planned information, {planned_information(ALPHA):.2f}, shows the minimum in {POWER:.0%} when looked at "
        "once\n"
    )
    print(heavy_tails(simulations), "\n")
    print(false_verdicts(simulations), "\n")
    print(real_lifts(max(1, simulations // 10)), "\n")
    print(splits(max(TOGETHER, simulations // 2)), "\n")
    print(sizes(), "\n")
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
