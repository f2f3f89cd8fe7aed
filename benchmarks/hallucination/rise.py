"""How soon a rise of the true rate from 10 to 20 % is told, by the score and by single features.

Streams are drawn from labelled answers, buckets of a hundred. A feature's mean over each bucket is standardised by
what it was at 10 %, and a one-sided CUSUM adds it up; its limit is set on streams that stay at 10 %, so that it pages
once in a month of five-minute buckets.
"""

from __future__ import annotations

import numpy as np

from benchmarks.detection.tables import table
from benchmarks.hallucination.sets import DATA, load
from detectors.performance.prediction_powered import Tally, rate
from detectors.signals.hallucinated import combination
from detectors.text.parts import parts
from detectors.text.support import support

BUCKET = 100
MONTH = 8766
"""Five-minute buckets."""
SLACK = 0.5
BEFORE, AFTER = 0.10, 0.20
STREAMS = 200


def features(frame: object) -> dict[str, np.ndarray]:
    found = [(held, parts(held)) for held in map(support, frame["response"], frame["context"]) if held is not None]  # type: ignore[index]
    return {
        "hallucinated": np.array([float(combination().probability(part)) for _, part in found]),
        "1 - ROUGE-L": np.array([held.unaligned for held, _ in found]),
        "weakest claim": np.array([1 - np.nanmin(np.append(held.claims, 1.0)) for held, _ in found]),
        "numbers": np.array([len(held.numbers[0]) / max(1, held.numbers[2]) for held, _ in found]),
        "length": np.array([float(len(held.answer.ids)) for held, _ in found]),
    }


def means(
    rng: np.random.Generator, sides: tuple[np.ndarray, np.ndarray], share: float, shape: tuple[int, int]
) -> np.ndarray:
    """Return bucket means of a feature at a true rate: wrong answers drawn from one side, right ones from the other."""
    wrong = rng.binomial(BUCKET, share, shape)
    spread = [side.std() for side in sides]
    noise = rng.normal(size=shape) * np.sqrt(wrong * spread[1] ** 2 + (BUCKET - wrong) * spread[0] ** 2) / BUCKET
    return (wrong * sides[1].mean() + (BUCKET - wrong) * sides[0].mean()) / BUCKET + noise


def limit(rng: np.random.Generator) -> float:
    """Return the level that a CUSUM of standard normal steps reaches once a month on average."""
    low, high = 1.0, 30.0
    steps = rng.normal(size=(64, MONTH))
    for _ in range(18):
        middle = (low + high) / 2
        low, high = (low, middle) if _crossings(steps, middle) <= 1.0 else (middle, high)
    return high


def _crossings(steps: np.ndarray, level: float) -> float:
    held, count = np.zeros(len(steps)), 0
    for at in range(steps.shape[1]):
        held = np.maximum(0.0, held + steps[:, at] - SLACK)
        over = held > level
        count += int(over.sum())
        held[over] = 0.0
    return count / len(steps)


def delay(rng: np.random.Generator, sides: tuple[np.ndarray, np.ndarray], level: float) -> float:
    """Return the median number of records after the rise until the page."""
    quiet = means(rng, sides, BEFORE, (200, 200))
    after = (means(rng, sides, AFTER, (STREAMS, 2000)) - quiet.mean()) / max(quiet.std(), 1e-12)
    held, first = np.zeros(STREAMS), np.full(STREAMS, 2000)
    for at in range(2000):
        held = np.maximum(0.0, held + after[:, at] - SLACK)
        first[(held > level) & (first == 2000)] = at + 1
    return float(np.median(first)) * BUCKET


def coverage(rng: np.random.Generator, sides: tuple[np.ndarray, np.ndarray], labels: int, share: float) -> float:
    """Return how often the interval of the rate holds the truth, of 300 days with 2,000 answers each."""
    inside = 0
    for _ in range(300):
        bad = rng.random(2000) < share
        scores = np.where(bad, rng.choice(sides[1], 2000), rng.choice(sides[0], 2000))
        told = np.where(np.arange(2000) < labels, bad, np.nan)
        seen = rate(Tally.of(scores, told))
        inside += seen.low <= share <= seen.high
    return inside / 300


def report() -> None:
    rng = np.random.default_rng(0)
    level = limit(rng)
    sets, _ = load([DATA])
    rows, held = [], []
    for name in ("begin_wow", "q2_wow", "summedits"):
        if name not in sets:
            continue
        frame = sets[name]
        kept = np.array([support(*pair) is not None for pair in zip(frame["response"], frame["context"], strict=True)])
        label = frame["label"].to_numpy()[kept]
        found = features(frame)
        for title, values in found.items():
            records = delay(rng, (values[label == 0], values[label == 1]), level)
            rows.append([name, title, f"{records:,.0f}" if records < 200_000 else "never in 200,000"])
        values = found["hallucinated"]
        sides = values[label == 0], values[label == 1]
        held.append([name, *(f"{coverage(rng, sides, count, 0.15):.1%}" for count in (30, 100, 300))])
    print(f"\nRecords until a rise from {BEFORE:.0%} to {AFTER:.0%} is told, at one false page a month (median)\n")
    print(table(["set", "feature", "records"], rows))
    print("\nThe 95 % interval of the rate holds the truth of 15 %; without labels there is no rate, only an index\n")
    print(table(["set", "30 labels", "100 labels", "300 labels"], held))
