"""Multiple testing: what stands out when many things are looked at in one tick."""

from __future__ import annotations

import numpy as np


def false_discovery(p_values: np.ndarray) -> np.ndarray:
    """Return q-values: the least false discovery rate at which each would still be called a discovery.

    Parameters
    ----------
    p_values
        float64, shape (n,); NaN where nothing was tested, which stays NaN and is not counted.

    Limits
    ------
    Holds for independent tests and for such as rise together, which is what columns of one window do.

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
