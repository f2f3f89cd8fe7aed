"""CUSUM: small shifts that last, which no single window shows."""

from __future__ import annotations

import math

import numpy as np

from detectors.base import NULL_TAIL, Measurement
from detectors.drift.bins import middle_ranks, shares, variance_factor
from detectors.drift.rank import DETECTOR as RANK
from detectors.sequential import Course, Sequential, State, first_step
from detectors.stack import Counted

ALLOWANCE = 0.25
"""What is taken off each bucket's score, in its own standard deviations, at least."""
LARGEST_STEP = 3.0
"""One odd bucket counts at most this much: sudden changes are for the other detectors."""
FEWEST_TO_ADD = 10
"""Usable values that a bucket needs to be added at all."""
REST = -math.log(NULL_TAIL)
"""Where a sum lies once in 1,000 buckets without a shift, in nats."""
CAP = 3.0
"""Sums stay below this many noise floors, so that an incident can end when the shift does."""
MEMORY = 16
"""Buckets over which recent scores are averaged, to see that a shift is over."""


def score(baseline: Counted, bucket: Counted) -> np.ndarray:
    """Return the rank shift of each bucket in its standard deviations, and the allowance in the same unit.

    The allowance is at least the effect floor of `rank`, so that a shift too small to matter never adds up,
    however many rows prove it.
    """
    ranks, variance = middle_ranks(baseline)
    shift = shares(bucket.counts) @ ranks - 0.5
    sway = np.sqrt(max(variance, 1e-12) * variance_factor(baseline, bucket))
    return np.stack([shift / sway, np.maximum(ALLOWANCE, RANK.floor / sway)], axis=-1)


def thin(scores: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Divide the shift by the factor of its standard deviation."""
    return np.stack([scores[:, 0] / factor, scores[:, 1]], axis=-1)


def fold(scores: np.ndarray, state: State) -> Course:
    """Add up what the buckets say for a shift of twice the allowance against none, upwards and downwards, in nats."""
    up, down, recent = (state.get(name, 0.0) for name in ("up", "down", "recent"))
    statistic, noise, lean = np.full((3, len(scores)), np.nan)
    for place, (value, allowance) in enumerate(scores.tolist()):
        if math.isnan(value):
            continue
        step = min(max(value, -LARGEST_STEP), LARGEST_STEP)
        recent += (min(max(value, -1.0), 1.0) - recent) / MEMORY
        up, down = (
            _advance(before, 2 * allowance * (moved - allowance), is_over=latest <= 0)
            for before, moved, latest in ((up, step, recent), (down, -step, -recent))
        )
        statistic[place], noise[place], lean[place] = math.sqrt(max(up, down)), math.sqrt(REST), up - down
    return Course(statistic, noise, lean, {"up": up, "down": down, "recent": recent})


def _advance(before: float, evidence: float, *, is_over: bool) -> float:
    """Return the next sum; one that is out of the noise starts anew when recent buckets show no shift any more."""
    if is_over and before > REST:
        return 0.0
    return min(max(0.0, before + evidence), CAP * REST)


def measure(baseline: Counted, bucket: Counted) -> Measurement:
    """Root of the evidence for a rank shift that was added up over buckets, in nats.

    Each bucket adds the logarithm of how much likelier its score is under a shift of twice the allowance than under
    none, so that buckets of any size add up. The root, for a sum's tail is exponential: its root has the normal tail
    that other statistics have.

    The noise floor is where a sum lies once in 1,000 buckets, by the exponential law of a random walk with drift
    (Siegmund). A sum above it starts anew when the last 16 buckets, averaged with exponential weights, show no shift in
    its direction.

    Limits
    ------
    Sees location only. Buckets are taken as independent; where they are not, the calibration knows.

    References
    ----------
    Page, *Continuous inspection schemes*, Biometrika 41, 1954; Siegmund, *Sequential Analysis*, 1985.

    Examples
    --------
    >>> course = fold(np.array([[0.8, 0.25]] * 30), {})
    >>> round(course.state["up"], 1), course.state["down"], bool(course.statistic[-1] > course.noise[-1])
    (8.3, 0.0, True)
    """
    return first_step(DETECTOR, baseline, bucket)


DETECTOR = Sequential(
    name="cusum",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=2.8,
    floor=1.2,
    unit="root of nats",
    title="accumulated rank shift",
    citation="Page 1954; Siegmund 1985",
    score=score,
    fold=fold,
    thin=thin,
    fewest=FEWEST_TO_ADD,
    explained_by=("rank",),
)
