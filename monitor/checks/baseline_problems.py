"""Review the range of a baseline: detect shifts, trends, unusual periods, gaps and mixed versions inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from detectors.baseline_checks import (
    CYCLES,
    FEWEST_PIECES,
    FEWEST_RECURRENCES,
    Series,
    SeriesChange,
    extract_series,
    find_changes,
    is_weekend,
    piece_seconds,
    standard_errors,
)
from detectors.season import DAY, HOUR, WEEK
from detectors.stack import Stack
from monitor.checks.baseline_review import BaselineProblem, Range, Review
from monitor.config.models import Monitor
from monitor.profiling.timeline import Timeline
from monitor.sources.screen import MANY_WORDS, count_words, without_personal

MOST_COLUMNS = 3
MOST_VERSIONS = 3
MOST_PROBLEMS = 8
LEAST_WINDOWS = 6
"""Minimum length of a clean range, in windows."""
AS_LONG = 0.9
"""A later clean range is preferred if it has at least this share of the length of the longest."""
FEWEST_EXPECTED = 20.0
"""A period without rows is a gap if at least this number of rows is expected in it."""
LEAST_SHARE = 0.005
SMALL_MOVE = 0.1
"""Maximum change of a column by a trend within a proposed range, in standard deviations."""

Versions = Mapping[str, Mapping[str, Sequence[float]]]
"""Row count, first and last time, by role and version."""


def review_baseline(monitor: Monitor, timeline: Timeline, versions: Versions) -> Review:
    """Detect shifts, trends, unusual periods, gaps and mixed versions in the buckets of a baseline."""
    pieces = _BucketPieces(timeline)
    problems: list[BaselineProblem] = []
    noise: dict[str, float] = {}
    columns = pieces.columns()
    if len(pieces.seconds) >= FEWEST_PIECES:
        changes, weekly = _changes(columns, pieces.seconds)
        problems += _shift_problems(pieces, [each for each in changes if each.kind == "shift"], versions)
        problems += _trend_problems(pieces, [each for each in changes if each.kind == "trend"])
        problems += _stretch_problems(pieces, [each for each in changes if each.kind == "stretch"])
        problems += _gap_problems(pieces)
        problems += _season_problems(pieces, weekly)
        noise = _noise(columns, pieces.seconds)
    if not any(problem.kind == "shift" for problem in problems):
        problems += _version_problems(pieces, versions)
    review = Review(pieces.start, timeline.end, tuple(problems[:MOST_PROBLEMS]), noise=noise)
    return _with_ranges(review, monitor, timedelta(seconds=pieces.length))


@dataclass(frozen=True)
class _Column:
    name: str
    stack: Stack
    series: Sequence[Series]


@dataclass(frozen=True)
class _Moved:
    """A change of one series, with its column."""

    column: _Column
    change: SeriesChange

    @property
    def kind(self) -> str:
        return self.change.kind


class _BucketPieces:
    """The buckets of a baseline, summed to pieces of an hour or more. The last piece ends with the baseline."""

    def __init__(self, timeline: Timeline) -> None:
        step = timeline.step.total_seconds()
        self.timeline = timeline
        self.length = piece_seconds(timeline.steps * step, step)
        self.size = max(1, round(self.length / step))
        # If the log starts a day or more after the range, the review starts at the first row.
        silent = int(np.argmax(timeline.rows > 0)) if timeline.rows.any() else 0
        silent = silent if silent * step >= DAY else 0
        count = (timeline.steps - silent) // self.size
        self.first = timeline.steps - count * self.size
        self.seconds = timeline.seconds()[self.first :: self.size][:count]
        self.rows = self.gather(timeline.rows)
        self.is_complete = self.gather(timeline.is_complete) == self.size

    @property
    def start(self) -> datetime:
        """Return the start of the first piece."""
        return self.timeline.start + self.first * self.timeline.step

    def gather(self, part: np.ndarray) -> np.ndarray:
        """Sum the buckets of each piece."""
        kept = part[self.first :]
        return np.asarray(kept.reshape(len(self.seconds), self.size, *kept.shape[1:]).sum(axis=1))

    def at(self, piece: int) -> datetime:
        """Return the start of a piece; the end of the range for the index after the last one."""
        return self.start + timedelta(seconds=piece * self.length)

    def columns(self) -> list[_Column]:
        """Return the monitored columns over all traffic."""
        result = []
        for (segment, name), stack in self.timeline.series():
            if segment is None:
                whole = stack.pieces(self.size).take(np.arange(-len(self.seconds), 0))
                result.append(_Column(name, whole, extract_series(whole)))
        return result


def _changes(columns: Sequence[_Column], seconds: np.ndarray) -> tuple[list[_Moved], list[_Column]]:
    """Return the changes, and the columns that differ only on weekends if the range has less than two weeks."""
    moved = _find(columns, seconds)
    weekend = is_weekend(seconds)
    is_short = len(seconds) * int(seconds[1] - seconds[0]) < CYCLES * WEEK
    if not is_short or not weekend.any() or weekend.all():
        return moved, []
    again = {each.column.name for each in moved}
    workdays = [
        replace(column, series=[replace(one, weight=np.where(weekend, 0.0, one.weight)) for one in column.series])
        for column in columns
        if column.name in again
    ]
    lasting = {each.column.name for each in _find(workdays, seconds)}
    weekly = {name for name in again - lasting if _comes_and_goes([m for m in moved if m.column.name == name], seconds)}
    return (
        [each for each in moved if each.column.name not in weekly],
        [column for column in columns if column.name in weekly],
    )


def _comes_and_goes(moved: Sequence[_Moved], seconds: np.ndarray) -> bool:
    """Return whether the changes of a column may be those of weekends.

    They are not if a shift lasts to the end that starts on a weekend, or more than half a day from where one begins or
    ends.
    """
    weekend = is_weekend(seconds)
    borders = seconds[1:][np.diff(weekend)]
    lasting = [m.change.first for m in moved if m.kind == "shift" and m.change.last == len(seconds)]
    return not any(weekend[first] or np.abs(borders - seconds[first]).min() > DAY / 2 for first in lasting)


def _find(columns: Sequence[_Column], seconds: np.ndarray) -> list[_Moved]:
    flat = [(column, series) for column in columns for series in column.series]
    owners = [column for column, _ in flat]
    moved = [_Moved(owners[change.row], change) for change in find_changes([series for _, series in flat], seconds)]
    levels = {each.column.name for each in moved if each.change.part == "level"}
    # A change of the level also changes the distance from the centre, which is no change of the spread.
    return [each for each in moved if each.change.part != "spread" or each.column.name not in levels]


def _noise(columns: Sequence[_Column], seconds: np.ndarray) -> dict[str, float]:
    """Return the standard error of the noisiest series of each column."""
    flat = [(column.name, series) for column in columns for series in column.series]
    noise: dict[str, float] = {}
    for (name, _), error in zip(flat, standard_errors([series for _, series in flat], seconds), strict=True):
        noise[name] = max(noise.get(name, 0.0), round(error, 5))
    return noise


def _groups(moved: Sequence[_Moved]) -> list[list[_Moved]]:
    """Group simultaneous changes; each group has the largest change of each column, largest first."""
    ordered = sorted(moved, key=lambda each: (each.change.first, each.change.last))
    groups: list[list[_Moved]] = []
    for each in ordered:
        if groups and _is_together(groups[-1][-1].change, each.change):
            groups[-1].append(each)
        else:
            groups.append([each])
    return [_largest(group) for group in groups]


def _is_together(one: SeriesChange, other: SeriesChange) -> bool:
    slack = 3
    return other.first - one.first <= slack and (one.kind == "shift" or abs(other.last - one.last) <= slack)


def _largest(moved: Sequence[_Moved]) -> list[_Moved]:
    by_column: dict[str, _Moved] = {}
    for each in sorted(moved, key=lambda one: -abs(one.change.effect)):
        by_column.setdefault(each.column.name, each)
    return list(by_column.values())


def _shift_problems(pieces: _BucketPieces, moved: Sequence[_Moved], versions: Versions) -> Iterator[BaselineProblem]:
    for group in _groups(moved):
        first = min(each.change.first for each in group)
        at, slack = pieces.at(first), timedelta(seconds=2 * pieces.length)
        mixes = list(_mixes(pieces, versions, (at - slack, at + slack)))
        exact = min((start for _, start in mixes), default=at)
        description = _join_words(
            group, lambda each: _before_and_after(each, range(each.change.before, each.change.first))
        )
        named = "".join(f"{text}; " for text, _ in mixes)
        ago = (pieces.timeline.end - exact).total_seconds()
        text = f"{named}since {_moment(exact)}, {_length(ago)} before its end, the data differs: {description}"
        yield BaselineProblem("shift", exact, None, text, _names(group), _size(group))


def _trend_problems(pieces: _BucketPieces, moved: Sequence[_Moved]) -> Iterator[BaselineProblem]:
    if moved:
        group = _largest(moved)
        days = len(pieces.seconds) * pieces.length / DAY
        fifth = max(1, len(pieces.seconds) // 5)
        description = _join_words(
            group, lambda each: _first_and_last(each, fifth) + f" ({each.change.effect / days:+.2g} sd a day)"
        )
        text = f"it has a trend over its whole range, from its first fifth to its last: {description}"
        yield BaselineProblem("trend", pieces.at(0), None, text, _names(group), _size(group))


def _stretch_problems(pieces: _BucketPieces, moved: Sequence[_Moved]) -> Iterator[BaselineProblem]:
    for group in _groups(moved):
        first = min(each.change.first for each in group)
        last = max(each.change.last for each in group)
        outside = [*range(max(0, first - 7 * DAY // pieces.length), first)] or [*range(last, len(pieces.seconds))]
        words = _join_words(group, lambda each, rest=outside: _before_and_after(each, rest))  # type: ignore[misc]
        spent = (last - first) * pieces.length
        text = f"{_length(spent)} from {_moment(pieces.at(first))} to {_moment(pieces.at(last))} are unusual: {words}"
        yield BaselineProblem("stretch", pieces.at(first), pieces.at(last), text, _names(group), _size(group))


def _gap_problems(pieces: _BucketPieces) -> list[BaselineProblem]:
    """Return the periods without rows at hours of the day that usually have rows."""
    slot = pieces.seconds % DAY // pieces.length
    usual = np.zeros(len(pieces.seconds))
    for each in np.unique(slot):
        at = (slot == each) & pieces.is_complete
        if at.any():
            usual[slot == each] = np.median(pieces.rows[at])
    silent = pieces.is_complete & (pieces.rows == 0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent.astype(np.int8), [0]])))
    runs = [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if a > 0 and usual[a:b].sum() >= FEWEST_EXPECTED]
    if len(runs) >= FEWEST_RECURRENCES:
        return []
    return [
        BaselineProblem(
            "gap",
            pieces.at(first),
            pieces.at(last),
            f"no rows from {_moment(pieces.at(first))} to {_moment(pieces.at(last))}, where about "
            f"{usual[first:last].sum():,.0f} are usual",
        )
        for first, last in runs
    ]


def _season_problems(pieces: _BucketPieces, weekly: Sequence[_Column]) -> Iterator[BaselineProblem]:
    span = len(pieces.seconds) * pieces.length
    if span >= CYCLES * WEEK or span < DAY:
        return
    names = tuple(column.name for column in weekly)
    differ = f" ({', '.join(names[:MOST_COLUMNS])} differ on weekends)" if names else ""
    text = (
        f"it spans {span / DAY:.3g} days, less than two whole weeks, so weekends cannot be compared with weekends"
        f"{differ}: "
        "until it spans two weeks a weekend may alert, or widen the thresholds"
    )
    yield BaselineProblem("season", pieces.at(0), None, text, names)


def _version_problems(pieces: _BucketPieces, versions: Versions) -> Iterator[BaselineProblem]:
    """Yield the mixed versions that no change of a column coincides with."""
    for text, start in _mixes(pieces, versions, (pieces.at(0) + timedelta(seconds=pieces.length), pieces.timeline.end)):
        yield BaselineProblem("versions", start, None, f"{text}; no monitored column changed with it")


def _mixes(pieces: _BucketPieces, versions: Versions, between: Range) -> Iterator[tuple[str, datetime]]:
    """Yield a description of each role with a new version in a range, and the time of its first record."""
    begin, end = pieces.start.timestamp(), pieces.timeline.end.timestamp()
    for role, counted in versions.items():
        total = sum(count for count, _, _ in counted.values())
        kept = {v: counts for v, counts in counted.items() if counts[0] >= LEAST_SHARE * total}
        new = [f for _, f, _ in kept.values() if between[0].timestamp() <= f <= between[1].timestamp()]
        if len(kept) < 2 or not new:  # noqa: PLR2004
            continue
        descriptions = []
        for value, (count, first, last) in sorted(kept.items(), key=lambda item: item[1][1])[-MOST_VERSIONS:]:
            since = f" since {_moment(_time(first))}" if first > begin + pieces.length else ""
            until = f" until {_moment(_time(last))}" if last < end - 2 * pieces.length else ""
            descriptions.append(f"{shown_category(value)}{since}{until} ({count / total:.0%} of rows)")
        number = {2: "two", 3: "three"}.get(len(kept), str(len(kept)))
        yield f"it has {number} versions of {role}: {', '.join(descriptions)}", _time(min(new))


def _join_words(group: Sequence[_Moved], describe: Callable[[_Moved], str]) -> str:
    joined = ", ".join(describe(each) for each in group[:MOST_COLUMNS])
    more = len(group) - MOST_COLUMNS
    return joined + (f", and {more} more column{'s' * (more > 1)}" if more > 0 else "")


def _before_and_after(moved: _Moved, before: Sequence[int]) -> str:
    change = moved.change
    return _describe(moved, np.array(before), np.arange(change.first, change.last))


def _first_and_last(moved: _Moved, pieces: int) -> str:
    count = len(moved.column.stack)
    return _describe(moved, np.arange(pieces), np.arange(count - pieces, count))


def _describe(moved: _Moved, before: np.ndarray, after: np.ndarray) -> str:
    """Describe a change in the unit of the column."""
    name, part, stack = moved.column.name, moved.change.part, moved.column.stack
    one, other = (stack.take(at).sum() for at in (before, after))
    if part == "missing":
        before_and_after = [_share(side.rows - side.n, side.rows) for side in (one, other)]
        return f"missing values of {name} {' → '.join(before_and_after)}"
    if part == "spread":
        return f"standard deviation of {name} {_pair(float(one.variance) ** 0.5, float(other.variance) ** 0.5)}"
    if part == "level":
        return f"mean of {name} {_pair(float(one.mean), float(other.mean))}"
    words = stack.layout.vocabulary
    place = words.index(part[1:]) if part.startswith("=") else len(words)
    value = shown_category(part[1:]) if part.startswith("=") else "other values"
    return f"share of {name} {value} {_share(one.counts[place], one.n)} → {_share(other.counts[place], other.n)}"


def _pair(before: float, after: float) -> str:
    return f"{before:.3g} → {after:.3g}"


def _share(hits: np.ndarray, rows: np.ndarray) -> str:
    return f"{float(hits) / max(1.0, float(rows)):.2%}"


def shown_category(value: str) -> str:
    """Return a category without personal data and free text, to show and store."""
    return "(free text)" if count_words(value) > MANY_WORDS else without_personal(value)


def _names(group: Sequence[_Moved]) -> tuple[str, ...]:
    return tuple(each.column.name for each in group)


def _size(group: Sequence[_Moved]) -> float:
    return round(max(abs(each.change.effect) for each in group), 3)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _length(seconds: float) -> str:
    return f"{seconds / DAY:.3g} days" if seconds >= 2 * DAY else f"{max(1, round(seconds / HOUR))} hours"


def _with_ranges(review: Review, monitor: Monitor, piece: timedelta) -> Review:
    """Add the clean ranges: between shifts, without unusual periods and gaps, at least a piece away from each."""
    least = max(LEAST_WINDOWS * monitor.window, timedelta(days=1))
    shifts = sorted(problem.start for problem in review.problems if problem.kind == "shift")
    trend = max((p.size for p in review.problems if p.kind == "trend"), default=0.0)
    blocked = [(start - piece, start + piece) for start in shifts]
    blocked += [
        (p.start - piece, p.end + piece)
        for p in review.problems
        if p.end is not None and (p.kind == "stretch" or (p.kind == "gap" and p.end - p.start > monitor.window))
    ]
    if not blocked and not trend:
        return review
    free = [each for each in _free((review.start, review.end), blocked, monitor.bucket) if each[1] - each[0] >= least]
    if trend:
        most = max(least, (review.end - review.start) * (SMALL_MOVE / trend))
        most = max(monitor.bucket, most // monitor.bucket * monitor.bucket)
        free = [(max(start, end - most), end) for start, end in free]
    before = [each for each in free if shifts and each[1] <= shifts[-1]]
    since = [each for each in free if shifts and each[0] >= shifts[-1]]
    return replace(review, clean=_best(free), before=_best(before), since=_best(since))


def _free(whole: Range, blocked: Sequence[Range], bucket: timedelta) -> Iterator[Range]:
    """Yield the parts of a range that are not blocked, in whole buckets."""
    at, end = whole
    for first, last in [*sorted(blocked), (end, end)]:
        if first > at:
            yield at, whole[0] + (min(first, end) - whole[0]) // bucket * bucket
        at = max(at, whole[0] - (whole[0] - last) // bucket * bucket)


def _best(spans: Sequence[Range]) -> Range | None:
    """Return the latest of the ranges that are nearly as long as the longest, see ``AS_LONG``."""
    longest = max((end - start for start, end in spans), default=timedelta(0))
    return max((span for span in spans if span[1] - span[0] >= AS_LONG * longest), default=None)
