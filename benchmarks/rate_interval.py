"""How often the interval of a rate holds the truth, and how much narrower it is than that of the labels alone.

    make bench-rates ARGS="--rounds 200"

Simulated: rates from 0.02 to 0.5, scores from worthless to perfect, 10 to 300 labels among 3,000 answers. For each
number of labels and kind of score: the share of 95 % intervals that hold the rate, at each rate; the lowest such
share of the labels alone (Wilson); and the mean width beside theirs at a rate of 0.2. Before that, labels that are a
random sample, that were drawn by the score, and that came with complaints (30 % of the bad answers, 1 % of the good):
how often a finding warns, and how often the intervals hold the rate, of the labels taken as they are, of what the
finding says, and of labels weighted by their known chance.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import special

from benchmarks.detection.tables import table
from detectors.performance.prediction_powered import RateSums, rate
from detectors.performance.selection import Strata, is_selected, stratified_rate, weighted_rate
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
        tally = RateSums.of(score(kind, rng, bad), np.where(np.arange(ROWS) < labels, bad, np.nan))
        found, (low, high) = rate(tally), wilson(tally.positives, labels)
        held.append(found.low <= share <= found.high)
        held_alone.append(low <= share <= high)
        widths.append(found.high - found.low)
        widths_alone.append(high - low)
    return float(np.mean(held)), float(np.mean(held_alone)), float(np.mean(widths) / np.mean(widths_alone))


CHOICES = ("random", "random, 10 %", "more of the high scores", "more of the doubtful", "complaints")


def chances(how: str, scores: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Return the probability with which each answer is labelled."""
    if how == "complaints":
        return np.where(bad, 0.3, 0.01)
    if how == "more of the high scores":
        return np.where(scores > np.quantile(scores, 0.8), 0.25, 0.03)
    if how == "more of the doubtful":
        return np.where(np.abs(scores - 0.4) < 0.2, 0.3, 0.05)  # noqa: PLR2004
    return np.full(len(bad), 0.1 if how == "random, 10 %" else 0.04)


def selection(kind: str, how: str, share: float, rounds: int) -> list[object]:
    """Return a row of the table of choices."""
    rng = np.random.default_rng([SCORES.index(kind), CHOICES.index(how), int(100 * share), 1])
    warned, told, counts = [], [], []
    for _ in range(rounds):
        bad = rng.random(ROWS) < share
        scores = score(kind, rng, bad)
        chance = chances(how, scores, bad)
        labels = np.where(rng.random(ROWS) < chance, bad, np.nan)
        strata, plain = Strata.of(scores, labels), rate(RateSums.of(scores, labels))
        selected = is_selected(strata)
        found = (plain, stratified_rate(strata) if selected else plain, weighted_rate(labels, chance))
        warned.append(selected)
        told.append([one.low <= share <= one.high for one in found])
        counts.append((plain.labels, found[1].value))
    held, (labelled, value) = np.mean(told, axis=0), np.mean(counts, axis=0)
    cells = [f"{labelled:.0f}", f"{np.mean(warned):.3f}", *(f"{one:.3f}" for one in held), f"{value:.3f}"]
    return [how, kind, share, *cells]


def choices(rounds: int) -> str:
    kinds = ("worthless", "fair", "good", "best", "a flag", "a rare flag")
    rows = [selection(kind, how, share, rounds) for how in CHOICES for kind in kinds for share in (0.02, 0.1, 0.3)]
    heads = ["labels", "scores", "rate", "labels of 3000", "warned", "as they are", "finding", "weighted", "mean"]
    return table(heads, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage, widths and warnings of rates by labels")
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    print(f"share of warnings, and of 95 % intervals that hold the rate, {rounds} rounds a row")
    print(choices(rounds), "\n")
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
