"""Build baselines: from a time range, from a file, or as a sum of stored buckets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from detectors.binning import LABELLED, Binning
from detectors.profile import Profile
from detectors.quality.traffic import Traffic
from detectors.records import take
from monitor.checks.baseline import Baseline, previous_stretch
from monitor.checks.baseline_problems import review_baseline
from monitor.checks.calibrate import calibrate
from monitor.checks.calibration import Calibration
from monitor.checks.calibration_settings import definition
from monitor.checks.sensitivity import keep_finest, measure_sensitivity
from monitor.checks.window import BucketSummary
from monitor.config.models import ConfigError, Monitor
from monitor.config.signals import resolve
from monitor.core.schedule import Bucket, floor
from monitor.profiling.bucket_profiles import add_profiles
from monitor.profiling.facts import Facts
from monitor.profiling.features import Choice, choose
from monitor.profiling.learn import Learner, with_signals
from monitor.profiling.profiler import Profiler
from monitor.profiling.served import keep_served
from monitor.profiling.source_columns import columns_to_read
from monitor.profiling.timeline import Timeline
from monitor.sources import files
from monitor.sources.base import Reader, SourceError, read_in_steps
from monitor.store import windows
from monitor.store.database import Database

BATCH = timedelta(days=1)
Note = Callable[[Sequence[Choice]], None]
"""Takes what was chosen of the columns when a baseline is learnt, and what was not, with the reasons."""


def baseline_range(monitor: Monitor, live_start: datetime) -> tuple[datetime, datetime]:
    """Return the stretch that a baseline is learnt from, in whole buckets."""
    settings = monitor.baseline
    if settings.start is not None and settings.end is not None:
        return floor(settings.start, monitor.bucket), floor(settings.end, monitor.bucket)
    if settings.rolling is None:
        raise ValueError("a baseline from a file has no time range.")
    return floor(live_start - settings.rolling, monitor.bucket), floor(live_start, monitor.bucket)


def no_note(_choices: Sequence[Choice]) -> None:
    """Pass over what was chosen."""


def learn_layouts(
    reader: Reader, monitor: Monitor, start: datetime, end: datetime, note: Note = no_note
) -> dict[str, Binning]:
    """Choose the watched columns and learn their bins."""
    try:
        choices = choose(monitor, reader.describe(until=end))
    except ConfigError as error:
        raise SourceError("missing_column", str(error)) from error
    _check_outcome(monitor, list(reader.schema()))
    blank = {choice.name: Binning(kind=choice.kind) for choice in choices if choice.kind}
    learner = _learner(monitor, choices)
    for page in read_in_steps(reader, columns_to_read(monitor, blank, reader.schema()), start, end):
        learner.add(keep_served(with_signals(page, monitor.signals), monitor))
    return _learnt(choices, learner, note)


def _learner(monitor: Monitor, choices: Sequence[Choice]) -> Learner:
    kinds = {choice.name: choice.kind for choice in choices if choice.kind}
    made = {signal.name for signal in resolve(monitor.signals)}
    screened = {choice.name for choice in choices if not choice.listed} - made
    return Learner(kinds, monitor.performance, monitor.rates, screened)


def _learnt(choices: Sequence[Choice], learner: Learner, note: Note) -> dict[str, Binning]:
    """Return the bins that were learnt, and note what was chosen once all values are known."""
    layouts = learner.layouts()
    out = learner.left_out
    note([Choice(each.name, None, out[each.name]) if each.name in out else each for each in choices])
    return layouts


def _check_outcome(monitor: Monitor, columns: Sequence[str]) -> None:
    """Refuse a check of performance that has nothing to look at."""
    if monitor.performance is None or ("label" in columns and {"score", "prediction"} & set(columns)):
        return
    raise SourceError(
        "missing_column",
        f"monitor {monitor.name}: the check `performance` needs the roles `label`, and `score` (of a classifier, "
        f"0 to 1) or `prediction` (of a regression), under `columns:`. Found: {', '.join(columns)}.",
    )


def baseline_from_source(
    reader: Reader, monitor: Monitor, start: datetime, end: datetime, labels_until: datetime | None = None
) -> Baseline:
    """Learn and profile a stretch in memory, without a store: for one-shot checks.

    Rows from ``labels_until`` on are left out of the columns that need labels.
    """
    layouts = learn_layouts(reader, monitor, start, end)
    schema = reader.schema()
    timeline = Timeline.of_baseline(monitor, layouts, start, end)
    profiles: dict[Any, Any] = {}
    versions: dict[str, dict[str, list[float]]] = {}
    bucket_rows: list[int] = []
    count = 0
    for bucket, profiler in profile_buckets(reader, monitor, layouts, start, end):
        part = profiler.profiles()
        if labels_until is not None and bucket.start >= labels_until:
            part = {segment: _without_labels(columns) for segment, columns in part.items()}
        profiles = add_profiles([profiles, part])
        timeline.add(bucket.start, profiler.facts.whole_requests, part, profiler.facts.clients)
        bucket_rows.append(profiler.facts.whole_requests)
        count += profiler.facts.rows
        merge_versions(versions, profiler.facts)
    calibration, slots = calibrate(monitor, timeline, layouts, profiles.get(None))
    learnt = Baseline(
        id=0,
        layout="",
        layouts=layouts,
        profiles=profiles,
        traffic=Traffic(tuple(bucket_rows), monitor.bucket.total_seconds(), dict(schema)),
        rows=count,
        start=start,
        end=end,
        facts={
            "requests": sum(bucket_rows),
            "versions": versions,
            "review": review_baseline(monitor, timeline, versions).to_json(),
        },
        calibration=calibration,
        slots=slots,
        previous=_last_stretch(monitor, timeline),
    )
    return measure_sensitivity(monitor, learnt)


def _last_stretch(monitor: Monitor, timeline: Timeline) -> dict[str | None, dict[str, Profile]] | None:
    """Return what the next window is compared with, where that is the stretch before it."""
    if monitor.baseline.previous is None:
        return None
    return timeline.profiles(timeline.places(timeline.end - monitor.baseline.previous, timeline.end))


def _without_labels(columns: Mapping[str, Profile]) -> dict[str, Profile]:
    return {name: profile for name, profile in columns.items() if profile.layout.kind not in LABELLED}


def profile_buckets(
    reader: Reader, monitor: Monitor, layouts: Mapping[str, Binning], start: datetime, end: datetime
) -> Iterator[tuple[Bucket, Profiler]]:
    """Yield every bucket of a long stretch, profiled, in the order of time, empty ones too."""
    columns = columns_to_read(monitor, layouts, reader.schema())
    bucket = Bucket(start, start + monitor.bucket)
    profiler = Profiler(monitor, layouts)
    for page in read_in_steps(reader, columns, start, end):
        seconds = page["timestamp"].values
        first = 0
        while first < len(seconds):
            last = int(np.searchsorted(seconds, bucket.end.timestamp(), side="left"))
            if last > first:
                profiler.add(take(page, np.arange(first, last)))
                first = last
            if last < len(seconds):
                yield bucket, profiler
                bucket, profiler = Bucket(bucket.end, bucket.end + monitor.bucket), Profiler(monitor, layouts)
    while bucket.start < end:
        yield bucket, profiler
        bucket, profiler = Bucket(bucket.end, bucket.end + monitor.bucket), Profiler(monitor, layouts)


def baseline_from_file(monitor: Monitor, schema: Mapping[str, str], note: Note = no_note) -> Baseline:
    """Learn and profile a CSV, Parquet or JSONL file, whose columns are named like the source's."""
    if monitor.baseline.file is None:
        raise ValueError("this baseline is not a file.")
    columns, read = files.open_file(monitor.baseline.file, monitor.source)
    choices = choose(monitor, columns)
    learner = _learner(monitor, choices)
    for page in read():
        learner.add(keep_served(with_signals(page, monitor.signals), monitor))
    layouts = _learnt(choices, learner, note)
    profiler = Profiler(monitor, layouts)
    for page in read():
        profiler.add(page)
    seconds = monitor.bucket.total_seconds()
    return Baseline(
        id=0,
        layout="",
        layouts=layouts,
        profiles=profiler.profiles(),
        traffic=Traffic((), seconds, dict(schema)),
        rows=profiler.facts.rows,
        facts={
            "versions": profiler.facts.versions,
            "bucket_rows": [],
            "bucket_seconds": seconds,
            "requests": profiler.facts.whole_requests,
            "schema": dict(schema),
        },
        calibration=Calibration(definition=definition(monitor)),
    )


def sum_buckets(
    database: Database,
    monitor: Monitor,
    baseline: Baseline,
    start: datetime,
    end: datetime,
    without: Sequence[tuple[datetime, datetime]],
) -> Baseline:
    """Sum stored buckets of the same bins, leaving stretches out, a day at a time, and calibrate on them."""
    timeline = Timeline.of_baseline(monitor, baseline.layouts, start, end)
    profiles: dict[Any, Any] = {}
    bucket_rows: list[int] = []
    count = 0
    versions: dict[str, dict[str, list[float]]] = {}
    for rows in _stored_days(database, monitor, baseline, start, end):
        kept = {at: row for at, row in rows.items() if not any(first <= at < last for first, last in without)}
        profiles = add_profiles([profiles, *(row.profiles for row in kept.values())])
        facts = [row.facts for row in kept.values()]
        for at, row in kept.items():
            timeline.add(at, row.facts.whole_requests, row.profiles, row.facts.clients)
        bucket_rows += [f.whole_requests for f in facts]
        count += sum(f.rows for f in facts)
        for f in facts:
            merge_versions(versions, f)
    seconds = monitor.bucket.total_seconds()
    calibration, slots = calibrate(monitor, timeline, baseline.layouts, profiles.get(None))
    renewed = Baseline(
        id=baseline.id,
        layout=baseline.layout,
        layouts=baseline.layouts,
        profiles=profiles,
        traffic=Traffic(tuple(bucket_rows), seconds),
        rows=count,
        start=start,
        end=end,
        facts={
            "bucket_rows": bucket_rows,
            "bucket_seconds": seconds,
            "requests": sum(bucket_rows),
            "versions": versions,
            "review": review_baseline(monitor, timeline, versions).to_json(),
        },
        calibration=calibration,
        slots=slots,
        previous=_last_stretch(monitor, timeline),
    )
    renewed = measure_sensitivity(monitor, renewed)
    return replace(renewed, calibration=keep_finest(baseline.calibration, renewed.calibration))


def _stored_days(
    database: Database, monitor: Monitor, baseline: Baseline, start: datetime, end: datetime
) -> Iterator[dict[datetime, BucketSummary]]:
    """Yield the stored buckets of a stretch that have a baseline's bins, a day at a time."""
    while start < end:
        stop = min(start + BATCH, end)
        with database.read() as connection:
            rows = windows.load_window(connection, monitor.name, baseline, start, stop)
        yield rows
        start = stop


def sum_previous(
    database: Database, monitor: Monitor, baseline: Baseline, start: datetime, end: datetime
) -> dict[str | None, dict[str, Profile]]:
    """Sum the stored buckets of the stretch before a window."""
    profiles: dict[str | None, dict[str, Profile]] = {}
    for rows in _stored_days(database, monitor, baseline, start, end):
        profiles = add_profiles([profiles, *(row.profiles for row in rows.values())])
    return profiles


def with_previous(reader: Reader, monitor: Monitor, baseline: Baseline, window_start: datetime) -> Baseline:
    """Return a baseline with what lies before a window, read from the source, where windows are compared with that."""
    if monitor.baseline.previous is None:
        return baseline
    start, end = previous_stretch(monitor, monitor.baseline.previous, window_start)
    parts = profile_buckets(reader, monitor, baseline.layouts, start, end)
    return replace(baseline, previous=add_profiles([profiler.profiles() for _, profiler in parts]))


def merge_versions(total: dict[str, dict[str, list[float]]], facts: Facts) -> None:
    """Add the versions of a bucket to those of a stretch, in place."""
    for role, values in facts.versions.items():
        held = total.setdefault(role, {})
        for value, (count, first, last) in values.items():
            old = held.get(value, [0, first, last])
            held[value] = [old[0] + count, min(old[1], first), max(old[2], last)]
