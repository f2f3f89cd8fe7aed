"""Sequential: interface of detectors that accumulate evidence over buckets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from detectors.base import Detector, Measurement
from detectors.stack import Counted

State = Mapping[str, float]
"""State of a sequential detector after earlier buckets, by name; empty at the start."""


@dataclass(frozen=True)
class Course:
    """Measurements of a sequential detector over a run of buckets.

    Parameters
    ----------
    statistic, noise
        float64, shape (buckets,); NaN for buckets that were not added.
    lean
        float64, shape (buckets,): positive if values rose, negative if they fell, NaN if neither or both.
    state
        State after the last bucket.
    """

    statistic: np.ndarray
    noise: np.ndarray
    lean: np.ndarray
    state: State


@dataclass(frozen=True, kw_only=True)
class Sequential(Detector):
    """Detector that accumulates evidence over buckets.

    Parameters
    ----------
    score
        Pure function ``(baseline, bucket) -> float64 (..., width)``: contribution of a bucket. It operates on the last
        axis of a :class:`~detectors.stack.Stack` of many buckets as well.
    fold
        Pure function ``(scores, state) -> Course``: accumulates the scores of consecutive buckets, float64 of shape
        (buckets, width). A bucket with NaN scores leaves the state unchanged.
    thin
        Pure function ``(scores, factor) -> scores``: reduces contributions whose noise exceeds that of independent rows
        by a factor, float64 of shape (buckets,) or (1,).
    fewest
        Fewest usable values of a bucket that is added.
    """

    score: Callable[[Counted, Counted], np.ndarray]
    fold: Callable[[np.ndarray, State], Course]
    thin: Callable[[np.ndarray, np.ndarray], np.ndarray]
    fewest: int = 1


def first_step(detector: Sequential, baseline: Counted, bucket: Counted) -> Measurement:
    """Measure one bucket from the initial state."""
    course = detector.fold(np.atleast_2d(detector.score(baseline, bucket)), {})
    return Measurement(course.statistic[0], course.noise[0])
