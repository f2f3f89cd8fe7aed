"""How often the interval of a rate holds the truth, and how much narrower it is than that of the labels alone.

    python benchmarks/rate_interval.py [rounds]

Simulated: rates from 0.02 to 0.5, scores from worthless to perfect, 10 to 300 labels among 3,000 answers. For each
number of labels and kind of score: the share of 95 % intervals that hold the rate, at each rate; the lowest such share
of the labels alone (Wilson); and the mean width beside theirs at a rate of 0.2.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import special

from detectors.performance.prediction_powered import Tally, rate
from detectors.performance.wilson import wilson

RATES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
LABELS = (10, 30, 100, 300)
ROWS = 3000
SCORES = ("worthless", "fair", "good", "best", "backwards", "a flag", "a rare flag", "the truth")


def score(kind: str, rng: np.random.Generator, bad: np.ndarray) -> np.ndarray:
    if kind == "the truth":
        return bad.astype(float)
    if kind in ("a flag", "a rare flag"):
        found, false = (0.8, 0.1) if kind == "a flag" else (0.5, 0.005)
        return (rng.random(len(bad)) < np.where(bad, found, false)).astype(float)
    strength = {"worthless": 0.0, "fair": 1.5, "good": 2.5, "best": 4.0, "backwards": -2.5}[kind]
    return np.asarray(special.expit(1.5 * (rng.normal(size=len(bad)) + strength * bad) - 2.5))


def cell(kind: str, labels: int, share: float, rounds: int) -> tuple[float, float, float]:
    """Return how often ours holds, how often the labels alone do, and the ratio of the mean widths."""
    rng = np.random.default_rng([SCORES.index(kind), labels, int(share * 100)])
    held, held_alone, widths, widths_alone = [], [], [], []
    for _ in range(rounds):
        bad = rng.random(ROWS) < share
        tally = Tally.of(score(kind, rng, bad), np.where(np.arange(ROWS) < labels, bad, np.nan))
        found, (low, high) = rate(tally), wilson(tally.positives, labels)
        held.append(found.low <= share <= found.high)
        held_alone.append(low <= share <= high)
        widths.append(found.high - found.low)
        widths_alone.append(high - low)
    return float(np.mean(held)), float(np.mean(held_alone)), float(np.mean(widths) / np.mean(widths_alone))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"share of 95 % intervals that hold the rate, {rounds} rounds a cell")
    print("labels scores      " + "".join(f"{share:>7}" for share in RATES) + "  labels alone  width at 0.2")
    for labels in LABELS:
        for kind in SCORES:
            cells = [cell(kind, labels, share, rounds) for share in RATES]
            told = "".join(f"{held:7.3f}" for held, _, _ in cells)
            alone, width = min(alone for _, alone, _ in cells), cells[RATES.index(0.2)][2]
            print(f"{labels:>6} {kind:<12}{told}  {alone:>12.3f}  {width:>12.2f}")


if __name__ == "__main__":
    main()
