"""Validation of the two samples of rows of a drill-down."""

from __future__ import annotations

import numpy as np

FEWEST_ROWS = 50
"""Fewest rows of either sample."""


def two_sides(baseline: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both samples as float64, with NaN for values that are not finite; raise ValueError if not comparable.

    Parameters
    ----------
    baseline, window
        Shapes (rows, columns) and (other rows, columns), at least 50 rows each.

    Examples
    --------
    >>> old, new = two_sides(np.ones((60, 2)), np.full((50, 2), np.inf))
    >>> bool(np.isnan(new).all()), old.shape
    (True, (60, 2))
    """
    sides = [np.array(side, dtype=np.float64) for side in (baseline, window)]
    if any(side.ndim != 2 for side in sides) or sides[0].shape[1] != sides[1].shape[1] or not sides[0].shape[1]:
        shapes = " and ".join(str(side.shape) for side in sides)
        raise ValueError(f"the samples need the same columns, shape (rows, columns); their shapes are {shapes}.")
    if min(len(side) for side in sides) < FEWEST_ROWS:
        sizes = " and ".join(str(len(side)) for side in sides)
        raise ValueError(f"at least {FEWEST_ROWS} rows are required in both samples, which have {sizes}.")
    for side in sides:
        side[~np.isfinite(side)] = np.nan
    return sides[0], sides[1]
