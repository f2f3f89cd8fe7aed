"""Tell whether rows are again as those of a baseline, or still as those of a bad stretch of time."""

from __future__ import annotations

import math

import numpy as np

from detectors.split_attribution import measure_score


def measure_recovery(
    baseline: np.ndarray, bad: np.ndarray, after: np.ndarray, *, ordered: bool, noise_factor: float = 1.0
) -> float:
    """Return by how many standard errors the rows after are nearer to the baseline than to the bad rows.

    Rows are scored by the clearest way in which the bad ones depart from the baseline. The mean score of those after is
    compared with the value half-way between both, whose own error counts as well. So a cure of half the change is zero,
    and rows that are as bad as before are negative. Zero also if the bad rows do not depart.

    Parameters
    ----------
    baseline, bad, after
        Counts, shape (bins + 1,); the last bin are rows without a usable value.
    ordered
        Whether the bins are those of a number.
    noise_factor
        Ratio of the noise to that of independent rows.

    Examples
    --------
    2 % of the requests failed before, 40 % did for a minute, and now 2 % of 60 do.

    >>> good, bad = np.array([980.0, 20.0, 0.0]), np.array([36.0, 24.0, 0.0])
    >>> round(measure_recovery(good, bad, np.array([59.0, 1.0, 0.0]), ordered=False), 1)
    3.4
    >>> round(measure_recovery(good, bad, bad, ordered=False), 1)
    -3.4
    """
    score = measure_score(baseline, bad, ordered=ordered)
    (good, of_good, n_good), (worse, of_worse, n_worse), (now, _, n_now) = (
        _measure(counts, score) for counts in (baseline, bad, after)
    )
    of_half = (of_good / n_good + of_worse / n_worse) / 4
    error = noise_factor * math.sqrt(of_half + (of_good + of_worse) / 2 / n_now)
    return ((good + worse) / 2 - now) / error if error > 0 else 0.0


def _measure(counts: np.ndarray, score: np.ndarray) -> tuple[float, float, float]:
    """Return mean and variance of the scores of rows, and their number."""
    rows = max(1.0, float(counts.sum()))
    mean = float(counts @ score) / rows
    return mean, max(0.0, float(counts @ score**2) / rows - mean**2), rows
