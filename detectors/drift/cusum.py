"""CUSUM of rank shifts: detects small, lasting shifts that no single window shows."""

from __future__ import annotations

import math

import numpy as np

from detectors.base import NULL_TAIL, Measurement
from detectors.drift.bins import middle_ranks, shares, variance_factor
from detectors.drift.rank import DETECTOR as RANK
from detectors.sequential import Course, Sequential, State, first_step
from detectors.stack import Counted

ALLOWANCE = 0.25
"""Minimum allowance that is subtracted from the score of a bucket, in its standard deviations."""
LARGEST_STEP = 3.0
"""Upper limit of the contribution of one bucket: other detectors cover sudden changes."""
FEWEST_TO_ADD = 10
"""Fewest valid values of a bucket that is added."""
REST = -math.log(NULL_TAIL)
"""Upper 1/1,000 quantile of a sum without a shift, in nats."""
CAP = 3.0
"""Upper limit of a sum, in noise floors, so that an incident ends soon after the shift does."""
MEMORY = 16
"""Time constant of the average of recent scores that shows the end of a shift, in buckets."""


def score(baseline: Counted, bucket: Counted) -> np.ndarray:
    """Return the rank shift of each bucket in its standard deviations, and the allowance in the same unit.

    The allowance is at least the effect floor of `rank`, so that a negligible shift never accumulates, however
    significant.
    """
    ranks, variance = middle_ranks(baseline)
    shift = shares(bucket.counts) @ ranks - 0.5
    sway = np.sqrt(max(variance, 1e-12) * variance_factor(baseline, bucket))
    return np.stack([shift / sway, np.maximum(ALLOWANCE, RANK.floor / sway)], axis=-1)


def thin(scores: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Divide the shift by the factor of its standard deviation."""
    return np.stack([scores[:, 0] / factor, scores[:, 1]], axis=-1)


def fold(scores: np.ndarray, state: State) -> Course:
    """Accumulate log-likelihood ratios of a shift of twice the allowance against none, in both directions, in nats."""
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
    """Return the next sum; a sum above the noise floor is reset when recent buckets no longer show a shift."""
    if is_over and before > REST:
        return 0.0
    return min(max(0.0, before + evidence), CAP * REST)


def measure(baseline: Counted, bucket: Counted) -> Measurement:
    """Root of the CUSUM of rank shifts over buckets, in nats.

    Each bucket adds the log-likelihood ratio of a shift of twice the allowance against none, so that buckets of any
    size add up. The sum has an exponential tail; its root has a normal tail, as other statistics do.

    The noise floor is the 1/1,000 quantile of the sum, by the exponential law of a random walk with drift (Siegmund). A
    sum above it is reset when the average of recent buckets, with exponential weights over 16 buckets, shows no shift
    in its direction.

    Limits
    ------
    Detects changes of location only. Buckets are assumed to be independent; calibration on the baseline corrects for
    autocorrelation.

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
