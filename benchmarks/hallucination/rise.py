"""How soon a rise of the true rate from 10 to 20 % is told, by the score and by single features.

Streams of records are drawn from labelled answers, a hundred in five minutes: two weeks at 10 % to learn from, a quiet
stretch, then 20 %. Every feature goes through the daemon's own code: profiles, a baseline, thresholds calibrated to one
false page a month, incidents. Nothing else tells the features apart.
"""

from __future__ import annotations

import sys
from datetime import timedelta

import numpy as np
import pandas as pd

from benchmarks.detection import ours
from benchmarks.detection.streams import START, Stream
from benchmarks.detection.tables import table
from benchmarks.hallucination.sets import DATA, load
from detectors.performance.prediction_powered import RateSums, rate
from detectors.signals.hallucinated import combination
from detectors.text.parts import parts
from detectors.text.support import support

BUCKET, EACH = timedelta(minutes=5), 100
LEARN, QUIET, RISEN = timedelta(days=14), timedelta(days=3), timedelta(days=2)
BEFORE, AFTER = 0.10, 0.20
SEEDS = 3
BUDGET = "1/month"
SETS = ("begin_wow", "q2_wow", "summedits")

Sides = tuple[np.ndarray, np.ndarray]


def features(frame: pd.DataFrame) -> dict[str, Sides]:
    """Return each feature of the right answers and of the wrong ones."""
    pairs = zip(frame["response"], frame["context"], frame["label"], strict=True)
    rows = []
    for said, given, label in pairs:
        held = support(said, given)
        if held is not None:
            rows.append(
                {
                    "hallucinated": float(combination().probability(parts(held))),
                    "1 - ROUGE-L": held.unaligned,
                    "novelty": 1.0 - float(held.present.mean()),
                    "weakest claim": 1.0 - float(np.nanmin(np.append(held.claims, 1.0))),
                    "numbers": len(held.numbers[0]) / max(1, held.numbers[2]),
                    "length": float(len(held.answer.ids)),
                    "label": label,
                }
            )
    told = pd.DataFrame(rows)
    wrong = told.pop("label").to_numpy() == 1
    return {name: (told[name].to_numpy()[~wrong], told[name].to_numpy()[wrong]) for name in told}


def stream(sides: Sides, seed: int) -> Stream:
    """Draw a stream of one feature; the same seed draws the same answers whatever the feature."""
    rng = np.random.default_rng(seed)
    buckets = (LEARN + QUIET + RISEN) // BUCKET
    share = np.where(np.arange(buckets * EACH) // EACH < (LEARN + QUIET) // BUCKET, BEFORE, AFTER)
    wrong = rng.random(len(share)) < share
    draw = rng.random(len(share))
    value = np.where(wrong, *(side[(draw * len(side)).astype(int)] for side in sides[::-1]))
    times = START + pd.to_timedelta(np.arange(len(share)) * (BUCKET.total_seconds() / EACH), unit="s")
    frame = pd.DataFrame({"timestamp": pd.Series(times).astype("datetime64[us, UTC]"), "score": value})
    risen = START + LEARN + QUIET
    return Stream("rise", frame, BUCKET, timedelta(hours=1), START + LEARN, (pd.Timestamp(risen),), "")


def delays(sides: Sides) -> tuple[list[float], int]:
    """Return the records until each page after the rise, inf where none came, and the pages before it."""
    late, before = [], 0
    for seed in range(SEEDS):
        drawn = stream(sides, seed)
        told = ours.run(drawn, BUDGET)
        before += sum(pd.Timestamp(one["fired_at"]) <= drawn.changes[0] for one in told["incidents"])
        delay = ours.delay(told)
        late.append(np.inf if delay is None else delay / BUCKET * EACH)
    return late, before


def coverage(rng: np.random.Generator, sides: Sides, labels: int, share: float) -> float:
    """Return how often the interval of the rate holds the truth, of 300 days with 2,000 answers each."""
    inside = 0
    for _ in range(300):
        bad = rng.random(2000) < share
        scores = np.where(bad, rng.choice(sides[1], 2000), rng.choice(sides[0], 2000))
        told = np.where(np.arange(2000) < labels, bad, np.nan)
        seen = rate(RateSums.of(scores, told))
        inside += seen.low <= share <= seen.high
    return inside / 300


def without_labels(sides: Sides) -> str:
    """Return what is said of 2,000 answers of which nobody has labelled any."""
    rng = np.random.default_rng(0)
    scores = np.where(rng.random(2000) < BEFORE, rng.choice(sides[1], 2000), rng.choice(sides[0], 2000))
    seen = rate(RateSums.of(scores, np.full(2000, np.nan)))
    return f"{seen.kind}, {seen.low:.2f} to {seen.high:.2f}"


def report() -> None:
    rng = np.random.default_rng(0)
    sets, _ = load([DATA])
    rows, held = [], []
    for name in (name for name in SETS if name in sets):
        found = features(sets[name])
        for title, sides in found.items():
            late, before = delays(sides)
            median = float(np.median(late))
            told = f"{median:,.0f}" if np.isfinite(median) else f"more than {RISEN / BUCKET * EACH:,.0f}"
            rows.append([name, title, told, f"{sum(map(np.isfinite, late))} of {SEEDS}", before])
            print(f"{name}, {title}: {told}", file=sys.stderr)
        sides = found["hallucinated"]
        held.append(
            [name, without_labels(sides), *(f"{coverage(rng, sides, count, 0.15):.1%}" for count in (30, 100, 300))]
        )
    print(f"\nRecords until a rise from {BEFORE:.0%} to {AFTER:.0%} is told, at {BUDGET} (median of {SEEDS} streams)\n")
    print(table(["set", "feature", "records", "told", "pages before"], rows))
    print("\nThe 95 % interval of the rate holds the truth of 15 %; without labels there is an index and no rate\n")
    print(table(["set", "0 labels", "30 labels", "100 labels", "300 labels"], held))
