"""Shared by `driftd experiments` and `driftd shadows`: load the counts of the daemon, or else read the records."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import typer

from monitor.checks.comparisons import ComparisonState
from monitor.cli.connections import open_reader
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import Config, Monitor
from monitor.core.record_batch import RecordBatch
from monitor.profiling.ab_counts import definition
from monitor.profiling.comparison_reads import check_columns, read_pages
from monitor.sources.base import Reader
from monitor.store import comparisons
from monitor.store.database import Database, DatabaseError, StoreError


def load_states(
    config: Config, monitor: Monitor, kind: str, specs: Sequence[Experiment] | Sequence[Shadow]
) -> dict[str, ComparisonState]:
    """Return the stored counts of each comparison with its current definition; empty if the daemon never ran."""
    try:
        database = Database(config.store.get_secret_value())
        try:
            with database.read() as connection:
                states = comparisons.load_states(connection, monitor.name)
        finally:
            database.close()
    except (DatabaseError, StoreError):
        return {}
    definitions = {(kind, spec.name): definition(monitor, spec) for spec in specs}
    return {
        key[1]: state
        for key, state in states.items()
        if state.definition == definitions.get(key) and state.reported_at is not None
    }


def describe_source(state: ComparisonState | None) -> str:
    """Return the origin of the counts of a comparison."""
    return f"the daemon's buckets before {state.next.isoformat()}" if state else "log"


@contextmanager
def open_records(
    monitor: Monitor, spec: Experiment | Shadow, at: datetime | None, *, quiet: bool
) -> Iterator[tuple[datetime, Iterator[RecordBatch]]]:
    """Open the source; yield the end of the counted period and the batches of records."""
    with open_reader(monitor) as reader:
        end = min(at or reader.now(), spec.end or at or reader.now())
        yield end, _read(reader, monitor, spec, end, quiet=quiet)


def _read(
    reader: Reader, monitor: Monitor, spec: Experiment | Shadow, end: datetime, *, quiet: bool
) -> Iterator[RecordBatch]:
    """Yield the batches of records of a comparison, with a progress bar."""
    check_columns(reader, monitor, spec)
    length = max(1, int((end - spec.start).total_seconds()))
    with typer.progressbar(length=length, label=spec.name, hidden=quiet, file=sys.stderr) as bar:
        done = 0
        for page in read_pages(reader, monitor, spec, spec.start, end):
            if page.rows:
                reached = int(float(page.times[-1]) - spec.start.timestamp())
                bar.update(max(0, reached - done))
                done = max(done, reached)
            yield page
