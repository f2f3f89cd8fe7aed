"""Sensitivity: smallest change of a column that exceeds its thresholds."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from detectors.base import Detector, Values
from detectors.profile import Profile
from detectors.sequential import Sequential
from detectors.stack import Stack

SIZES = np.geomspace(0.01, 12.0, 72)
"""Candidate shifts, in standard deviations of the normal scores, in steps of a tenth."""

Bound = Callable[[Values, Values], Values]
"""Maps statistic and noise to the effective threshold."""


@dataclass(frozen=True)
class Sensitivity:
    """Smallest change of one column that is detected within a window or a day.

    Parameters
    ----------
    unit
        ``sd`` for a shift of a numeric column in standard deviations (of its normal scores); ``share`` for a column
        with two values, and for a category: the value that its share ``before`` changes to.
    before
        Share in the baseline; 0 for a shift.
    window, day
        Smallest change that is detected within a window, and within a day; None if there is none.
    """

    unit: str
    before: float
    window: float | None
    day: float | None


def smallest_change(
    baseline: Profile, rows: float, buckets: int, day: int, tests: Sequence[tuple[Detector, Bound]]
) -> Sensitivity | None:
    """Return the smallest change that a test detects with a probability above one half; None for unsupported columns.

    A column with two values is changed in the share of the rarer one, other numeric columns by shifting their normal
    scores (exponential tilting), categorical ones by a new category with a share of all rows.

    Parameters
    ----------
    rows
        Usable values of a typical bucket.
    buckets, day
        Buckets of a window, and of a day.
    tests
        Detectors of the column with their thresholds. Sequential detectors are simulated over a day, others over whole
        windows.

    Examples
    --------
    >>> from detectors import DETECTORS
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> x = np.random.default_rng(0).normal(size=20000)
    >>> baseline = Profile.of(Column.floats(x), learn_numeric(x, x.min(), x.max()))
    >>> result = smallest_change(baseline, 50, 12, 288, [(DETECTORS["rank"], lambda statistic, noise: 0.1)])
    >>> result.unit, round(result.window, 2), result.window == result.day
    ('sd', 0.36, True)
    """
    mass = baseline.counts / max(1, baseline.n)
    if baseline.n == 0 or (baseline.layout.kind == "numeric" and np.count_nonzero(mass) < 2):  # noqa: PLR2004
        return None
    if baseline.layout.kind == "categorical":
        unit, sizes, changed = "share", SIZES / SIZES[-1], _dilute(mass, SIZES / SIZES[-1])
        before = float(mass[-1])
    elif np.count_nonzero(mass) == 2:  # noqa: PLR2004
        unit, changed, rarer = "share", _tilt(mass, SIZES, rare=True), int(np.argmin(np.where(mass > 0, mass, 2)))
        before, sizes = float(mass[rarer]), changed[:, rarer]
    else:
        unit, before, sizes, changed = "sd", 0.0, SIZES, _tilt(mass, SIZES)
    firsts: dict[bool, list[int]] = {False: [], True: []}
    for detector, bound in tests:
        if isinstance(detector, Sequential):
            scores = detector.score(baseline, _stack(baseline, changed * rows))
            for whole_day, steps in ((False, buckets), (True, day)):
                firsts[whole_day].append(_first_added_up(detector, bound, scores, steps))
        else:
            measured = detector.measure(baseline, _stack(baseline, changed * rows * buckets))
            missed = np.flatnonzero(measured.statistic < bound(measured.statistic, measured.noise))
            firsts[False].append(int(missed[-1]) + 1 if len(missed) else 0)
    window = min(firsts[False], default=len(sizes))
    day = min([window, *firsts[True]])
    smallest = [float(sizes[place]) if place < len(sizes) else None for place in (window, day)]
    return Sensitivity(unit, before, *smallest)


def _first_added_up(detector: Sequential, bound: Bound, scores: np.ndarray, steps: int) -> int:
    """Return the index of the smallest change that a sequential detector detects within equal buckets, by bisection."""

    def is_detected(place: int) -> bool:
        course = detector.fold(np.repeat(scores[place][None], steps, axis=0), {})
        return bool((course.statistic >= bound(course.statistic, course.noise)).any())

    return bisect.bisect_left(range(len(scores)), True, key=is_detected)  # noqa: FBT003


def _tilt(mass: np.ndarray, sizes: np.ndarray, *, rare: bool = False) -> np.ndarray:
    """Shift the normal scores of the bins upwards, or towards the rarer of two values; shape (sizes, bins)."""
    scores = special.ndtri(np.clip(np.cumsum(mass) - mass / 2, 1e-9, 1 - 1e-9))
    if rare and mass[np.argmax(mass > 0)] < mass.max():
        scores = -scores
    filled = np.where(mass > 0, mass, 1.0)
    weights = np.where(mass > 0, np.log(filled) + sizes[:, None] * scores, -np.inf)
    weights = np.exp(weights - weights.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _dilute(mass: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Assign shares of all rows to a new category; shape (shares, bins)."""
    new = np.zeros_like(mass)
    new[-1] = 1.0
    return np.asarray(mass * (1 - shares[:, None]) + new * shares[:, None])


def _stack(baseline: Profile, counts: np.ndarray) -> Stack:
    """Return expected counts as buckets."""
    nothing = np.zeros(len(counts))
    return Stack(baseline.layout, counts, nothing, nothing, nothing, nothing, nothing)
