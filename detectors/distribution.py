"""Compare the distribution of a column in two samples, value by value, for people to look at."""

from __future__ import annotations

import numpy as np

from detectors.binning import COUNTED
from detectors.contribution import ValueGroup, is_flag, name_values
from detectors.drift.bins import group_starts
from detectors.profile import Profile

MISSING = "no usable value"


def compare_distributions(baseline: Profile, window: Profile, groups: int = 10) -> list[ValueGroup]:
    """Return the share of each group of values in both samples.

    Numeric bins are joined to groups with about equal shares of the baseline, in the order of the values; point masses
    stay apart. Of a categorical column, the most frequent categories are groups of their own, and the rest is one.

    Parameters
    ----------
    baseline, window
        Profiles of one layout, numeric or categorical.
    groups
        Approximate number of groups.

    Returns
    -------
    list of ValueGroup
        The shares add up to 1 on both sides. Empty if either side has no rows, or for another kind of column.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(1)
    >>> old, new = rng.normal(size=4000), rng.normal(1, size=1000)
    >>> layout = learn_numeric(old, old.min(), old.max())
    >>> both = [Profile.of(Column.floats(side), layout) for side in (old, new)]
    >>> groups = compare_distributions(*both, groups=4)
    >>> [(one.value, round(one.baseline_share, 2), round(one.share, 2)) for one in groups[:3]]
    [('below -0.6832', 0.25, 0.04), ('-0.68 to -0.01', 0.25, 0.11), ('-0.01 to 0.67', 0.25, 0.23)]
    """
    if window.layout.kind not in COUNTED or not baseline.rows or not window.rows:
        return []
    joined = _join_numbers if window.layout.kind == "numeric" else _join_categories
    parts = [
        (name, now / window.rows, before / baseline.rows) for name, before, now in joined(baseline, window, groups)
    ]
    empty = [side.rows - side.n for side in (baseline, window)]
    if any(empty):
        parts.append((MISSING, empty[1] / window.rows, empty[0] / baseline.rows))
    return [ValueGroup(name, "value", float(now), float(before)) for name, now, before in parts if now or before]


def _join_numbers(baseline: Profile, window: Profile, groups: int) -> list[tuple[str, float, float]]:
    starts = group_starts(baseline.counts, groups)
    flag = is_flag(baseline) and is_flag(window)
    old, new = (np.add.reduceat(side.counts, starts) for side in (baseline, window))
    names = [
        name_values(baseline.layout, starts, slice(place, place + 1), flag=flag)[0] for place in range(len(starts))
    ]
    return list(zip(names, old.tolist(), new.tolist(), strict=True))


def _join_categories(baseline: Profile, window: Profile, groups: int) -> list[tuple[str, float, float]]:
    old, new = baseline.counts, window.counts
    words = range(len(baseline.layout.vocabulary))
    first = sorted(words, key=lambda place: (-max(old[place] / baseline.rows, new[place] / window.rows), place))[
        :groups
    ]
    parts = [(baseline.layout.vocabulary[place], float(old[place]), float(new[place])) for place in first]
    rest = [place for place in words if place not in first]
    if rest:
        parts.append((f"{len(rest)} other categories", float(old[rest].sum()), float(new[rest].sum())))
    unseen = "new categories" if baseline.layout.complete else "rare categories"
    return [*parts, (unseen, float(old[-1]), float(new[-1]))]
