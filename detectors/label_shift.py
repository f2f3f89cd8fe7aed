"""Label shift: the classes became more or less frequent, and the scores within each class are the same as before.

Then the distribution of the scores, and metrics that depend on the class balance, change although neither the model nor
its inputs within a class did. Which part of the change of the scores the labels explain follows from the scores of the
baseline by class, weighted by the class balance of the window (the mixture of Saerens et al. 2002 and Lipton et al.
2018, with known labels in place of estimated ones).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.binning import Binning

LEAST_MOVE = 4.0
"""Standard errors by which the class balance must have moved."""
GROUPS = 20
NOISE_TAIL = 1e-3
"""Upper tail of the noise of a difference between scores, below which they are equal."""


def count_classes(counts: np.ndarray, layout: Binning) -> np.ndarray:
    """Return the labelled rows by score cell and class, shape (cells, 2): negative, positive.

    Parameters
    ----------
    counts
        Counts of a profile with a layout of :func:`detectors.outcome.learn_scores`.
    """
    cells = len(layout.edges) + 1
    return np.asarray(counts[: 2 * cells], dtype=np.float64).reshape(2, cells).T


def explain_by_labels(baseline: np.ndarray, window: np.ndarray) -> float:
    """Return the part of a change of scores that a change of the class balance explains, from 0 to 1.

    It is 0 if the class balance has not moved by more than noise, or if a class is missing from the baseline.

    Parameters
    ----------
    baseline, window
        Labelled rows by score cell and class, shape (cells, 2), from :func:`count_classes`.

    Examples
    --------
    >>> scores = np.array([[60.0, 5.0], [30.0, 15.0], [10.0, 80.0]]) * 10
    >>> more_positive = scores * [0.5, 2.0]
    >>> worse_model = np.array([[20.0, 40.0], [30.0, 30.0], [50.0, 30.0]]) * 10
    >>> explain_by_labels(scores, more_positive), explain_by_labels(scores, worse_model)
    (1.0, 0.0)
    """
    old, new = baseline.sum(axis=0), window.sum(axis=0)
    if not (old > 0).all() or not new.sum():
        return 0.0
    balance = [float(side[1] / side.sum()) for side in (old, new)]
    pooled = float((old[1] + new[1]) / (old.sum() + new.sum()))
    error = np.sqrt(pooled * (1 - pooled) * (1 / old.sum() + 1 / new.sum()))
    if not error or abs(balance[1] - balance[0]) < LEAST_MOVE * error:
        return 0.0
    baseline, window = (_join_cells(side, baseline + window) for side in (baseline, window))
    before, now = baseline.sum(axis=1) / old.sum(), window.sum(axis=1) / new.sum()
    expected = (baseline / old) @ (new / new.sum())
    moved, left = _distance(before, now, old.sum(), new.sum()), _distance(expected, now, old.sum(), new.sum())
    return float(np.clip(1 - left / moved, 0, 1)) if moved > 0 else 0.0


def _join_cells(counts: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Join neighbouring cells into at most :data:`GROUPS` groups with about as many rows each."""
    rows = both.sum(axis=1)
    group = np.minimum(GROUPS - 1, (np.cumsum(rows) - rows / 2) * GROUPS // rows.sum()).astype(int)
    joined = np.zeros((GROUPS, 2))
    np.add.at(joined, group, counts)
    return joined


def _distance(one: np.ndarray, other: np.ndarray, rows: float, others: float) -> float:
    """Return the chi-square distance of two distributions; 0 if it is not larger than noise."""
    both = (one * rows + other * others) / (rows + others)
    used = both > 0
    chi = float((((one - other) ** 2)[used] / both[used]).sum()) / (1 / rows + 1 / others)
    return chi if chi > special.chdtri(max(1, used.sum() - 1), NOISE_TAIL) else 0.0
