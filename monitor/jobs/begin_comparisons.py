"""Start configured experiments and shadows, and delete those that are no longer configured."""

from __future__ import annotations

import structlog

from monitor.checks.comparisons import Comparisons
from monitor.core.schedule import floor
from monitor.sources.base import Reader
from monitor.store import comparisons as stored_comparisons
from monitor.store.database import Database

LOG = structlog.get_logger(__name__)


def begin_comparisons(database: Database, comparisons: Comparisons, reader: Reader) -> None:
    """Start comparisons that are new or have a new definition, and delete those that are no longer configured."""
    monitor, specs, definitions = comparisons.monitor, comparisons.specs, comparisons.definitions
    with database.read() as connection:
        stored = stored_comparisons.positions(connection, monitor.name)
    new = [key for key in specs if key not in stored or stored[key][0] != definitions[key]]
    oldest = reader.oldest() if new else None
    with database.write() as connection:
        stored_comparisons.delete(connection, monitor.name, set(stored) - set(specs))
        for key in new:
            start = specs[key].start
            first = floor(max(start, oldest or start), monitor.bucket)
            stored_comparisons.begin(connection, monitor.name, *key, definitions[key], first)
            LOG.info("comparison_begun", monitor=monitor.name, kind=key[0], name=key[1], since=str(first))
