"""Look up which value of a column a pseudonym stands for, in the source; nothing of it is stored."""

from __future__ import annotations

import time
from contextlib import closing

import numpy as np

from detectors.binning import category
from monitor.config.models import Monitor
from monitor.core.clock import Clock
from monitor.core.operation import Author, OperationError, Reveal
from monitor.core.pseudonym import is_pseudonym
from monitor.sources.base import READ_STEP, SourceError
from monitor.sources.connect import connect_monitor
from monitor.sources.protection import Protection
from monitor.store.database import Database
from monitor.store.operations import perform

SECONDS = 5.0
"""Time after which the search ends."""


def reveal(database: Database, monitor: Monitor, wanted: Reveal, author: Author, clock: Clock) -> str | None:
    """Return the value that a pseudonym stands for; None if the newest records of the source do not have it.

    The entry of the audit log is written before the source is read.

    Raises
    ------
    OperationError
        If it is no pseudonym, or the author may not do it.
    SourceError
        If the source cannot be read, or has no such column.
    """
    pseudonym = str(wanted.detail["pseudonym"])
    if not is_pseudonym(pseudonym):
        raise OperationError(f"{pseudonym[:40]!r} is no hash; it has the form id:1f3a9c0b7d52")
    perform(database, wanted, author, clock)
    return find_value(monitor, wanted.column, pseudonym)


def find_value(monitor: Monitor, column: str, pseudonym: str, seconds: float = SECONDS) -> str | None:
    """Search the values of a column, those of the newest records first."""
    protection, until = Protection.of(monitor), time.monotonic() + seconds
    tried: set[str] = set()
    with closing(connect_monitor(monitor)) as reader:
        if column not in reader.schema():
            raise SourceError("missing_column", f"the source of {monitor.name} has no column {column!r}.")
        end, first = reader.newest(), reader.oldest()
        while end is not None and first is not None and end >= first and time.monotonic() < until:
            for page in reader.read(end - READ_STEP, end + monitor.bucket, [column]):
                logged = page[column]
                new = set(map(category, logged.values[np.flatnonzero(~logged.missing)])) - tried
                for value in new:
                    if protection.pseudonym(value) == pseudonym:
                        return value
                tried |= new
            end -= READ_STEP
    return None
