"""Plateau: a window after a change as a second reference, so that a further change can be detected.

During an incident every window differs from the baseline, which masks a second change. The first full window after the
change is the plateau: later windows are compared with it as well.

The comparison is calibrated with the same null. A plateau is one window and varies as a window does, so the variation
of the difference of two windows is larger by the square root of two than that of a window against a long baseline; the
detector computes the sampling noise from both sample sizes. Without a season the variation is systematic: two windows
at opposite hours differ twice as much from each other as either does from the baseline.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from detectors.binning import SUMMED
from detectors.null_distribution import CalibratedNull
from detectors.profile import Profile
from detectors.stack import Counted, Stack


def calibrate_pair(calibrated: CalibratedNull, factor: float = math.sqrt(2)) -> CalibratedNull:
    """Return the null of a window against another window, from that of a window against the baseline.

    Parameters
    ----------
    factor
        Factor of the variation: square root of two if it is random, two if it is the hour of the day.

    Examples
    --------
    >>> from detectors.null_distribution import NullDistribution
    >>> null = NullDistribution(wander=0.1, start=1.0, share=0.1, scale=0.2, quantiles=(), windows=100.0)
    >>> round(calibrate_pair(CalibratedNull(null, 9.0)).null.wander, 4)
    0.1414
    """
    null = calibrated.null
    return replace(calibrated, null=replace(null, wander=factor * null.wander))


def at_hours(plateau: Counted, then: Counted, now: Counted) -> Stack:
    """Return the expected plateau at other hours: changed by the difference of the baseline between them.

    Parameters
    ----------
    plateau
        One window.
    then, now
        The baseline at the plateau's hours and at the requested ones; the same for a column without a season.

    Returns
    -------
    Stack
        Without a leading axis, with the plateau's sample size.

    Limits
    ------
    Shares of bins change by differences and are clipped at 0: the season of a bin that a change has emptied is lost.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> x = np.arange(100.0)
    >>> layout = learn_numeric(x, 0.0, 99.0, bins=2)
    >>> low, high, window = (Profile.of(Column.floats(part), layout) for part in (x[:50], x[50:], x[:40]))
    >>> at_hours(window, low, low).counts.tolist() == window.counts.tolist()
    True
    >>> window.counts.tolist(), at_hours(window, low, high).counts.tolist()
    ([0, 40, 0, 0], [0, 1, 39, 0])
    """
    reference = _as_stack(plateau)
    if then is now:
        return reference
    n = int(reference.n)
    before, after = _as_stack(then), _as_stack(now)
    if min(n, int(before.n), int(after.n)) == 0:
        return reference
    moved = reference.counts + n * (after.counts / int(after.n) - before.counts / int(before.n))
    if reference.layout.kind not in SUMMED:
        moved = np.maximum(0.0, moved)
        moved *= n / moved.sum()
    mean = float(reference.mean + after.mean - before.mean)
    variance = max(0.0, float(reference.variance + after.variance - before.variance))
    return replace(
        reference,
        counts=_whole(moved),
        total=np.asarray(n * mean),
        squares=np.asarray(n * (variance + (mean - reference.layout.origin) ** 2)),
    )


def _whole(shares: np.ndarray) -> np.ndarray:
    """Round cumulative sums, so that the total is preserved."""
    return np.diff(np.rint(np.cumsum(shares)).astype(np.int64), prepend=0)


def _as_stack(side: Counted) -> Stack:
    return Stack.of([side], side.layout).sum() if isinstance(side, Profile) else side
