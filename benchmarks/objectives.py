"""Alerts of burn rates while an objective is met, and how soon a breach is told: `make bench-objectives`.

Requests come evenly and fail independently. A stream that has a share of the errors that its objective allows is
looked at every five minutes; an alert is a look at which a pair of windows burns too fast after one at which none
did. Then a total outage or a lasting burn is put into streams that are otherwise quiet, and the delay to the first
alert is counted. Beside it: the same rates without a test of the counts.
"""

from __future__ import annotations

import argparse
import time
from datetime import timedelta

import numpy as np

from benchmarks.detection.tables import table
from detectors.cost.objective import PAIRS, EventCounts, pair_excess

BUCKET = timedelta(minutes=5)
PERIOD = timedelta(days=30)
PER_HOUR = (20, 200, 2000)
OBJECTIVES = (0.99, 0.999)
MIN_SAMPLES = 100
WEEK = 7 * 288


def drawn(rng: np.random.Generator, per_hour: int, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return requests and errors of every bucket, with a probability of error each."""
    total = np.diff(np.floor(np.arange(len(shares) + 1) * per_hour / 12)).astype(np.int64)
    return total, rng.binomial(total, shares)


def windowed(counts: np.ndarray, window: timedelta) -> np.ndarray:
    """Return the sums over a window up to the end of each bucket."""
    sums = np.concatenate([[0], np.cumsum(counts)])
    return np.asarray(sums[1:] - sums[np.maximum(0, np.arange(len(counts)) + 1 - window // BUCKET)])


def alerting(total: np.ndarray, bad: np.ndarray, room: float, *, tested: bool) -> np.ndarray:
    """Say of every look whether any pair of windows burns too fast."""
    found = np.zeros(len(total), dtype=bool)
    for pair in PAIRS:
        n, k, n_short, k_short = (windowed(each, size) for size in (pair.long, pair.short) for each in (total, bad))
        enough = (n >= MIN_SAMPLES) & (k > 0)
        over = (k > room * pair.factor(PERIOD) * n) & (k_short > room * pair.factor(PERIOD) * n_short) & enough
        if tested:
            for at in np.flatnonzero(over):
                long, short = EventCounts(int(n[at]), float(k[at])), EventCounts(int(n_short[at]), float(k_short[at]))
                over[at] = pair_excess(pair, long, short, room, PERIOD) > 1
        found |= over
    return found


def alerts(per_hour: int, objective: float, used: float, weeks: int, *, tested: bool) -> float:
    """Return alerts a week at a share of the allowed errors."""
    rng = np.random.default_rng([per_hour, int(1e4 * objective), int(100 * used)])
    room, warm = 1 - objective, 3 * 288
    total, bad = drawn(rng, per_hour, np.full(warm + weeks * WEEK, room * used))
    on = alerting(total, bad, room, tested=tested)[warm:]
    return int((on[1:] & ~on[:-1]).sum() + on[0]) / weeks


def delays(per_hour: int, objective: float, burn: float | None, streams: int, *, tested: bool) -> np.ndarray:
    """Return hours from a breach to the first alert, NaN where none comes within four days; None is a total outage."""
    rng = np.random.default_rng([per_hour, int(1e4 * objective), int(burn or 0), 7])
    room, warm, after = 1 - objective, 4 * 288, 4 * 288
    share = 1.0 if burn is None else burn * room
    found = np.full(streams, np.nan)
    for one in range(streams):
        shares = np.where(np.arange(warm + after) < warm, room * 0.2, share)
        on = alerting(*drawn(rng, per_hour, shares), room, tested=tested)[warm:]
        if on.any():
            found[one] = (int(np.argmax(on)) + 1) / 12
    return found


def quiet(weeks: int) -> str:
    rows = []
    for objective in OBJECTIVES:
        for per_hour in PER_HOUR:
            for used in (0.5, 0.8):
                cells = [f"{alerts(per_hour, objective, used, weeks, tested=tested):.3f}" for tested in (True, False)]
                rows.append([f"{objective:.1%}", per_hour, f"{used:.0%}", weeks, *cells])
    heads = ["objective", "requests/h", "of the allowed errors", "weeks", "alerts a week", "without the test"]
    return table(heads, rows)


def broken(streams: int) -> str:
    rows = []
    for objective in OBJECTIVES:
        for per_hour in PER_HOUR:
            for name, burn in (("total outage", None), ("burn 10", 10.0), ("burn 3.5", 3.5)):
                cells = []
                for tested in (True, False):
                    found = delays(per_hour, objective, burn, streams, tested=tested)
                    median = float(np.median(np.where(np.isnan(found), np.inf, found)))
                    cells += [f"{median:.2f} h", f"{np.isfinite(found).mean():.0%}"]
                rows.append([f"{objective:.1%}", per_hour, name, *cells])
    heads = [
        "objective",
        "requests/h",
        "breach",
        "median delay",
        "found in 4 d",
        "without the test",
        "found in 4 d",
    ]
    return table(heads, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="False alerts and delays of burn rates")
    parser.add_argument("--weeks", type=int, default=200)
    parser.add_argument("--streams", type=int, default=100)
    given = parser.parse_args()
    begun = time.perf_counter()
    print(quiet(given.weeks), "\n")
    print(broken(given.streams), "\n")
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
