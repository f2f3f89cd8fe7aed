"""Build baselines: from a time range, from a file, or as a sum of stored buckets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from detectors.layout import Layout
from detectors.quality.traffic import Traffic
from detectors.records import Records
from monitor.config import ConfigError, Monitor
from monitor.engine.baseline import Baseline
from monitor.engine.features import choose
from monitor.engine.learn import Learner, with_signals
from monitor.engine.profile import Facts, Profiler, add_profiles, wanted
from monitor.schedule import floor
from monitor.sources import files
from monitor.sources.base import Reader, SourceError
from monitor.store import buckets
from monitor.store.database import Database

STRIDE = timedelta(hours=6)
BATCH = timedelta(days=1)


def baseline_range(monitor: Monitor, live_start: datetime) -> tuple[datetime, datetime]:
    """Return the stretch that a baseline is learnt from, in whole buckets."""
    settings = monitor.baseline
    if settings.start is not None and settings.end is not None:
        return floor(settings.start, monitor.bucket), floor(settings.end, monitor.bucket)
    if settings.rolling is None:
        raise ValueError("a baseline from a file has no time range.")
    return floor(live_start - settings.rolling, monitor.bucket), floor(live_start, monitor.bucket)


def pages(reader: Reader, columns: Sequence[str], start: datetime, end: datetime) -> Iterator[Records]:
    """Read a long stretch in short steps."""
    while start < end:
        stop = min(start + STRIDE, end)
        yield from reader.read(start, stop, columns)
        start = stop


def learn_layouts(reader: Reader, monitor: Monitor, start: datetime, end: datetime) -> dict[str, Layout]:
    """Choose the watched columns and learn their bins."""
    try:
        kinds = {c.name: c.kind for c in choose(monitor, reader.describe(until=end)) if c.kind}
    except ConfigError as error:
        raise SourceError("missing_column", str(error)) from error
    blank = {name: Layout(kind=kind) for name, kind in kinds.items()}
    learner = Learner(kinds)
    for page in pages(reader, wanted(monitor, blank, reader.schema()), start, end):
        learner.add(with_signals(page, monitor.signals))
    return learner.layouts()


def baseline_from_source(reader: Reader, monitor: Monitor, start: datetime, end: datetime) -> Baseline:
    """Learn and profile a stretch in memory, without a store: for one-shot checks."""
    layouts = learn_layouts(reader, monitor, start, end)
    schema = reader.schema()
    profiler = Profiler(monitor, layouts)
    length = (end - start) // monitor.bucket
    rows = np.zeros(length, dtype=np.int64)
    for page in pages(reader, wanted(monitor, layouts, schema), start, end):
        profiler.add(page)
        seconds = page["timestamp"].values - start.timestamp()
        places = (seconds // monitor.bucket.total_seconds()).astype(np.int64)
        rows += np.bincount(np.clip(places, 0, length - 1), minlength=length)
    facts = {"versions": profiler.facts.versions}
    return _made(monitor, layouts, profiler, facts, tuple(int(count) for count in rows), schema, start, end)


def baseline_from_file(monitor: Monitor, schema: Mapping[str, str]) -> Baseline:
    """Learn and profile a CSV, Parquet or JSONL file, whose columns are named like the source's."""
    if monitor.baseline.file is None:
        raise ValueError("this baseline is not a file.")
    columns, read = files.open_file(monitor.baseline.file, monitor.source)
    kinds = {c.name: c.kind for c in choose(monitor, columns) if c.kind}
    learner = Learner(kinds)
    for page in read():
        learner.add(with_signals(page, monitor.signals))
    layouts = learner.layouts()
    profiler = Profiler(monitor, layouts)
    for page in read():
        profiler.add(page)
    return _made(monitor, layouts, profiler, {"versions": profiler.facts.versions}, (), schema, None, None)


def _made(
    monitor: Monitor,
    layouts: Mapping[str, Layout],
    profiler: Profiler,
    facts: dict[str, Any],
    bucket_rows: tuple[int, ...],
    schema: Mapping[str, str],
    start: datetime | None,
    end: datetime | None,
) -> Baseline:
    seconds = monitor.bucket.total_seconds()
    return Baseline(
        id=0,
        layout="",
        layouts=layouts,
        profiles=profiler.profiles(),
        traffic=Traffic(bucket_rows, seconds, dict(schema)),
        rows=profiler.facts.rows,
        start=start,
        end=end,
        facts={
            **facts,
            "bucket_rows": list(bucket_rows),
            "bucket_seconds": seconds,
            "schema": dict(schema),
        },
    )


def sum_buckets(
    database: Database,
    monitor: Monitor,
    baseline: Baseline,
    start: datetime,
    end: datetime,
    without: Sequence[tuple[datetime, datetime]],
) -> Baseline:
    """Sum stored buckets of the same bins, leaving stretches out, a day at a time."""
    profiles: dict[Any, Any] = {}
    bucket_rows: list[int] = []
    versions: dict[str, dict[str, list[float]]] = {}
    step = start
    while step < end:
        stop = min(step + BATCH, end)
        with database.read() as connection:
            rows = buckets.window_rows(connection, monitor.name, step, stop - monitor.bucket)
        kept = [
            row
            for row in rows
            if row.layout == baseline.layout and not any(first <= row.start < last for first, last in without)
        ]
        profiles = add_profiles([profiles, *(buckets.profiles_of(row, baseline.layouts) for row in kept)])
        facts = [Facts.from_json(row.facts) for row in kept]
        bucket_rows += [f.rows for f in facts]
        for f in facts:
            _merge_versions(versions, f)
        step = stop
    seconds = monitor.bucket.total_seconds()
    return Baseline(
        id=baseline.id,
        layout=baseline.layout,
        layouts=baseline.layouts,
        profiles=profiles,
        traffic=Traffic(tuple(bucket_rows), seconds),
        rows=sum(bucket_rows),
        start=start,
        end=end,
        facts={"bucket_rows": bucket_rows, "bucket_seconds": seconds, "versions": versions},
    )


def _merge_versions(total: dict[str, dict[str, list[float]]], facts: Facts) -> None:
    for role, values in facts.versions.items():
        held = total.setdefault(role, {})
        for value, (count, first, last) in values.items():
            old = held.get(value, [0, first, last])
            held[value] = [old[0] + count, min(old[1], first), max(old[2], last)]
