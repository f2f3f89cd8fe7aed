"""Sequential: the contract of detectors that add up evidence from bucket to bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from detectors.base import Detector, Measurement
from detectors.stack import Counted

State = Mapping[str, float]
"""What a sequential detector remembers of earlier buckets, by name; empty at rest."""


@dataclass(frozen=True)
class Course:
    """What a sequential detector measured over a run of buckets.

    Parameters
    ----------
    statistic, noise
        float64, shape (buckets,); NaN where a bucket was not added.
    lean
        float64, shape (buckets,): positive where the values rose, negative where they fell, NaN where neither or both.
    state
        What is remembered at the end.
    """

    statistic: np.ndarray
    noise: np.ndarray
    lean: np.ndarray
    state: State


@dataclass(frozen=True, kw_only=True)
class Sequential(Detector):
    """A detector that adds up from bucket to bucket.

    Parameters
    ----------
    score
        Pure function ``(baseline, bucket) -> float64 (..., width)``: what a bucket contributes. It works over the last
        axis of a :class:`~detectors.stack.Stack` of many buckets as well.
    fold
        Pure function ``(scores, state) -> Course``: add up the scores of consecutive buckets, float64 of shape
        (buckets, width). A bucket whose scores are NaN leaves the state as it is.
    thin
        Pure function ``(scores, factor) -> scores``: what buckets contribute whose noise exceeds that of independent
        rows by a factor, float64 of shape (buckets,) or (1,).
    fewest
        Usable values that a bucket needs to be added.
    """

    score: Callable[[Counted, Counted], np.ndarray]
    fold: Callable[[np.ndarray, State], Course]
    thin: Callable[[np.ndarray, np.ndarray], np.ndarray]
    fewest: int = 1


def first_step(detector: Sequential, baseline: Counted, bucket: Counted) -> Measurement:
    """Measure one bucket from rest."""
    course = detector.fold(np.atleast_2d(detector.score(baseline, bucket)), {})
    return Measurement(course.statistic[0], course.noise[0])
