"""Read the example records of an incident from the source of its monitor."""

from __future__ import annotations

from monitor.config.models import Monitor
from monitor.core.incident import Incident
from monitor.jobs.example_records import ExampleRecord, read_examples
from monitor.sources.connect import connect_monitor
from monitor.store.column_scores import load_scores
from monitor.store.database import Connection


def load_examples(connection: Connection, monitor: Monitor, incident: Incident) -> list[ExampleRecord]:
    """Return the examples of an incident; empty if its distributions are not stored any more.

    Raises
    ------
    SourceError
        If the source cannot be read.
    """
    scores = load_scores(connection, monitor, incident)
    if scores is None:
        return []
    reader = connect_monitor(monitor)
    try:
        return read_examples(reader, monitor, incident, scores)
    finally:
        reader.close()
