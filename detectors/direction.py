"""Direction of a change: improvement, deterioration, or neither."""

from __future__ import annotations

from typing import Literal

import numpy as np

from detectors.base import Direction, Values
from detectors.drift.bins import middle_ranks
from detectors.profile import Profile
from detectors.stack import Counted

Preference = Literal["lower", "higher", "neutral"]
"""Direction of an improvement; ``neutral`` if neither direction is good or bad by itself."""
TIMES_AND_COSTS = ("latency", "time_to_first_token", "time_per_output_token", "queue_time", "cost")
JUDGED_ELSEWHERE = ("input_tokens", "output_tokens", "status", "error_type", "finish_reason")
"""Only their signals have a better side: `price`, `failed`, `rate_limited`, `timed_out`, `truncation`."""
OUTPUTS = (
    *("prediction", "score", "response", "samples", "logprobs", "finish_reason", "feedback"),
    *(*TIMES_AND_COSTS, "output_tokens", "status", "error_type"),
)
"""Roles of logged columns that a model or its service produces; every other logged column is an input."""
ROLES: dict[str, Preference] = {
    **dict.fromkeys(TIMES_AND_COSTS, "lower"),
    **dict.fromkeys(JUDGED_ELSEWHERE, "neutral"),
}
"""Direction of an improvement of a logged column, by its role."""


def has_improved(better: Preference | None, baseline: Counted, window: Counted) -> np.ndarray:
    """Return whether a numeric column moved in the better direction, by its mean and by its ranks, for each window.

    A column of which only the bulk or only the tail improved did not.

    Parameters
    ----------
    better
        Direction of an improvement; the result is false if it is unknown or neutral.
    baseline, window
        Counts over one layout.

    Returns
    -------
    numpy.ndarray
        bool, of the shape of ``window.n``.
    """
    n = np.asarray(window.n)
    if better not in ("lower", "higher") or baseline.layout.kind != "numeric" or not baseline.n or not np.any(n):
        return np.zeros(n.shape, dtype=bool)
    ranks, _ = middle_ranks(baseline)
    with np.errstate(invalid="ignore", divide="ignore"):
        rank = window.counts @ ranks / n - 0.5
    return is_improvement(better, window.mean - baseline.mean, rank)


def is_improvement(better: Preference | None, *moves: Values) -> np.ndarray:
    """Return whether at least one movement is for the better and none is for the worse.

    Parameters
    ----------
    moves
        Positive for a rise; NaN is no improvement.

    Examples
    --------
    >>> bool(is_improvement("lower", -0.2, 0.0)), bool(is_improvement("lower", -0.2, 0.1))
    (True, False)
    """
    signed = np.stack([np.asarray(move if better == "higher" else -move, dtype=np.float64) for move in moves])
    has_direction = better in ("lower", "higher")
    return np.asarray(has_direction & (signed >= 0).all(axis=0) & (signed > 0).any(axis=0))


def infer_direction(better: Preference | None, improved: bool | np.ndarray) -> Direction:
    """Return the direction of a change; any change of a column whose better side is unknown is ``worse``.

    Examples
    --------
    >>> infer_direction("lower", True), infer_direction("lower", False), infer_direction(None, False)
    ('better', 'worse', 'worse')
    >>> infer_direction("neutral", False)
    'neutral'
    """
    if better == "neutral":
        return "neutral"
    return "better" if improved else "worse"


def change_direction(better: Preference | None, baseline: Profile, window: Profile) -> Direction:
    """Return the direction of the change of a column from a baseline to a window.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> x = np.random.default_rng(0).normal(size=1000)
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> old, new = (Profile.of(Column.floats(values), layout) for values in (x, x - 1))
    >>> [change_direction(better, old, new) for better in ("lower", "higher", "neutral", None)]
    ['better', 'worse', 'neutral', 'worse']
    """
    return infer_direction(better, has_improved(better, baseline, window))
