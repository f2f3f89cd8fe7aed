"""Contribution: which values, and which pairs of columns, carry a difference.

A statistic says how much has changed; this says where. Values are told by what they gained or lost of the rows,
and by their part of the statistic where it is a sum over values. :mod:`detectors.carriers` does it for segments.

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
from scipy import special

from detectors.drift import chi_square, hellinger, jensen_shannon, psi
from detectors.drift.bins import group_starts, shares, smoothed_shares, variance_factor
from detectors.drift.mean import winsorised_values
from detectors.drift.rank import middle_ranks
from detectors.joint import pair_count, product_pairs
from detectors.layout import Layout
from detectors.profile import SCALE, Profile

GROUPS = {
    "psi": psi.GROUPS,
    "jensen_shannon": jensen_shannon.GROUPS,
    "chi_square": chi_square.GROUPS,
    "hellinger": hellinger.GROUPS,
}
"""Methods that join numeric bins to so many groups first."""
SQUARED = ("jensen_shannon", "chi_square", "hellinger")
"""Methods whose square is the sum over values."""
MOST_RANGES = 5
LEAST_POINTS = 1.0
"""A range that gained or lost less of the rows, in points, is not told apart from the rest."""
LEAST_SHARE = 0.1
"""The same, as a part of all that was gained."""


PartKind = Literal["range", "value", "category", "other", "rest"]
FLAGS = ({"0", "1"}, {"0.0", "1.0"}, {"false", "true"}, {"False", "True"}, {"no", "yes"})
"""Values of columns of which people say how often they are true."""


@dataclass(frozen=True)
class Part:
    """Some values of a column, and what they have to do with a difference.

    Parameters
    ----------
    kind
        ``range`` of numbers, ``value`` for a single number, ``category``, ``other`` (a name of ours, such as
        *new categories*), or ``rest``.
    share, baseline_share
        Of the window's and of the baseline's rows, 0 to 1.
    part
        Of the statistic (of its square for the methods in ``SQUARED``); None where it is no sum over values.
    """

    value: str
    kind: PartKind
    share: float
    baseline_share: float
    part: float | None = None

    @property
    def points(self) -> float:
        """Return what was gained, in percentage points."""
        return 100 * (self.share - self.baseline_share)


def contributing_values(method: str, baseline: Profile, window: Profile) -> tuple[Part, ...]:
    """Say which values gained and lost, those that carry most of the statistic first.

    Numeric bins are joined to ranges: the run of neighbours with the largest gain or loss, then the next one in
    what is left, up to five; the rest is one part. Shares of the parts, and their parts of the statistic, sum to
    the whole. Psi, Jensen-Shannon, Hellinger and chi-square are sums over their own groups; distances of means
    and of distribution functions are ``sum((q - p) f)`` with a fixed function ``f`` of the value, which gives each
    value its part. For other methods only shares are told.

    Limits
    ------
    The edges of a range are those of the bins. What left one range has arrived in another: a loss need not mean
    that anything happened to those values.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.layout import learn_numeric
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> old = rng.exponential(300.0, 20000)
    >>> new = np.concatenate([rng.exponential(300.0, 7500), rng.uniform(900.0, 1400.0, 2500)])
    >>> layout = learn_numeric(old, old.min(), old.max())
    >>> sides = Profile.of(Column.floats(old), layout), Profile.of(Column.floats(new), layout)
    >>> first = of_values("kolmogorov_smirnov", *sides)[0]
    >>> first.value, round(first.points)
    ('870 to 1,430', 24)
    """
    if method in ("missing", "mistyped"):
        return _unusable(method, baseline, window)
    if not baseline.n or not window.n:
        return ()
    starts = _cells(method, baseline)
    old, new = (np.add.reduceat(side.counts, starts) for side in (baseline, window))
    p, q, additive = shares(old), shares(new), _additive(method, baseline, window, old, new)
    layout = baseline.layout
    runs = _runs(q - p) if layout.kind == "numeric" else [slice(at, at + 1) for at in np.flatnonzero(old + new)]
    flag = _is_flag(baseline) and _is_flag(window)
    parts = [
        Part(
            *_name(layout, starts, _trim_empty(old + new, run), flag=flag),
            float(q[run].sum()),
            float(p[run].sum()),
            None if additive is None else float(additive[run].sum()),
        )
        for run in runs
    ]
    rest = np.ones(len(p), dtype=bool)
    for run in runs:
        rest[run] = False
    if rest.any() and (p[rest].any() or q[rest].any()):
        left = None if additive is None else float(additive[rest].sum())
        parts.append(Part("other values", "rest", float(q[rest].sum()), float(p[rest].sum()), left))
    return _sort_parts(parts)


def contributing_shift(baseline: Profile, window: Profile, *, up: bool, most: float = 1.0) -> Part | None:
    """Say which share of the rows lies higher, or lower, than in the baseline, where numbers shifted as a whole.

    The values above a limit gained rows where numbers went up, and lost rows where they went down. The limit is where
    that is most, so that what is said goes the way that the numbers went.

    Parameters
    ----------
    baseline, window
        Of a numeric column.
    up
        Which way the numbers went.
    most
        The largest share of the baseline that may lie above the limit, for statistics of the upper tail.

    Returns
    -------
    Part or None
        None where no limit separates the sides in that direction.

    Examples
    --------
    >>> from detectors.layout import learn_numeric
    >>> from detectors.records import Column
    >>> layout = learn_numeric(np.array([0.0, 1.0] * 50), 0.0, 1.0)
    >>> old, new = (Profile.of(Column.floats(np.repeat([0.0, 1.0], n)), layout) for n in ((95, 5), (98, 2)))
    >>> part = of_shift(old, new, up=False)
    >>> part.value, part.baseline_share, part.share
    ('1', 0.05, 0.02)
    >>> of_shift(old, new, up=True) is None
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
    flag = _is_flag(baseline) and _is_flag(window)
    run = _trim_empty(baseline.counts + window.counts, slice(first, baseline.layout.bins))
    top = run if run.stop - run.start == 1 else slice(run.start, baseline.layout.bins)
    value, kind = _name(baseline.layout, np.arange(baseline.layout.bins), top, flag=flag)
    return Part(value, kind, float(above[1][first]), float(above[0][first]))


def put_flags_first(parts: Sequence[Part]) -> Sequence[Part]:
    """Put first what people say of a flag: how often it is true, whether that rose or fell.

    Examples
    --------
    >>> no, yes = Part("0", "value", 0.98, 0.95), Part("1", "value", 0.02, 0.05)
    >>> [part.value for part in told_first([no, yes])]
    ['1', '0']
    """
    if any({part.value for part in parts} == flag for flag in FLAGS):
        return sorted(parts, key=lambda part: part.value, reverse=True)
    return parts


def whole(method: str, statistic: float) -> float:
    """Return what the parts of a statistic sum to."""
    return statistic**2 if method in SQUARED else statistic


def _sort_parts(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Put what carries most first; of two that carry the same, what was gained."""
    total = sum(part.part or 0.0 for part in parts) or 1.0

    def weight(part: Part) -> tuple[bool, float, float]:
        carried = round(abs(part.points), 6) if part.part is None else round(part.part / total, 2)
        return part.kind == "rest", -carried, -part.points

    return tuple(sorted(parts, key=weight))


def _unusable(method: str, baseline: Profile, window: Profile) -> tuple[Part, ...]:
    names = {"missing": "missing"} if method == "missing" else {"nonfinite": "not finite", "mistyped": "no number"}
    if not baseline.rows or not window.rows:
        return ()
    found = {name: (getattr(window, name) / window.rows, getattr(baseline, name) / baseline.rows) for name in names}
    return _sort_parts([Part(names[name], "other", new, old, new - old) for name, (new, old) in found.items()])


def _cells(method: str, baseline: Profile) -> np.ndarray:
    """Return the first bin of each cell over which a method sums."""
    bins = baseline.layout.bins
    if method == "range":
        return np.unique([0, min(1, bins - 1), bins - 1])
    if method in GROUPS and baseline.layout.kind == "numeric":
        return group_starts(baseline.counts, GROUPS[method])
    return np.arange(bins)


def _additive(method: str, baseline: Profile, window: Profile, old: np.ndarray, new: np.ndarray) -> np.ndarray | None:
    """Return each cell's part of the statistic, or of its square; None where there is no such sum."""
    p, q = shares(old), shares(new)
    if method == "psi":
        p, q = smoothed_shares(old, old + new > 0), smoothed_shares(new, old + new > 0)
        return np.asarray(special.rel_entr(q, p) + special.rel_entr(p, q))
    if method == "jensen_shannon":
        middle = (p + q) / 2
        return np.asarray((special.rel_entr(p, middle) + special.rel_entr(q, middle)) / 2 / np.log(2))
    if method == "hellinger":
        return np.asarray((np.sqrt(p) - np.sqrt(q)) ** 2 / 2)
    if method == "chi_square":
        pooled = shares(old + new)
        return np.asarray(np.divide((p - q) ** 2, pooled, where=pooled > 0, out=np.zeros_like(pooled)))
    weight = _weight(method, baseline, window)
    return None if weight is None else (q - p) * weight


def _weight(method: str, baseline: Profile, window: Profile) -> np.ndarray | None:
    """Return the function of the value whose mean moved by the statistic, one number a cell."""
    p, q = shares(baseline.counts), shares(window.counts)
    if method == "share":
        most = int(np.abs(q - p).argmax())
        return np.where(np.arange(len(p)) == most, np.copysign(100.0, q[most] - p[most]), 0.0)
    if method == "unseen":
        return np.append(np.zeros(len(p) - 1), 1.0)
    if method == "range":
        return np.where(np.isin(_cells(method, baseline), [0, len(p) - 1]), 1.0, 0.0)
    gap = np.cumsum(p - q)
    if method == "kolmogorov_smirnov":
        most = int(np.abs(gap).argmax())
        return np.asarray(np.where(np.arange(len(p)) <= most, -0.5, 0.5) * np.sign(gap[most]))
    if method == "wasserstein":
        return _potential(baseline.layout, gap[:-1], p)
    if method == "rank":
        height = middle_ranks(baseline)[0] - 0.5
    elif method == "mean":
        height = winsorised_values(baseline.layout)
        height = height - p @ height
        spread = np.sqrt(p @ height**2 * baseline.n / max(1, baseline.n - 1))
        height = height / (spread if spread > 0 else 1.0)
    else:
        return None
    return np.asarray(height * np.sign((q - p) @ height))


def _potential(layout: Layout, gap: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return Kantorovich's potential: its mean moves by the Wasserstein distance, and no other's by more."""
    edges = layout.edges / layout.scale
    inner = slice(1, -1) if len(edges) >= 4 else slice(None)
    widths = np.diff(edges[inner])
    lengths = np.zeros(len(edges))
    lengths[inner] = (np.append(widths, 0.0) + np.append(0.0, widths)) / 2
    below = np.append(np.cumsum((lengths * np.sign(gap))[::-1])[::-1], 0.0)
    return np.asarray(p @ below - below)


def _runs(gain: np.ndarray) -> list[slice]:
    """Return the runs of neighbours with the largest gains or losses, the largest first, none overlapping."""
    least = max(LEAST_POINTS / 100, LEAST_SHARE * float(np.maximum(gain, 0.0).sum()))
    pieces, found = [slice(0, len(gain))], list[slice]()
    while pieces and len(found) < MOST_RANGES:
        best = max((_heaviest(gain, piece) for piece in pieces), key=lambda run: abs(gain[run].sum()))
        if abs(gain[best].sum()) < least:
            break
        found.append(best)
        piece = next(piece for piece in pieces if piece.start <= best.start and best.stop <= piece.stop)
        pieces.remove(piece)
        left, right = slice(piece.start, best.start), slice(best.stop, piece.stop)
        pieces += [part for part in (left, right) if part.start < part.stop]
    return found


def _heaviest(gain: np.ndarray, piece: slice) -> slice:
    """Return the run with the largest sum, of either sign (Kadane)."""
    sums = np.append(0.0, np.cumsum(gain[piece]))
    found = []
    for signed in (sums, -sums):
        rise = signed - np.minimum.accumulate(signed)
        stop = int(rise.argmax())
        found.append((float(rise[stop]), int(signed[: stop + 1].argmin()), stop))
    _, start, stop = max(found)
    return slice(piece.start + start, piece.start + max(stop, start + 1))


def _trim_empty(counts: np.ndarray, run: slice) -> slice:
    """Leave out the empty cells at both ends."""
    held = np.flatnonzero(counts[run])
    return run if not len(held) else slice(run.start + int(held[0]), run.start + int(held[-1]) + 1)


def _is_flag(side: Profile) -> bool:
    """Say whether a numeric column held nothing but 0 and 1: what is not 0 sums to its own number."""
    if side.layout.kind != "numeric":
        return False
    zero = int(np.searchsorted(side.layout.edges, 0.0, side="right"))
    inside = not side.n or (side.minimum >= 0 and side.maximum <= 1)
    return bool(inside and float(side.total) == side.n - side.counts[zero])


def _name(layout: Layout, starts: np.ndarray, run: slice, *, flag: bool = False) -> tuple[str, PartKind]:
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
    """Name a range of numbers, rounded to about a twentieth of its length.

    Parameters
    ----------
    low, high
        The range is half-open: ``high`` does not belong to it.
    after_mass
        The range begins right above a value that has a bin of its own, which does not belong to it either.

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
class Pair:
    """Two numeric columns and their normal-score correlation before and now."""

    columns: tuple[str, str]
    before: float
    now: float
    times_noise: float


def contributing_pairs(baseline: Profile, window: Profile) -> tuple[Pair, ...]:
    """Say which pairs of columns changed their dependence, those that stand out most from their noise first.

    Limits
    ------
    Correlations only: what `mmd` sees beyond them has no name here. Only pairs beyond three standard errors.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.joint import JOINT, learn_joint, project
    >>> from detectors.layout import learn_numeric
    >>> from detectors.records import Column
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 5000))
    >>> layout = learn_numeric(x, x.min(), x.max())
    >>> layouts = {"x": layout, "y": layout}
    >>> layouts[JOINT] = learn_joint(layouts)
    >>> pages = ({"x": Column.floats(x), "y": Column.floats(z)} for z in (y, 0.8 * x + 0.6 * y))
    >>> old, new = (Profile.of(project(page, layouts), layouts[JOINT]) for page in pages)
    >>> [(pair.columns, round(pair.before, 1), round(pair.now, 1)) for pair in of_pairs(old, new)]
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
    return tuple(Pair(names[at], float(before[at]), float(now[at]), float(times[at])) for at in order if times[at] > 3)
