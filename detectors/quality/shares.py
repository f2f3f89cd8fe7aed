"""A rise of a share, the measure behind `missing`, `mistyped`, `range` and `unseen`."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Measurement, Values


def rise(hits_baseline: Values, n_baseline: Values, hits_window: Values, n_window: Values) -> Measurement:
    """Return the rise of a share in points (0 to 1; negative for a fall).

    The noise floor is that of a difference of two proportions under the pooled share, with one hit added on
    either side (Agresti and Caffo, American Statistician 54, 2000), so that it is never 0.

    Examples
    --------
    >>> round(rise(10, 1000, 60, 1000).statistic, 3)
    0.05
    """
    pooled = (hits_baseline + hits_window + 2) / (n_baseline + n_window + 4)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n_baseline + 1 / n_window))
    share, was = hits_window / n_window, hits_baseline / n_baseline
    return Measurement(
        share - was,
        -special.ndtri(NULL_TAIL) * spread,
        detail={"share": share, "baseline_share": was},
    )
