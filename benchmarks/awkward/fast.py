"""The real backtest over a stream in memory, with its buckets profiled many at a time: several times faster.

Only the counting is done otherwise. Layouts, baselines, thresholds, findings and incidents come from the engine's own
code, and a test holds this path against the slow one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from benchmarks.detection import ours
from benchmarks.detection.streams import Stream
from detectors.binning import Binning, category, numbers
from detectors.exact import ExactSum
from detectors.joint import JOINT, project
from detectors.profile import SCALE, Profile
from detectors.records import Column, Records, concatenate, take
from monitor.checks.baseline import Baseline
from monitor.config.models import Monitor
from monitor.core.schedule import Bucket
from monitor.jobs import replay_stretch, source_baseline
from monitor.profiling.facts import MOST_UNSEEN
from monitor.profiling.profile import Facts, columns_to_read
from monitor.sources.base import Reader
from monitor.sources.screen import without_personal

AT_ONCE = 50_000
"""Rows whose joint vectors are in memory at once."""


def run(
    stream: Stream, budget: str, baseline: Baseline | None = None, start: datetime | None = None, **settings: Any
) -> dict[str, Any]:
    """Backtest the live part of a stream, as `ours.run` does."""
    with faster_profiles():
        return ours.run(stream, budget, baseline, start, **settings)


def learn(stream: Stream, budget: str, **settings: Any) -> Baseline:
    """Learn the baseline of a stream, as `ours.learn` does."""
    with faster_profiles():
        return ours.learn(stream, budget, **settings)


@contextmanager
def faster_profiles() -> Iterator[None]:
    """Profile stretches by :func:`profiled_buckets` instead of the engine's own profiler."""
    with (
        mock.patch.object(replay_stretch, "profile_buckets", profiled_buckets),
        mock.patch.object(source_baseline, "profile_buckets", profiled_buckets),
    ):
        yield


@dataclass
class Counted:
    """What a profiler holds after a bucket."""

    facts: Facts = field(default_factory=Facts)
    segments: dict[str | None, dict[str, Profile]] = field(default_factory=dict)

    def profiles(self) -> dict[str | None, dict[str, Profile]]:
        return self.segments


def profiled_buckets(
    reader: Reader, monitor: Monitor, layouts: Mapping[str, Binning], start: datetime, end: datetime
) -> Iterator[tuple[Bucket, Counted]]:
    """Yield every bucket of a stretch, as `stretch.profile_buckets` does, with the whole stretch in memory."""
    if monitor.signals or monitor.rates or monitor.performance or monitor.traffic:
        raise ValueError("signals, rates, performance and marked traffic need the engine's own profiler.")
    records = concatenate(reader.read(start, end, columns_to_read(monitor, layouts, reader.schema())))
    steps = (end - start) // monitor.bucket
    width = monitor.bucket.total_seconds()
    starts = start.timestamp() + width * np.arange(steps + 1)
    times = records["timestamp"].values if records else np.zeros(0)
    bounds = np.searchsorted(times, starts)
    buckets = [Counted() for _ in range(steps)]
    empty = {name: Profile.empty(layout) for name, layout in layouts.items()}
    for counted, first, last in zip(buckets, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        counted.segments[None] = dict(empty)
        if last > first:
            counted.facts = Facts(last - first, first=float(times[first]), last=float(times[last - 1]))
    if records:
        _note_unseen(records, layouts, bounds, buckets)
        _count(None, records, layouts, bounds, buckets)
        for name in monitor.segments:
            for value, rows in pd.Series(records[name].values).groupby(records[name].values).indices.items():
                part = take(records, rows)
                _count(f"{name}={value}", part, layouts, np.searchsorted(part["timestamp"].values, starts), buckets)
    for place, counted in enumerate(buckets):
        begin = start + place * monitor.bucket
        yield Bucket(begin, begin + monitor.bucket), counted


def _count(
    segment: str | None, records: Records, layouts: Mapping[str, Binning], bounds: np.ndarray, buckets: list[Counted]
) -> None:
    """Put the profiles of all columns in their buckets; the joint column is that of all rows only."""
    filled = np.flatnonzero(np.diff(bounds))
    for name, layout in layouts.items():
        if name == JOINT and segment is None:
            profiles = _joint(records, layouts, bounds, filled)
        elif name in records:
            profiles = _column(records[name], layout, bounds, filled)
        else:
            continue
        for place, profile in zip(filled.tolist(), profiles, strict=True):
            buckets[place].segments.setdefault(segment, {})[name] = profile


def _column(column: Column, layout: Binning, bounds: np.ndarray, filled: np.ndarray) -> Iterator[Profile]:
    """Yield the profile of each bucket that has rows."""
    if layout.kind == "numeric":
        return _numeric(column, layout, bounds, filled)
    if layout.kind == "categorical":
        return _categorical(column, layout, bounds, filled)
    spans = zip(bounds[filled].tolist(), bounds[filled + 1].tolist(), strict=True)
    return (Profile.of(column.take(np.arange(first, last)), layout) for first, last in spans)


def _numeric(column: Column, layout: Binning, bounds: np.ndarray, filled: np.ndarray) -> Iterator[Profile]:
    values, mistyped = numbers(column)
    finite = np.isfinite(values)
    counts = _counts(np.searchsorted(layout.edges, values, side="right"), finite, layout.bins, bounds, filled)
    missing, wrong, unusable = (_sums(each, bounds, filled) for each in (column.missing, mistyped, ~finite))
    squares = np.minimum((np.where(finite, values, layout.origin) - layout.origin) ** 2, np.finfo(np.float64).max)
    totals, squared = (_exact(_sums(each, bounds, filled)) for each in (np.where(finite, values, 0.0), squares))
    least, most = (
        extreme.reduceat(np.where(finite, values, other), bounds[filled])
        for extreme, other in ((np.minimum, np.inf), (np.maximum, -np.inf))
    )
    for row in range(len(filled)):
        gone, bad = int(missing[row]), int(wrong[row])
        yield Profile(
            layout,
            counts[row],
            gone,
            int(unusable[row]) - gone - bad,
            bad,
            totals[row],
            squared[row],
            float(least[row]),
            float(most[row]),
        )


def _categorical(column: Column, layout: Binning, bounds: np.ndarray, filled: np.ndarray) -> Iterator[Profile]:
    place = {word: index for index, word in enumerate(layout.vocabulary)}
    codes, values = pd.factorize(column.values)
    known = np.array([place.get(category(value), len(place)) for value in values] or [0])
    counts = _counts(known[codes], ~column.missing, layout.bins, bounds, filled)
    missing = _sums(column.missing, bounds, filled)
    for row in range(len(filled)):
        yield Profile(layout, counts[row], int(missing[row]))


def _joint(
    records: Records, layouts: Mapping[str, Binning], bounds: np.ndarray, filled: np.ndarray
) -> Iterator[Profile]:
    """Yield the sums of the joint vectors, some buckets at a time."""
    layout = layouts[JOINT]
    rows = bounds[filled]
    for part in np.split(filled, np.flatnonzero(np.diff(rows // AT_ONCE)) + 1):
        first, last = bounds[part[0]], bounds[part[-1] + 1]
        vectors = project(take(records, np.arange(first, last)), layouts).values
        sums = np.add.reduceat(np.rint(vectors * SCALE).astype(np.int64), bounds[part] - first, axis=0)
        for count, total in zip(np.diff(bounds)[part].tolist(), sums, strict=True):
            yield Profile(layout, np.concatenate([[count], total]))


def _counts(bins: np.ndarray, usable: np.ndarray, width: int, bounds: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Count the usable rows of each filled bucket by bin."""
    bucket = np.repeat(np.arange(len(filled)), np.diff(bounds)[filled])
    cells = bucket[usable] * width + bins[usable]
    return np.bincount(cells, minlength=len(filled) * width).reshape(len(filled), width)


def _sums(values: np.ndarray, bounds: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Sum the rows of each filled bucket, floats with eleven bits more than a double has."""
    wide = values.astype(np.longdouble if values.dtype.kind == "f" else np.int64)
    return np.add.reduceat(wide, bounds[filled])


def _exact(totals: np.ndarray) -> list[ExactSum]:
    """Return doubles as exact sums; what is infinite is the largest double."""
    largest = np.finfo(np.float64).max
    fractions, exponents = np.frexp(np.clip(totals.astype(np.float64), -largest, largest))
    whole = np.ldexp(fractions, 53).astype(np.int64)
    _, zeros = np.frexp((whole & -whole).astype(np.float64))
    zeros = np.maximum(zeros - 1, 0)
    places = np.where(whole == 0, 0, exponents - 53 + zeros)
    return [ExactSum(*each) for each in zip((whole >> zeros).tolist(), places.tolist(), strict=True)]


def _note_unseen(records: Records, layouts: Mapping[str, Binning], bounds: np.ndarray, buckets: list[Counted]) -> None:
    """Note the first categories of each bucket that the baseline did not have."""
    for name, layout in layouts.items():
        if layout.kind != "categorical" or not layout.complete or name not in records:
            continue
        column = records[name]
        codes, values = pd.factorize(column.values)
        known = set(layout.vocabulary)
        new = np.array([category(value) not in known for value in values] or [False])
        for row in np.flatnonzero(new[codes] & ~column.missing).tolist():
            place = int(np.searchsorted(bounds, row, side="right")) - 1
            unseen = buckets[place].facts.unseen.setdefault(name, {})
            if len(unseen) < MOST_UNSEEN:
                shown = without_personal(category(column.values[row]))
                unseen.setdefault(shown, float(records["timestamp"].values[row]))
