"""Learn a baseline from a file."""

from __future__ import annotations

from collections.abc import Mapping

from detectors.quality.traffic import Traffic
from monitor.checks.baseline import Baseline
from monitor.checks.calibration import Calibration
from monitor.checks.calibration_settings import definition
from monitor.config.models import Monitor
from monitor.jobs.learn_layouts import Note, learn_from_pages, no_note
from monitor.profiling.features import choose
from monitor.profiling.profiler import Profiler
from monitor.sources import files


def baseline_from_file(monitor: Monitor, schema: Mapping[str, str], note: Note = no_note) -> Baseline:
    """Learn a baseline from a CSV, Parquet or JSONL file whose columns have the names of the source."""
    if monitor.baseline.file is None:
        raise ValueError("this baseline has no file.")
    columns, read = files.open_file(monitor.baseline.file, monitor.source)
    layouts = learn_from_pages(monitor, choose(monitor, columns), read(), note)
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
