"""Baseline checks: shifts, trends and unusual stretches inside a candidate baseline.

Each column is converted to a few *series* over regular pieces of an hour or more (mean of normal scores, spread, share
of each category, share of missing values). The daily season is removed, and optimal partitioning finds the change
points of the level. A change that reverts within a day and a half is an unusual stretch, a lasting one is a shift, and
a staircase that one line fits as well is a trend.

The noise of a piece is its sampling noise plus the random variation of the column, estimated from differences of
neighbouring blocks of an hour to a day, so that columns that vary naturally are not reported. A change must also exceed
a minimum effect.

Methods: Jackson et al., *An algorithm for optimal partitioning of data on an interval*, IEEE Signal Processing
Letters 12, 2005; Killick, Fearnhead, Eckley, *Optimal detection of changepoints with a linear computational
cost*, Journal of the American Statistical Association 107, 2012.

Limits
------
A change in the first or last hours must be larger to be detected. Vectors and labels are not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from detectors.binning import Binning
from detectors.season import DAY, HOUR, WEEK, weekday
from detectors.stack import Stack

MOST_PIECES = 400
FEWEST_PIECES = 24
PENALTY = 40.0
"""Penalty of a cut. The cost reduction is chi-squared without a change; the penalty is large because of the many
columns, series and possible cuts."""
LONGEST_STRETCH = 36 * HOUR
"""Longest unusual stretch; a longer one is reported as two shifts."""
FEWEST_RECURRENCES = 4
"""From this number on, unusual stretches are a normal property of the column."""
SHIFT_FLOOR = 0.2
STRETCH_FLOOR = 0.3
TREND_FLOOR = 0.2
"""Smallest changes that are reported, in standard deviations of single values; of shares, see :func:`effect`."""
MEDIAN_OF_CHI2 = 0.4549
BLOCK_HOURS = (1, 3, 6, 12, 24)
FEWEST_BLOCKS = 6
MOST_CATEGORIES = 8
SMALLEST_SHARE = 0.002
"""Smallest share over the whole baseline of a category with a series."""
CYCLES = 2
"""Full weeks that are required for separate seasons of workdays and weekends."""


@dataclass(frozen=True)
class Series:
    """One property of a column over the pieces of a stretch.

    Parameters
    ----------
    part
        ``level``, ``spread``, ``missing``, or ``=CATEGORY``.
    value
        float64, shape (pieces,): standardised, so that a piece of n rows has a sampling variance of about 1 / n.
        NaN for pieces without rows.
    weight
        float64, shape (pieces,): number of rows of each piece.
    is_share
        Whether the value is the angle of a share.
    """

    part: str
    value: np.ndarray
    weight: np.ndarray
    is_share: bool = False


@dataclass(frozen=True)
class SeriesChange:
    """Change of one property of a column between two runs of pieces.

    Parameters
    ----------
    kind
        ``shift``: the level differs from ``first`` up to ``last``. ``stretch``: the pieces from ``first`` up to
        ``last`` (exclusive) differ from those around them. ``trend``: the level moves throughout.
    part
        As in :class:`Series`.
    first, last
        Pieces.
    effect
        Signed, in standard deviations of single values, or for shares as in :func:`effect`.
    before
        First piece of the stretch that a shift is compared with.
    row
        Index of the series.
    """

    kind: str
    part: str
    first: int
    last: int
    effect: float
    before: int = 0
    row: int = 0


def effect(before: float, after: float) -> float:
    """Return the difference of two shares as Cohen's h, for which 0 → 0.6 % is as large as 50 → 57.5 %.

    Examples
    --------
    >>> round(effect(0.0, 0.0056), 2), round(effect(0.5, 0.575), 2)
    (0.15, 0.15)
    """
    return float(2 * (np.arcsin(np.sqrt(after)) - np.arcsin(np.sqrt(before))))


def piece_seconds(seconds: float, step: float) -> int:
    """Return the length of a piece in seconds: whole steps, an hour or more, a part of a day, and at most 400 pieces.

    Examples
    --------
    >>> piece_seconds(14 * DAY, 300), piece_seconds(56 * DAY, 300)
    (3600, 14400)
    """
    lengths = [hours * HOUR for hours in (1, 2, 3, 4, 6, 8, 12, 24)]
    fitting = [length for length in lengths if length >= step and length % step == 0]
    whole = int(max(HOUR, seconds / MOST_PIECES) // step + 1) * int(step)
    return next((length for length in fitting if seconds <= MOST_PIECES * length), whole)


def extract_series(stack: Stack) -> list[Series]:
    """Return the series of one column; none for kinds without counts of values."""
    layout = stack.layout
    if layout.kind == "numeric":
        series = _numeric_series(stack)
    elif layout.kind == "categorical":
        series = _categorical_series(stack)
    else:
        return []
    rows = stack.rows.astype(float)
    return [*series, _share("missing", rows - stack.n, rows)]


def _numeric_series(stack: Stack) -> list[Series]:
    pooled = stack.counts.sum(axis=0).astype(float)
    if pooled.sum() == 0:
        return []
    middle = (np.cumsum(pooled) - pooled / 2) / pooled.sum()
    scores = np.where(pooled > 0, ndtri(np.clip(middle, 1e-9, 1 - 1e-9)), 0.0)
    share = pooled / pooled.sum()
    series = []
    for part, score in (("level", scores), ("spread", np.abs(scores))):
        mean = float(share @ score)
        deviation = float(np.sqrt(share @ (score - mean) ** 2))
        if deviation > 0:
            value = _ratio(stack.counts @ ((score - mean) / deviation), stack.n)
            series.append(Series(part, value, stack.n.astype(float)))
    return series


def _categorical_series(stack: Stack) -> list[Series]:
    pooled, rows = stack.counts.sum(axis=0), stack.n.astype(float)
    largest: list[int] = np.argsort(-pooled, kind="stable")[:MOST_CATEGORIES].tolist()
    selected = [bin for bin in largest if SMALLEST_SHARE * pooled.sum() <= pooled[bin]]
    return [_share(_part(stack.layout, bin), stack.counts[:, bin], rows) for bin in selected]


def _part(layout: Binning, bin: int) -> str:
    return f"={layout.vocabulary[bin]}" if bin < len(layout.vocabulary) else "other"


def _share(part: str, hits: np.ndarray, rows: np.ndarray) -> Series:
    return Series(part, 2 * np.arcsin(np.sqrt(np.clip(_ratio(hits, rows), 0, 1))), rows, is_share=True)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(above / np.asarray(below, dtype=float))


def find_changes(series: Sequence[Series], seconds: np.ndarray) -> list[SeriesChange]:
    """Return the changes inside a stretch: shifts, unusual stretches and trends of each series.

    Parameters
    ----------
    series
        Of one or several columns, over the same pieces.
    seconds
        int64, shape (pieces,): start of each piece, evenly spaced.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> hours = HOUR * np.arange(336)
    >>> level = rng.normal(np.where(hours < 264 * HOUR, 0.0, 0.5), 0.1)
    >>> [(change.kind, change.first) for change in find_changes([Series("level", level, np.full(336, 100.0))], hours)]
    [('shift', 264)]
    """
    if not series or len(seconds) < FEWEST_PIECES:
        return []
    pieces = _Pieces.of(series, seconds)
    level = pieces.without_line()
    stretches = [_stretches(level, row, cuts) for row, cuts in enumerate(level.partition())]
    quiet = pieces.without(stretches)
    changes: list[SeriesChange] = []
    for row, cuts in enumerate(quiet.partition()):
        part = series[row].part
        changes += [
            SeriesChange("stretch", part, first, last, size, row=row)
            for first, last in stretches[row]
            if abs(size := level.contrast(row, _outside(first, last, len(seconds)), np.arange(first, last)))
            >= STRETCH_FLOOR
        ]
        changes += _shifts(quiet, row, part, cuts)
    return changes


def standard_errors(series: Sequence[Series], seconds: np.ndarray) -> list[float]:
    """Return the standard error of each series' mean over all pieces, including its own random variation.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> level = Series("level", rng.normal(0, 0.1, 336), np.full(336, 100.0))
    >>> [round(error, 3) for error in standard_errors([level], HOUR * np.arange(336))]
    [0.01]
    """
    if not series:
        return []
    weight = _Pieces.of(series, seconds).weight.sum(axis=1)
    return [float(1 / np.sqrt(each)) if each > 0 else 0.0 for each in weight]


def unusual_stretches(value: np.ndarray, weight: np.ndarray, seconds: np.ndarray) -> list[tuple[int, int]]:
    """Return the runs of pieces, up to a day and a half long, in which a series left its level and returned.

    Parameters
    ----------
    value
        float64, shape (pieces,): standardised, so that a piece of n rows has a sampling variance of about 1 / n.
    weight
        float64, shape (pieces,): number of rows of each piece.
    seconds
        int64, shape (pieces,): start of each piece, evenly spaced.

    Returns
    -------
    list
        First and end (exclusive) piece of each run. Empty if there are four runs or more, which are then a normal
        property of the series.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> level = rng.normal(0, 0.1, 336)
    >>> level[100:103] += 3
    >>> unusual_stretches(level, np.full(336, 100.0), HOUR * np.arange(336))
    [(100, 103)]
    """
    changes = find_changes([Series("level", value, weight)], seconds)
    return [(change.first, change.last) for change in changes if change.kind == "stretch"]


@dataclass(frozen=True)
class _Pieces:
    """Several series: value without its season, and weight as inverse variance; shape (series, pieces)."""

    series: Sequence[Series]
    seconds: np.ndarray
    raw: np.ndarray
    rows: np.ndarray
    value: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, series: Sequence[Series], seconds: np.ndarray) -> _Pieces:
        raw = np.array([each.value for each in series])
        rows = np.array([each.weight for each in series], dtype=float)
        rows = np.where(np.isfinite(raw), rows, 0.0)
        raw = np.where(rows > 0, raw, 0.0)
        value = _without_season(raw, rows, seconds)
        return cls(series, seconds, raw, rows, value, _weights(value, rows, _length(seconds)))

    def without(self, stretches: Sequence[Sequence[tuple[int, int]]]) -> _Pieces:
        """Remove stretches; season and noise are estimated again from the rest."""
        rows = self.rows.copy()
        for row, runs in enumerate(stretches):
            for first, last in runs:
                rows[row, first:last] = 0.0
        value = _without_season(self.raw, rows, self.seconds)
        return _Pieces(self.series, self.seconds, self.raw, rows, value, _weights(value, rows, _length(self.seconds)))

    def without_line(self) -> _Pieces:
        """Subtract the median slope between days (Theil and Sen), so that stretches differ from a trend."""
        size = max(1, DAY // _length(self.seconds))
        days = len(self.seconds) // size
        if days < FEWEST_BLOCKS:
            return self
        shape = (len(self.value), days, size)
        rows, value = (part[:, -days * size :].reshape(shape) for part in (self.rows, self.value))
        mean = _ratio((rows * value).sum(axis=2), rows.sum(axis=2))
        first, second = np.triu_indices(days, k=1)
        slope = _per_row((mean[:, second] - mean[:, first]) / (second - first)) / size
        line = slope[:, None] * (np.arange(len(self.seconds)) - len(self.seconds) / 2)
        return replace(self, value=np.where(self.rows > 0, self.value - line, 0.0))

    def partition(self) -> list[list[int]]:
        return partition(self.value, self.weight, PENALTY)

    def mean(self, row: int, at: np.ndarray) -> float:
        """Return the mean of some pieces, weighted by their rows."""
        return _average(self.value[row, at], self.rows[row, at])

    def contrast(self, row: int, before: np.ndarray, after: np.ndarray) -> float:
        """Return the difference of some pieces from others.

        The variance-stabilised angle of a share depends on the number of rows, so the smaller of two differences is
        returned: of the mean angles, and of the shares over all rows.
        """
        size = self.mean(row, after) - self.mean(row, before)
        if not self.series[row].is_share:
            return size
        shares = np.sin(self.raw[row] / 2) ** 2
        pooled = effect(*(_average(shares[at], self.rows[row, at]) for at in (before, after)))
        return size if abs(size) < abs(pooled) else pooled


def _average(value: np.ndarray, weight: np.ndarray) -> float:
    return float(np.average(value, weights=weight)) if weight.any() else float("nan")


def is_weekend(seconds: np.ndarray) -> np.ndarray:
    """Return a mask of the times on a Saturday or a Sunday, in UTC."""
    return np.asarray(weekday(seconds) >= 5)  # noqa: PLR2004


def _length(seconds: np.ndarray) -> int:
    return int(seconds[1] - seconds[0])


def _without_season(value: np.ndarray, rows: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Subtract the median of each hour of the day; separately for workdays and weekends if there are two weeks.

    The level of the weekends is subtracted only as far as every weekend differs from the days around it: one weekend of
    two may lie in a stretch that differs as a whole.
    """
    span = _length(seconds) * len(seconds)
    slot = seconds % DAY // _length(seconds)
    measured = np.where(rows > 0, value, np.nan)
    if span < CYCLES * WEEK:
        return _subtract_medians(measured, slot if span >= 4 * DAY else np.zeros_like(slot))
    weekend = is_weekend(seconds)
    centred, daily = _subtract_medians(measured, slot + DAY * weekend), _subtract_medians(measured, slot)
    subtracted = _median(np.where(weekend, daily - centred, np.nan)) - _median(
        np.where(weekend, np.nan, daily - centred)
    )
    level = subtracted - _weekend_effect(np.where(rows > 0, daily, np.nan), seconds)
    return np.asarray(np.where((rows > 0) & weekend, centred + level[:, None], centred))


def _weekend_effect(value: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Return by how much all weekends differ from the two days before and after; 0 if they differ in their sign."""
    weekend, day = is_weekend(seconds), seconds // DAY
    contrasts = []
    for first in np.unique(day[weekend] - weekday(day[weekend] * DAY)):
        at = weekend & (day >= first) & (day < first + WEEK // DAY)
        around = ~weekend & (day >= first + 3) & (day <= first + 8)
        contrasts.append(_median(np.where(at, value, np.nan)) - _median(np.where(around, value, np.nan)))
    known = np.nan_to_num(np.array(contrasts))
    smallest = np.abs(known).min(axis=0)
    return np.where((known > 0).all(axis=0), smallest, np.where((known < 0).all(axis=0), -smallest, 0.0))


def _median(value: np.ndarray) -> np.ndarray:
    """Return the median of each row; 0 for a row without values."""
    middle = np.zeros(len(value))
    counted = np.isfinite(value).any(axis=1)
    middle[counted] = np.nanmedian(value[counted], axis=1)
    return middle


def _subtract_medians(measured: np.ndarray, slot: np.ndarray) -> np.ndarray:
    """Subtract the median of each slot; 0 where nothing was measured."""
    centred = np.zeros_like(measured)
    for each in np.unique(slot):
        at = slot == each
        centred[:, at] = measured[:, at] - _median(measured[:, at])[:, None]
    return np.asarray(np.nan_to_num(centred))


def _weights(value: np.ndarray, rows: np.ndarray, length: int) -> np.ndarray:
    """Return the inverse variance of each piece: sampling error, variation between pieces, and its persistence."""
    wander = _per_row(_neighbours(value, rows, 1, excess=True)) / 2
    with np.errstate(divide="ignore"):
        weight = rows / (1 + rows * np.maximum(0.0, wander)[:, None])
    inflation = np.ones(len(value))
    for hours in BLOCK_HOURS:
        size = hours * HOUR // length
        if size >= 1 and value.shape[1] // size > FEWEST_BLOCKS:
            blocks = value.shape[1] // size
            noise = _per_row(_neighbours(value, weight, size)) / MEDIAN_OF_CHI2
            inflation = np.maximum(inflation, noise * (1 + 3 / blocks))
    return np.asarray(weight / inflation[:, None])


def _neighbours(value: np.ndarray, weight: np.ndarray, size: int, *, excess: bool = False) -> np.ndarray:
    """Return the squared differences of neighbouring blocks relative to their weights, or in excess of them.

    The median difference is subtracted first, so that a trend does not count as noise.
    """
    blocks = value.shape[1] // size
    shape = (len(value), blocks, size)
    whole = weight[:, -blocks * size :].reshape(shape)
    total = whole.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (whole * value[:, -blocks * size :].reshape(shape)).sum(axis=2) / total
        differences = np.diff(mean, axis=1)
        squared = (differences - _per_row(differences)[:, None]) ** 2
        allowed = 1 / total[:, 1:] + 1 / total[:, :-1]
        compared = squared / MEDIAN_OF_CHI2 - allowed if excess else squared / allowed
    return np.asarray(np.where(np.isfinite(compared), compared, np.nan))


def _per_row(compared: np.ndarray) -> np.ndarray:
    """Return the median of each row, 0 for rows without values."""
    middle = np.zeros(len(compared))
    counted = np.isfinite(compared).any(axis=1)
    if counted.any():
        middle[counted] = np.nanmedian(compared[counted], axis=1)
    return middle


def partition(value: np.ndarray, weight: np.ndarray, penalty: float) -> list[list[int]]:
    """Find the change points of the mean of each series by optimal partitioning: least weighted squares plus penalties.

    Parameters
    ----------
    value, weight
        float64, shape (series, pieces).
    penalty
        Cost of a cut.

    Returns
    -------
    list
        For each series the first piece of every run but the first, in the order of time.

    Examples
    --------
    >>> partition(np.array([[0, 0, 0, 5, 5, 5.0], [1, 1, 1, 1, 1, 1.0]]), np.ones((2, 6)), 1.0)
    [[3], []]
    """
    count, pieces = value.shape
    zero = np.zeros((count, 1))
    weights = np.hstack([zero, np.cumsum(weight, axis=1)])
    sums = np.hstack([zero, np.cumsum(weight * value, axis=1)])
    squares = np.hstack([zero, np.cumsum(weight * value**2, axis=1)])
    least = np.full((count, pieces + 1), -penalty)
    previous = np.zeros((count, pieces + 1), dtype=np.int64)
    for end in range(1, pieces + 1):
        inside = np.maximum(weights[:, end : end + 1] - weights[:, :end], 1e-12)
        cost = squares[:, end : end + 1] - squares[:, :end] - (sums[:, end : end + 1] - sums[:, :end]) ** 2 / inside
        total = least[:, :end] + cost
        previous[:, end] = np.argmin(total, axis=1)
        least[:, end] = np.min(total, axis=1) + penalty
    return [list(_walk(previous[row], pieces))[::-1] for row in range(count)]


def _walk(previous: np.ndarray, pieces: int) -> Iterator[int]:
    at = int(previous[pieces])
    while at > 0:
        yield at
        at = int(previous[at])


def _outside(first: int, last: int, pieces: int) -> np.ndarray:
    return np.concatenate([np.arange(first), np.arange(last, pieces)])


def _stretches(pieces: _Pieces, row: int, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """Return the short runs after which a series returns to its previous level."""
    most = LONGEST_STRETCH // _length(pieces.seconds)
    edges = [0, *cuts, len(pieces.seconds)]
    runs: list[tuple[int, int]] = []
    place = 1
    while place < len(edges) - 1:
        ends = [end for end in range(place + 1, len(edges) - 1) if edges[end] - edges[place] <= most]
        back = [end for end in ends if _comes_back(pieces, row, edges, place, end)]
        if back:
            runs.append((edges[place], edges[back[-1]]))
            place = back[-1]
        place += 1
    return runs if len(runs) < FEWEST_RECURRENCES else []


def _comes_back(pieces: _Pieces, row: int, edges: Sequence[int], place: int, end: int) -> bool:
    """Return whether the runs before and after are closer to each other than to the run between them."""
    bounds = ((edges[place - 1], edges[place]), (edges[place], edges[end]), (edges[end], edges[end + 1]))
    before, inside, after = (pieces.mean(row, np.arange(first, last)) for first, last in bounds)
    return bool(abs(after - before) < 0.5 * min(abs(inside - before), abs(inside - after)))


def _shifts(pieces: _Pieces, row: int, part: str, cuts: Sequence[int]) -> list[SeriesChange]:
    """Return the shifts at cuts that pass a second test, or one trend where a line fits as well."""
    cuts = _prune_cuts(pieces, row, cuts)
    total = len(pieces.seconds)
    slope, residual = _fit_line(pieces, row)
    weight = pieces.weight[row]
    flat, stairs = (float(weight @ _residual(pieces, row, each) ** 2) for each in ([], cuts))
    line = float(weight @ residual**2)
    is_clear = flat - line > PENALTY * _inflation(residual, weight, _length(pieces.seconds), 2)
    if is_clear and line <= stairs + PENALTY * (len(cuts) - 1) and abs(slope) >= TREND_FLOOR:
        return [SeriesChange("trend", part, 0, total, slope, row=row)]
    edges = [0, *cuts, total]
    return [
        SeriesChange(
            "shift", part, edges[place], edges[place + 1], _step(pieces, row, edges, place), edges[place - 1], row
        )
        for place in range(1, len(edges) - 1)
    ]


def _step(pieces: _Pieces, row: int, edges: Sequence[int], place: int) -> float:
    before, after = np.arange(edges[place - 1], edges[place]), np.arange(edges[place], edges[place + 1])
    return pieces.contrast(row, before, after)


def _prune_cuts(pieces: _Pieces, row: int, cuts: Sequence[int]) -> list[int]:
    """Remove the weakest cut until each is large, and significant relative to the variation within runs."""
    remaining = list(cuts)
    while remaining:
        edges = [0, *remaining, len(pieces.seconds)]
        residual = _residual(pieces, row, remaining)
        inflation = _inflation(residual, pieces.weight[row], _length(pieces.seconds), len(remaining) + 1)
        strength = []
        for place in range(1, len(edges) - 1):
            size = _step(pieces, row, edges, place)
            sides = [pieces.weight[row, edges[p] : edges[p + 1]].sum() for p in (place - 1, place)]
            significance = size**2 / (inflation * (1 / sides[0] + 1 / sides[1])) if min(sides) > 0 else 0.0
            strength.append(min(significance / PENALTY, abs(size) / SHIFT_FLOOR))
        weakest = int(np.nanargmin(strength))
        if strength[weakest] >= 1:
            break
        remaining.pop(weakest)
    return remaining


def _residual(pieces: _Pieces, row: int, cuts: Sequence[int]) -> np.ndarray:
    """Return a series minus the mean of each run between cuts."""
    value, weight = np.array(pieces.value[row]), pieces.weight[row]
    for run in np.split(np.arange(len(value)), list(cuts)):
        if weight[run].any():
            value[run] -= _average(value[run], weight[run])
    return np.asarray(value)


def _inflation(residual: np.ndarray, weight: np.ndarray, length: int, fitted: int) -> float:
    """Return the ratio of the residual variance of blocks to that implied by their weights; at least 1."""
    largest = 1.0
    for hours in BLOCK_HOURS:
        size = hours * HOUR // length
        count = len(residual) // size if size else 0
        if count > FEWEST_BLOCKS:
            whole = weight[-count * size :].reshape(count, size)
            total = whole.sum(axis=1)
            mean = _ratio((whole * residual[-count * size :].reshape(count, size)).sum(axis=1), total)
            squared = (mean**2 * total)[total > 0]
            if len(squared) > fitted:
                largest = max(largest, float(squared.sum()) / (len(squared) - fitted))
    return largest


def _fit_line(pieces: _Pieces, row: int) -> tuple[float, np.ndarray]:
    """Return the change of a fitted line over the whole stretch, and the residual of the series."""
    value, weight = pieces.value[row], pieces.weight[row]
    if not weight.any():
        return 0.0, np.zeros(len(value))
    time = np.linspace(-0.5, 0.5, len(value))
    time = time - _average(time, weight)
    centred = value - _average(value, weight)
    slope = float((weight * time) @ centred / max(float(weight @ time**2), 1e-12))
    return slope, centred - slope * time
