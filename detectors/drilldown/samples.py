"""Two samples of rows side by side: what every drill-down asks of them before it begins."""

from __future__ import annotations

import numpy as np

FEWEST_ROWS = 50
"""Below this many rows on a side nothing is fitted."""


def two_sides(baseline: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both samples as float64 with every value that is not finite as NaN, or say why they cannot be compared.

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
        raise ValueError(f"two samples of the same columns are needed, shape (rows, columns); these are {shapes}.")
    if min(len(side) for side in sides) < FEWEST_ROWS:
        sizes = " and ".join(str(len(side)) for side in sides)
        raise ValueError(f"at least {FEWEST_ROWS} rows are needed on both sides, and there are {sizes}.")
    for side in sides:
        side[~np.isfinite(side)] = np.nan
    return sides[0], sides[1]
