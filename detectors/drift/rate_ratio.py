"""Log rate ratio of a rare event."""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement, noise_from_p_value
from detectors.drift.bins import expected_counts
from detectors.drift.laws import at_least, at_most
from detectors.stack import Counted

FEWEST_HITS = 3.0
"""Smallest change in rows, whatever the ratio: a single row must not alert."""


def measure(baseline: Counted, window: Counted) -> Measurement:
    """Absolute logarithm of the ratio of the rates of the rarer of two events: the usual value, or any other value.

    The usual value is the most frequent one of the baseline; for text it is one of the vocabulary. For a flag that is
    almost always 0 the rate is that of 1. Half a row is added to both counts, so that an event without hits is rare,
    not impossible. The p-value is exact. ``hits`` and ``expected`` are rows of the window, ``from`` and ``to`` the
    rates.

    Limits
    ------
    Depends on how often the other values occur, not on which they are. A change of fewer than three rows is ignored.

    References
    ----------
    Agresti, *Categorical Data Analysis*, 3rd edition, 2013, sections 2.1 and 3.5.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> def flags(ones, rows):
    ...     return np.append(np.ones(ones), np.zeros(rows - ones))
    >>> layout = learn_numeric(flags(12, 12000), 0.0, 1.0)
    >>> old, new = (Profile.of(Column.floats(flags(*size)), layout) for size in ((12, 12000), (10, 2000)))
    >>> result = measure(old, new)
    >>> round(float(np.exp(result.statistic)), 1), result.detail["to"], result.statistic > result.noise
    (5.0, 0.005, True)
    """
    counts = expected_counts(baseline)
    place, n = _usual_value(baseline, counts), float(max(1, baseline.n))
    usual, now = float(counts[place]), np.asarray(window.counts[..., place], dtype=np.float64)
    size = np.maximum(1.0, np.asarray(window.n, dtype=np.float64))
    is_other = usual > n / 2
    before, hits = (n - usual, window.n - now) if is_other else (usual, now)
    expected = size * before / n
    change = np.log((hits + 0.5) / (size + 1)) - np.log((before + 0.5) / (n + 1))
    change = np.where(np.abs(hits - expected) < FEWEST_HITS, 0.0, change)
    both = 2 * np.minimum(at_least(hits, before + hits, size, n + size), at_most(hits, before + hits, size, n + size))
    p_value = np.where(change == 0, 1.0, np.minimum(1.0, both))
    spread = np.sqrt(1 / (expected + 0.5) + 1 / (before + 0.5))
    return Measurement(
        np.abs(change),
        noise_from_p_value(np.abs(change), p_value, -special.ndtri(NULL_TAIL / 2) * spread),
        p_value=p_value,
        detail={"hits": hits, "expected": expected, "from": before / n, "to": hits / size},
    )


def _usual_value(baseline: Counted, counts: np.ndarray) -> int:
    """Return the bin of the most frequent value, ``(other)`` excluded, whose count is an estimate."""
    values = counts[:-1] if baseline.layout.kind == "categorical" and baseline.layout.vocabulary else counts
    return int(np.argmax(values))


DETECTOR = Detector(
    name="rate_ratio",
    check="drift",
    measure=measure,
    kinds=frozenset({"numeric", "categorical"}),
    threshold=float(np.log(2.0)),
    floor=float(np.log(1.5)),
    unit="log ratio",
    title="change of a rate",
    citation="Agresti 2013",
)
