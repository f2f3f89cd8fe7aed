"""CUSUM: small shifts that last, which no single window shows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from detectors.base import NULL_TAIL, Detector, Measurement, Values
from detectors.drift.bins import shares, variance_factor
from detectors.drift.rank import DETECTOR as RANK
from detectors.drift.rank import middle_ranks
from detectors.stack import Counted

ALLOWANCE = 0.25
"""What is taken off each bucket's score, in its own standard deviations, at least."""
LARGEST_STEP = 3.0
"""One odd bucket counts at most this much: sudden changes are for the other detectors."""
FEWEST_TO_ADD = 10
"""Usable values that a bucket needs to be added at all."""
CAP = 3.0
"""Sums stay below this many noise floors, so that an incident can end when the shift does."""


@dataclass(frozen=True)
class Sums:
    """What has been accumulated upwards and downwards, in standard deviations of a bucket."""

    up: float = 0.0
    down: float = 0.0


def steps(baseline: Counted, bucket: Counted) -> tuple[Values, Values]:
    """Return the rank shift of each bucket in its standard deviations, and the allowance in the same unit.

    The allowance is at least the effect floor of `rank`, so that a shift too small to matter never adds up,
    however many rows prove it.
    """
    ranks, variance = middle_ranks(baseline)
    shift = shares(bucket.counts) @ ranks - 0.5
    sway = np.sqrt(max(variance, 1e-12) * variance_factor(baseline, bucket))
    return shift / sway, np.maximum(ALLOWANCE, RANK.floor / sway)


def advance(before: Sums, score: float, allowance: float) -> tuple[Sums, Measurement]:
    """Add one bucket's score to the sums; the statistic is the root of the larger one.

    The root, for a sum's tail is exponential: its root has the normal tail that other statistics have.

    The noise floor is where a sum of normal scores with this allowance lies once in 1,000 buckets, by the
    exponential law of a random walk with drift (Siegmund).

    Limits
    ------
    Sees location only. Buckets are taken as independent; where they are not, the calibration knows.

    References
    ----------
    Page, *Continuous inspection schemes*, Biometrika 41, 1954; Siegmund, *Sequential Analysis*, 1985.

    Examples
    --------
    >>> sums = Sums()
    >>> for _ in range(30):
    ...     sums, seen = advance(sums, 0.8, 0.25)
    >>> round(sums.up, 1), sums.down, seen.statistic > seen.noise
    (16.5, 0.0, True)
    """
    step = min(max(score, -LARGEST_STEP), LARGEST_STEP)
    noise = -math.log(NULL_TAIL) / (2 * allowance)
    up, down = (
        min(max(0.0, held + moved - allowance), CAP * noise)
        for held, moved in ((before.up, step), (before.down, -step))
    )
    return Sums(up, down), Measurement(math.sqrt(max(up, down)), math.sqrt(noise), detail={"up": up, "down": down})


def added_up(
    scores: np.ndarray, allowances: np.ndarray, before: Sums
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Sums]:
    """Advance over a run of buckets; one that has no score (NaN) leaves the sums as they are.

    Returns
    -------
    statistic, noise, lean
        float64, shape (buckets,); NaN where there was no score. ``lean`` is the sum upwards less that downwards.
    sums
        What has been accumulated at the end.
    """
    sums = before
    statistic, noise, lean = np.full((3, len(scores)), np.nan)
    for place, (score, allowance) in enumerate(zip(scores.tolist(), allowances.tolist(), strict=True)):
        if math.isnan(score):
            continue
        sums, seen = advance(sums, score, allowance)
        statistic[place], noise[place], lean[place] = seen.statistic, seen.noise, sums.up - sums.down
    return statistic, noise, lean, sums


def measure(baseline: Counted, bucket: Counted) -> Measurement:
    """Take the first step from rest."""
    score, allowance = steps(baseline, bucket)
    return advance(Sums(), float(score), float(allowance))[1]


DETECTOR = Detector(
    name="cusum",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric"}),
    threshold=4.0,
    floor=1.7,
    unit="root of standard deviations",
    title="accumulated rank shift",
    citation="Page 1954; Siegmund 1985",
)
