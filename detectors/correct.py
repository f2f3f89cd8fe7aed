"""Multiple testing: false discovery rates of the findings of one bucket."""

from __future__ import annotations

import numpy as np


def false_discovery(p_values: np.ndarray) -> np.ndarray:
    """Return q-values: for each test, the smallest false discovery rate at which it is rejected (Benjamini-Hochberg).

    Parameters
    ----------
    p_values
        float64, shape (n,); NaN where nothing was tested, which is returned as NaN and not counted.

    Limits
    ------
    Valid for independent and for positively dependent tests, such as those of the columns of one window.

    References
    ----------
    Benjamini, Hochberg, *Controlling the false discovery rate*, Journal of the Royal Statistical Society B 57,
    1995; Benjamini, Yekutieli, Annals of Statistics 29, 2001.

    Examples
    --------
    >>> false_discovery(np.array([0.01, 0.02, 0.9, np.nan])).round(3).tolist()
    [0.03, 0.03, 0.9, nan]
    """
    q_values = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested])]
    scaled = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    q_values[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return q_values
