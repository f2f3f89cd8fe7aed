"""Explanation of a finding: the values or pairs of columns that contribute to the difference.

The fields of a detector determine the method: ``cells`` if the statistic is a sum over values; ``unusable`` names of
counted rows without a usable value; ``follows`` if it shows the direction of a numeric change, which then restricts the
values to that direction; ``explained_by`` another method, for sequential and external statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from detectors import DETECTORS
from detectors.base import Detector
from detectors.binning import COUNTED, Kind
from detectors.contribution import (
    ColumnPair,
    ValueGroup,
    contributing_pairs,
    contributing_shift,
    contributing_values,
    put_flags_first,
)
from detectors.drift.bins import middle_ranks
from detectors.profile import Profile

LEAST_POINTS = 1.0
"""Values with a smaller gain or loss, in points, are named only if it is significant."""
FEWEST_ROWS = 10
"""Fewest rows of a named value, in the window or expected there."""
DEVIATIONS = 4.0
"""Standard errors from which on a small gain or loss is significant."""


@dataclass(frozen=True)
class Explanation:
    """Contributions to a difference.

    Parameters
    ----------
    values
        Values of a counted column, the largest contribution first.
    pairs
        Pairs of columns whose correlation changed, for the joint column.
    main
        Values to name: those with the largest significant gain or loss, in the direction of the statistic.
    """

    values: tuple[ValueGroup, ...] = ()
    pairs: tuple[ColumnPair, ...] = ()
    main: ValueGroup | None = None


def explaining_detector(detector: Detector, kind: Kind) -> Detector:
    """Return the detector that explains findings of a kind of column: itself, or the first usable ``explained_by``."""
    others = (DETECTORS[name] for name in detector.explained_by)
    return next((other for other in others if kind in other.kinds), detector)


def explain_difference(
    detector: Detector, baseline: Profile, window: Profile, detail: Mapping[str, object]
) -> Explanation:
    """Return the contributions to a difference.

    Parameters
    ----------
    detail
        Of the finding.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import Column, learn_numeric
    >>> rng = np.random.default_rng(0)
    >>> old, new = rng.normal(size=9000), rng.normal(1.0, size=3000)
    >>> layout = learn_numeric(old, old.min(), old.max())
    >>> sides = [Profile.of(Column.floats(values), layout) for values in (old, new)]
    >>> main = explain_difference(DETECTORS["kolmogorov_smirnov"], *sides, {}).main
    >>> main.points > 30
    True
    """
    layout = baseline.layout
    explaining = explaining_detector(detector, layout.kind)
    values = contributing_values(explaining, baseline, window) if layout.kind in COUNTED else ()
    pairs = contributing_pairs(baseline, window) if layout.paired else ()
    named = put_flags_first([group for group in values if group.kind != "rest"])
    if layout.kind == "numeric" and not explaining.unusable and (not named or explaining.follows):
        most = 1 - float(str(detail.get("quantile", 0.0)))
        shift = contributing_shift(baseline, window, up=_went_up(detector, detail, baseline, window), most=most)
        named = [] if shift is None else [shift]
    main = next((group for group in named if _is_worth_naming(group, baseline, window)), None)
    return Explanation(values, pairs, main)


def _went_up(detector: Detector, detail: Mapping[str, object], baseline: Profile, window: Profile) -> bool:
    """Return whether the numbers of a column rose, by the statistic that drifted, or else by their ranks."""
    if detector.follows == "up":
        return True
    if {"up", "down"} <= set(detail):
        return float(str(detail["up"])) >= float(str(detail["down"]))
    ranks, _ = middle_ranks(baseline)
    return bool(window.counts @ ranks / max(1, window.n) >= baseline.counts @ ranks / max(1, baseline.n))


def _is_worth_naming(group: ValueGroup, baseline: Profile, window: Profile) -> bool:
    """Return whether the gain or loss of a value is a point of the rows or more, or significant."""
    before, now = max(1, baseline.rows), max(1, window.rows)
    if now * max(group.share, group.baseline_share) < FEWEST_ROWS:
        return False
    pooled = (group.share * now + group.baseline_share * before) / (now + before)
    chance = (pooled * (1 - pooled) * (1 / now + 1 / before)) ** 0.5
    return abs(group.points) >= LEAST_POINTS or abs(group.points) > 100 * DEVIATIONS * chance
