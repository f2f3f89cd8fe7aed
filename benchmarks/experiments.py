"""A/B comparisons that are looked at every five minutes for two weeks: `make bench-experiments`.

False verdicts over many simulated experiments in which nothing differs, beside a t-test that is looked at as often; how
soon a real lift is told, beside a t-test that waits for the end; and how soon a wrong split of the traffic is found.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.detection.tables import table
from detectors.experiment.compare import BURN_IN, lift
from detectors.experiment.sequence import PLANNED, reach, split_evidence
from detectors.experiment.tally import GROUPS, PARTS, XX, XY, YY, N, Tally, X, Y, value_of, variance_of
from detectors.experiment.verdict import SPLIT_ALPHA, Metric, judge

LOOKS = 14 * 288
TOGETHER = 100
ALPHA = 0.05
PEEK = 1.959963984540054
"""Where a two-sided t-test of many rows says that p < 0.05."""

Draw = Callable[[np.random.Generator, int], np.ndarray]
"""Sums of every look, float64 of shape (experiments, looks, 2 arms, 9)."""


def summed(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Sum rows, shape (experiments, looks, arms, rows), into the parts of a tally."""
    sums = np.zeros((*y.shape[:-1], len(PARTS)))
    sums[..., N], sums[..., Y], sums[..., X] = y.shape[-1], y.sum(-1), x.sum(-1)
    sums[..., YY], sums[..., XX], sums[..., XY] = (y * y).sum(-1), (x * x).sum(-1), (x * y).sum(-1)
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


def heavy(rng: np.random.Generator, count: int) -> np.ndarray:
    y = rng.lognormal(0.0, 1.0, (count, LOOKS, 2, 10))
    return summed(y, np.ones_like(y))


def ratio(rng: np.random.Generator, count: int) -> np.ndarray:
    tokens = 1.0 + rng.poisson(rng.gamma(2.0, 100.0, (count, LOOKS, 2, 10)))
    return summed(tokens * rng.lognormal(-6.0, 0.5, tokens.shape), tokens)


def verdicts(values: np.ndarray, variances: np.ndarray, rows: np.ndarray, planned: float) -> tuple[np.ndarray, ...]:
    """Return where the sequence, and where the peeking test, says that the arms differ."""
    enough = rows >= BURN_IN
    _, low, high = lift(values, variances, reach(2 * rows, ALPHA, planned))
    _, soon, late = lift(values, variances, PEEK)
    return ((low > 0) | (high < 0)) & enough, ((soon > 0) | (late < 0)) & enough


def played(
    draw: Draw, simulations: int, seed: int, planned: float | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, of every experiment, the looks at which either method says that the arms differ.

    ``planned`` is the number of rows at which the sequence is tightest, by default that of the whole experiment.
    """
    rng = np.random.default_rng(seed)
    for first in range(0, simulations, TOGETHER):
        sums = np.cumsum(draw(rng, min(TOGETHER, simulations - first)), axis=1)[..., None, :]
        rows = sums[0, :, 0, 0, N]
        ours, peeking = verdicts(value_of(sums), variance_of(sums), rows, planned or 2 * rows[-1])
        yield from zip(ours, peeking, strict=True)


def clustered(simulations: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Play experiments whose 4,000 users come back: rows of one user are alike; summed by groups of users."""
    rng = np.random.default_rng(seed)
    for first in range(0, simulations, TOGETHER):
        count = min(TOGETHER, simulations - first)
        taste = rng.beta(1.0, 4.0, (count, 2, 2000))
        keen = np.sort(rng.pareto(2.0, 2000) + 1)
        chance = np.cumsum(keen) / keen.sum()
        sums = np.zeros((count, 2, GROUPS, len(PARTS)))
        naive = np.zeros((count, 2, 1, len(PARTS)))
        found = np.zeros((2, count, LOOKS), dtype=bool)
        at = np.indices((count, 2, 10))[:2]
        for look in range(LOOKS):
            user = np.searchsorted(chance, rng.random((count, 2, 10)))
            y = (rng.random(user.shape) < np.take_along_axis(taste, user, axis=2)).astype(np.float64)
            for part, value in ((N, 1.0), (Y, y), (X, 1.0)):
                np.add.at(sums, (*at, user % GROUPS, part), value)
            naive += summed(y, np.ones_like(y))[:, :, None, :]
            rows = np.array((look + 1) * 10.0)
            found[0, :, look] = verdicts(value_of(sums), variance_of(sums), rows, 20.0 * LOOKS)[0]
            found[1, :, look] = verdicts(value_of(naive), variance_of(naive), rows, 20.0 * LOOKS)[1]
        yield from zip(*found, strict=True)


def judged(simulations: int, seed: int, every: int = 24) -> tuple[int, int]:
    """Judge experiments of two metrics, a primary and a guardrail, every two hours, as `driftd experiments` does.

    Returns
    -------
    decided, experiments
        How many were ever called a win or a loss although the arms are alike, and how many there were.
    """
    rng = np.random.default_rng(seed)
    metrics = [Metric("solved"), Metric("latency", better="lower", role="guardrail", minimum=0.05)]
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


def _tallies(metrics: list[Metric], streams: list[np.ndarray], one: int, look: int, arm: int) -> dict[str, Tally]:
    return {metric.name: Tally(stream[one, look, arm][None]) for metric, stream in zip(metrics, streams, strict=True)}


def share(hits: int, of: int) -> str:
    error = 1.96 * np.sqrt(max(hits, 1) / of * (1 - hits / of) / of)
    return f"{hits / of:.1%} ± {error:.1%}"


def false_verdicts(simulations: int) -> str:
    rows = []
    streams: list[tuple[str, Iterator[tuple[np.ndarray, np.ndarray]], int]] = [
        ("binary, 20 %", played(binary(0.2), simulations, 1), simulations),
        ("binary, 2 %", played(binary(0.02), simulations, 2), simulations),
        ("log-normal, sigma 1", played(heavy, simulations, 3), simulations),
        ("ratio: cost per token", played(ratio, simulations, 4), simulations),
        ("binary, users come back", clustered(simulations, 5), simulations),
    ]
    for name, stream, count in streams:
        begun = time.perf_counter()
        found = [(ours.any(), peeking.any()) for ours, peeking in stream]
        ours, peeking = (sum(bool(pair[side]) for pair in found) for side in (0, 1))
        rows.append([name, count, share(ours, count), share(peeking, count), f"{time.perf_counter() - begun:.0f} s"])
    begun = time.perf_counter()
    wrong, count = judged(max(1, simulations // 4), 8)
    took = f"{time.perf_counter() - begun:.0f} s"
    rows.append(["verdicts of two metrics, default settings, every 2 hours", count, share(wrong, count), "", took])
    return table(["metric, arms alike", "experiments", "driftd", "t-test at every look", "took"], rows)


def days(look: float) -> str:
    return f"{look / 288:.1f} d"


def real_lifts(simulations: int) -> str:
    rows = []
    for name, draw in (
        ("2 % on 50 %, 100 rows", binary(0.5, 0.02, 100)),
        ("2 % on 50 %, 10 rows", binary(0.5, 0.02, 10)),
        ("2 % on 20 %, 100 rows", binary(0.2, 0.02, 100)),
        ("10 % on 20 %, 10 rows", binary(0.2, 0.10, 10)),
        ("10 % on 20 %, 100 rows", binary(0.2, 0.10, 100)),
    ):
        found = list(played(draw, simulations, 6, PLANNED))
        first = [int(np.argmax(ours)) + 1 for ours, _ in found if ours.any()]
        fixed = sum(bool(peeking[-1]) for _, peeking in found)
        median = days(float(np.median(first))) if first else "-"
        rows.append([name, f"{len(first) / len(found):.1%}", median, f"{fixed / len(found):.1%}", days(LOOKS)])
    return table(["lift, rows an arm and look", "told by driftd", "median time", "t-test at the end", "time"], rows)


def splits(simulations: int) -> str:
    rows = []
    rng = np.random.default_rng(7)
    even = np.array([0.5, 0.5])
    for name, chance in (("50 : 50", 0.5), ("51 : 49", 0.51), ("52 : 48", 0.52)):
        found = []
        for _ in range(simulations):
            first = np.cumsum(rng.binomial(20, chance, LOOKS))
            counts = np.stack([first, 20 * np.arange(1, LOOKS + 1) - first], axis=-1)
            over = split_evidence(counts, even) >= 1 / SPLIT_ALPHA
            found.append(int(np.argmax(over)) + 1 if over.any() else None)
        told = [look for look in found if look is not None]
        median = f"{20 * float(np.median(told)):,.0f} units" if told else "-"
        rows.append([name, f"{len(told) / simulations:.2%}", median])
    return table(["split, meant 50 : 50", "called wrong within 14 days", "median"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="False verdicts, power, and wrong splits of A/B comparisons")
    parser.add_argument("--simulations", type=int, default=2000)
    simulations = parser.parse_args().simulations
    begun = time.perf_counter()
    print(
        f"{LOOKS} looks, one every 5 minutes for 14 days; alpha {ALPHA}; nothing is said below {BURN_IN} rows an arm\n"
    )
    print(false_verdicts(simulations), "\n")
    print(real_lifts(max(1, simulations // 10)), "\n")
    print(splits(simulations), "\n")
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
