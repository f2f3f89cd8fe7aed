"""Contribution of values, and of pairs of columns, to a difference.

Values are described by the change of their share of the rows, and by their part of the statistic if it is a sum over
values. :mod:`detectors.segment_attribution` does the same for segments.

References
----------
Kullback, *Information Theory and Statistics*, 1959, chapter 2: a divergence is a sum over a partition; Kantorovich,
Rubinstein, *On a space of completely additive functions*, 1958: a Wasserstein distance is the change of one mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from detectors.base import Detector
from detectors.binning import Binning
from detectors.drift.bins import shares, variance_factor
from detectors.joint import pair_count, product_pairs
from detectors.profile import SCALE, Profile

MOST_RANGES = 5
LEAST_POINTS = 1.0
"""Smallest gain or loss of a separate range, in points."""
LEAST_SHARE = 0.1
"""Smallest gain or loss of a separate range, as a share of the total gain."""


PartKind = Literal["range", "value", "category", "other", "rest"]
FLAGS = ({"0", "1"}, {"0.0", "1.0"}, {"false", "true"}, {"False", "True"}, {"no", "yes"})
"""Values of flags, which are described by the rate of 1."""


@dataclass(frozen=True)
class ValueGroup:
    """Group of values of a column, and its contribution to a difference.

    Parameters
    ----------
    kind
        ``range`` of numbers, ``value`` for a single number, ``category``, ``other`` (a predefined name, such as
        *new categories*), or ``rest``.
    share, baseline_share
        Of the window's and of the baseline's rows, 0 to 1.
    part
        Of the statistic or its square, a term of :class:`~detectors.base.Cells`; None if it is not a sum over values.
    """

    value: str
    kind: PartKind
    share: float
    baseline_share: float
    part: float | None = None

    @property
    def points(self) -> float:
        """Return the gain in percentage points."""
        return 100 * (self.share - self.baseline_share)


def contributing_values(detector: Detector, baseline: Profile, window: Profile) -> tuple[ValueGroup, ...]:
    """Return the values that gained and lost, ordered by their part of the statistic.

    Numeric bins are joined to ranges: the run of neighbours with the largest gain or loss, then the next one among the
    remaining bins, up to five; the rest is one group. The shares of the groups, and their parts of the statistic if the
    detector has ``cells``, sum to the total. PSI, Jensen-Shannon, Hellinger and chi-square are sums over their own
    groups; distances of means and of distribution functions are ``sum((q - p) f)`` with a fixed function ``f`` of the
    value, which determines the part of each value. For other detectors only shares are returned.

    Limits
    ------
    The edges of a range are bin edges. Mass lost by one range is gained by another: a loss does not imply that those
    values changed.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import DETECTORS
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> old = rng.exponential(300.0, 20000)
    >>> new = np.concatenate([rng.exponential(300.0, 7500), rng.uniform(900.0, 1400.0, 2500)])
    >>> layout = learn_numeric(old, old.min(), old.max())
    >>> sides = Profile.of(Column.floats(old), layout), Profile.of(Column.floats(new), layout)
    >>> first = contributing_values(DETECTORS["kolmogorov_smirnov"], *sides)[0]
    >>> first.value, round(first.points)
    ('870 to 1,430', 24)
    """
    if detector.unusable:
        return _unusable(detector, baseline, window)
    if not baseline.n or not window.n:
        return ()
    layout = baseline.layout
    starts, terms = detector.cells(baseline, window) if detector.cells else (np.arange(layout.bins), None)
    old, new = (np.add.reduceat(side.counts, starts) for side in (baseline, window))
    p, q = shares(old), shares(new)
    runs = _runs(q - p) if layout.kind == "numeric" else [slice(at, at + 1) for at in np.flatnonzero(old + new)]
    flag = is_flag(baseline) and is_flag(window)
    parts = [
        ValueGroup(
            *name_values(layout, starts, _trim_empty(old + new, run), flag=flag),
            float(q[run].sum()),
            float(p[run].sum()),
            None if terms is None else float(terms[run].sum()),
        )
        for run in runs
    ]
    rest = np.ones(len(p), dtype=bool)
    for run in runs:
        rest[run] = False
    if rest.any() and (p[rest].any() or q[rest].any()):
        left = None if terms is None else float(terms[rest].sum())
        parts.append(ValueGroup("other values", "rest", float(q[rest].sum()), float(p[rest].sum()), left))
    return _sort_parts(parts)


def contributing_shift(baseline: Profile, window: Profile, *, up: bool, most: float = 1.0) -> ValueGroup | None:
    """Return the share of rows above a limit, for a shift of a whole numeric distribution.

    Values above the limit gained rows if numbers rose, and lost rows if they fell. The limit is the one with the
    largest such difference, so that the description agrees with the direction of the shift.

    Parameters
    ----------
    baseline, window
        Of a numeric column.
    up
        Direction of the shift.
    most
        Largest share of the baseline above the limit, for statistics of the upper tail.

    Returns
    -------
    ValueGroup or None
        None if no limit separates the samples in that direction.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> layout = learn_numeric(np.array([0.0, 1.0] * 50), 0.0, 1.0)
    >>> old, new = (Profile.of(Column.floats(np.repeat([0.0, 1.0], n)), layout) for n in ((95, 5), (98, 2)))
    >>> part = contributing_shift(old, new, up=False)
    >>> part.value, part.baseline_share, part.share
    ('1', 0.05, 0.02)
    >>> contributing_shift(old, new, up=True) is None
    True
    """
    if not baseline.n or not window.n:
        return None
    p, q = shares(baseline.counts), shares(window.counts)
    above = [np.append(np.cumsum(side[::-1])[::-1], 0.0) for side in (p, q)]
    gain = np.where(above[0] <= most, (above[1] - above[0]) * (1 if up else -1), 0.0)
    first = int(gain.argmax())
    if not gain[first] > 0:
        return None
    flag = is_flag(baseline) and is_flag(window)
    run = _trim_empty(baseline.counts + window.counts, slice(first, baseline.layout.bins))
    top = run if run.stop - run.start == 1 else slice(run.start, baseline.layout.bins)
    value, kind = name_values(baseline.layout, np.arange(baseline.layout.bins), top, flag=flag)
    return ValueGroup(value, kind, float(above[1][first]), float(above[0][first]))


def put_flags_first(parts: Sequence[ValueGroup]) -> Sequence[ValueGroup]:
    """Move the rate of 1 of a flag to the front, whether it rose or fell.

    Examples
    --------
    >>> no, yes = ValueGroup("0", "value", 0.98, 0.95), ValueGroup("1", "value", 0.02, 0.05)
    >>> [part.value for part in put_flags_first([no, yes])]
    ['1', '0']
    """
    if any({part.value for part in parts} == flag for flag in FLAGS):
        return sorted(parts, key=lambda part: part.value, reverse=True)
    return parts


def _sort_parts(parts: Sequence[ValueGroup]) -> tuple[ValueGroup, ...]:
    """Sort by size of the contribution; of equal ones, gains come first."""
    total = sum(part.part or 0.0 for part in parts) or 1.0

    def weight(part: ValueGroup) -> tuple[bool, float, float]:
        carried = round(abs(part.points), 6) if part.part is None else round(part.part / total, 2)
        return part.kind == "rest", -carried, -part.points

    return tuple(sorted(parts, key=weight))


def _unusable(detector: Detector, baseline: Profile, window: Profile) -> tuple[ValueGroup, ...]:
    """Return the share of each kind of rows without a usable value."""
    if not baseline.rows or not window.rows:
        return ()
    parts = []
    for counts, name in detector.unusable:
        new, old = (getattr(side, counts) / side.rows for side in (window, baseline))
        parts.append(ValueGroup(name, "other", new, old, new - old))
    return _sort_parts(parts)


def _runs(gain: np.ndarray) -> list[slice]:
    """Return the runs of neighbours with the largest gains or losses, the largest first, without overlap."""
    least = max(LEAST_POINTS / 100, LEAST_SHARE * float(np.maximum(gain, 0.0).sum()))
    pieces, runs = [slice(0, len(gain))], list[slice]()
    while pieces and len(runs) < MOST_RANGES:
        best = max((_heaviest(gain, piece) for piece in pieces), key=lambda run: abs(gain[run].sum()))
        if abs(gain[best].sum()) < least:
            break
        runs.append(best)
        piece = next(piece for piece in pieces if piece.start <= best.start and best.stop <= piece.stop)
        pieces.remove(piece)
        left, right = slice(piece.start, best.start), slice(best.stop, piece.stop)
        pieces += [part for part in (left, right) if part.start < part.stop]
    return runs


def _heaviest(gain: np.ndarray, piece: slice) -> slice:
    """Return the run with the largest absolute sum (Kadane)."""
    sums = np.append(0.0, np.cumsum(gain[piece]))
    runs = []
    for signed in (sums, -sums):
        rise = signed - np.minimum.accumulate(signed)
        stop = int(rise.argmax())
        runs.append((float(rise[stop]), int(signed[: stop + 1].argmin()), stop))
    _, start, stop = max(runs)
    return slice(piece.start + start, piece.start + max(stop, start + 1))


def _trim_empty(counts: np.ndarray, run: slice) -> slice:
    """Remove the empty cells at both ends."""
    occupied = np.flatnonzero(counts[run])
    return run if not len(occupied) else slice(run.start + int(occupied[0]), run.start + int(occupied[-1]) + 1)


def is_flag(side: Profile) -> bool:
    """Return whether a numeric column contains only 0 and 1: the sum equals the number of values other than 0."""
    if side.layout.kind != "numeric":
        return False
    zero = int(np.searchsorted(side.layout.edges, 0.0, side="right"))
    inside = not side.n or (side.minimum >= 0 and side.maximum <= 1)
    return bool(inside and float(side.total) == side.n - side.counts[zero])


def name_values(layout: Binning, starts: np.ndarray, run: slice, *, flag: bool = False) -> tuple[str, PartKind]:
    """Return the name of a run of groups of bins, and what kind of values it is.

    Parameters
    ----------
    starts
        Index of the first bin of each group.
    run
        The groups.
    flag
        Whether the column contains only 0 and 1.
    """
    if layout.kind == "categorical":
        if run.start < len(layout.vocabulary):
            return layout.vocabulary[run.start], "category"
        return "new categories" if layout.complete else "other categories", "other"
    first, last = int(starts[run.start]), int(np.append(starts, layout.bins)[run.stop]) - 1
    low = layout.edges[first - 1] if first > 0 else -np.inf
    high = layout.edges[last] if last < len(layout.edges) else np.inf
    if flag and low > 0:
        return "1", "value"
    kind: PartKind = "value" if np.nextafter(low, np.inf) >= high else "range"
    after_mass = first > 1 and np.nextafter(layout.edges[first - 2], np.inf) >= low
    return between(float(low), float(high), after_mass=bool(after_mass)), kind


def between(low: float, high: float, *, after_mass: bool = False) -> str:
    """Format a range of numbers, rounded to about a twentieth of its length.

    Parameters
    ----------
    low, high
        The range is half-open: ``high`` is excluded.
    after_mass
        Whether the range starts directly above a point mass, which is excluded too.

    Examples
    --------
    >>> between(902.3, 1397.1), between(0.0, float(np.nextafter(0, 1))), between(1400.0, np.inf), between(-np.inf, 2.5)
    ('900 to 1,400', '0', 'above 1,400', 'below 2.5')
    >>> between(float(np.nextafter(0, 1)), 40.0, after_mass=True), between(float(np.nextafter(0, 1)), np.inf)
    ('above 0 up to 40', 'above 0')
    """
    if np.nextafter(low, np.inf) >= high:
        return f"{low + 0.0:,.4g}"
    low, high = (0.0 if abs(end) < np.finfo(np.float64).tiny else end for end in (low, high))
    if np.isinf(low) and np.isinf(high):
        return "of any size"
    if np.isinf(low) or np.isinf(high):
        return f"below {high:,.4g}" if np.isinf(low) else f"above {low:,.4g}"
    exponent = int(np.floor(np.log10(max(high / 20 - low / 20, np.finfo(np.float64).tiny))))
    if not -6 <= exponent <= 9:
        ends = [f"{low:.3g}", f"{high:.3g}"]
    else:
        ends = [f"{round(end, -exponent) + 0.0:,.{max(0, -exponent)}f}" if end else "0" for end in (low, high)]
    return f"above {ends[0]} up to {ends[1]}" if after_mass else " to ".join(ends)


@dataclass(frozen=True)
class ColumnPair:
    """Two numeric columns with their normal-score correlations in the baseline and in the window."""

    columns: tuple[str, str]
    before: float
    now: float
    times_noise: float


def contributing_pairs(baseline: Profile, window: Profile) -> tuple[ColumnPair, ...]:
    """Return the pairs of columns whose correlation changed, the largest change in standard errors first.

    Limits
    ------
    Correlations only: other dependences that `mmd` detects are not described. Only pairs beyond three standard errors.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.joint import JOINT, learn_joint, project
    >>> from detectors.binning import learn_numeric
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 5000))
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> layouts = {"x": layout, "y": layout}
    >>> layouts[JOINT] = learn_joint(layouts)
    >>> pages = ({"x": Column.floats(x), "y": Column.floats(z)} for z in (y, 0.8 * x + 0.6 * y))
    >>> old, new = (Profile.of(project(page, layouts), layouts[JOINT]) for page in pages)
    >>> [(pair.columns, round(pair.before, 1), round(pair.now, 1)) for pair in contributing_pairs(old, new)]
    [(('x', 'y'), 0.0, 0.7)]
    """
    pairs = pair_count(baseline.layout.paired)
    if not pairs or not baseline.n or not window.n:
        return ()
    before, now = (np.asarray(side.counts[1 : 1 + pairs] / SCALE / side.n) for side in (baseline, window))
    squares = np.asarray(baseline.counts[1 + pairs : 1 + 2 * pairs]) / SCALE / baseline.n
    sway = np.sqrt(np.maximum(0.0, squares - before**2) * variance_factor(baseline, window))
    times = np.abs(now - before) / np.maximum(sway, np.finfo(np.float64).tiny)
    names = product_pairs(baseline.layout)
    order = np.argsort(-times, kind="stable")
    return tuple(
        ColumnPair(names[at], float(before[at]), float(now[at]), float(times[at])) for at in order if times[at] > 3
    )
