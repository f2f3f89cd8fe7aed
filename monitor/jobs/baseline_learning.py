"""Start a baseline: read it from its file, or begin to learn it from a range of the source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from monitor.baselines.definition import definition
from monitor.config.models import Monitor
from monitor.jobs.file_baseline import baseline_from_file
from monitor.jobs.learn_layouts import Note, learn_layouts
from monitor.profiling.features import Choice
from monitor.sources.base import Reader
from monitor.store import baselines, buckets
from monitor.store.database import Database
from monitor.store.spans import add_span

LOG = structlog.get_logger(__name__)


def store_file_baseline(database: Database, monitor: Monitor, reader: Reader) -> None:
    """Build and store the baseline of a file; it is active at once."""
    built = baseline_from_file(monitor, reader.schema(), _note_choices(monitor))
    with database.write() as connection:
        baselines.start_learning(connection, monitor.name, definition(monitor), built.layouts, None, None)
        stored = baselines.newest_id(connection, monitor.name, definition(monitor))
        if stored is not None:
            baselines.freeze(connection, stored[0], built, built.facts)


def start_learning(database: Database, monitor: Monitor, reader: Reader, start: datetime, end: datetime) -> None:
    """Choose columns and learn bins, and make the buckets of the range due."""
    rows = reader.counts(start, end).rows
    layouts = learn_layouts(reader, monitor, start, end, _note_choices(monitor))
    with database.write() as connection:
        again = buckets.finished_starts(connection, monitor.name, start, end + monitor.window)
        buckets.mark_stale(connection, monitor.name, sorted(again))
        add_span(connection, monitor.name, "baseline", start, end)
        baselines.start_learning(connection, monitor.name, definition(monitor), layouts, start, end)
    LOG.info("baseline_learning", monitor=monitor.name, rows=rows, columns=len(layouts))


def _note_choices(monitor: Monitor) -> Note:
    """Return a function that logs which columns a new baseline omits and why, and which contain personal data."""

    def note(choices: Sequence[Choice]) -> None:
        left_out = {choice.name: choice.reason for choice in choices if choice.kind is None}
        LOG.info("columns_not_watched", monitor=monitor.name, columns=left_out)
        for choice in choices:
            if choice.personal:
                LOG.warning("personal_data_in_baseline", monitor=monitor.name, column=choice.name, detail=choice.reason)

    return note
