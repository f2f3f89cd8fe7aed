"""Add the columns of signals to records; in this process by default, in workers where strangers write the texts.

Signals read the original values; afterwards, values that must not be stored are replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from detectors.records import Column, Records, concatenate, row_count, take
from monitor.config.models import Monitor
from monitor.config.signals import Entry, resolve
from monitor.core.record_batch import RecordBatch
from monitor.profiling.facts import VERSION_ROLES
from monitor.sources.protection import Protection

TOGETHER = 256
"""Number of records that pass through all signals at once, so that signals share cached analyses of a text."""
QUARANTINED = "(quarantined)"
"""Column with the reason for which a record has no signals, missing for all others; absent if all records have some."""

Evaluator = Callable[[Sequence[Entry], Records], Records]
"""Returns the columns of signals, whose inputs the records have, and perhaps `QUARANTINED`."""


def with_signals(records: RecordBatch, signals: Sequence[Entry]) -> RecordBatch:
    """Add the columns of the configured signals, except those whose inputs are not logged."""
    resolved = zip(signals, resolve(signals), strict=True)
    ready = [(entry, signal) for entry, signal in resolved if all(role in records for role in signal.needs)]
    if not ready or not records.rows:
        return records
    roles = {role for _, signal in ready for role in (*signal.needs, *signal.uses)}
    return records.with_columns(_evaluators[-1]([entry for entry, _ in ready], dict(records.select(roles))))


def evaluate_chunk(entries: Sequence[Entry], records: Records) -> dict[str, Column]:
    """Return the columns of signals; a pure function that any executor can run, on any part of the records."""
    return {signal.name: signal.compute(records) for signal in resolve(entries)}


def evaluate_here(entries: Sequence[Entry], records: Records) -> Records:
    """Evaluate signals in this process; what they raise ends the bucket."""
    rows = row_count(records)
    starts = range(0, rows, TOGETHER)
    parts = (take(records, np.arange(start, min(start + TOGETHER, rows))) for start in starts)
    return concatenate([evaluate_chunk(entries, part) for part in parts])


_evaluators: list[Evaluator] = [evaluate_here]


@contextmanager
def evaluating_by(evaluator: Evaluator) -> Iterator[None]:
    """Let all threads of this process evaluate signals in another way."""
    _evaluators.append(evaluator)
    try:
        yield
    finally:
        _evaluators.remove(evaluator)


def protect_values(records: RecordBatch, monitor: Monitor, columns: Iterable[str]) -> RecordBatch:
    """Return records whose named columns have only values that may be stored."""
    return Protection.of(monitor).protect(records, columns)


def stored_columns(monitor: Monitor, categories: Iterable[str]) -> list[str]:
    """Return the columns whose values are stored: monitored categories, segments, versions and those of budgets."""
    budgets = [check.by for check in monitor.budgets if check.by]
    return list(dict.fromkeys([*categories, *monitor.segments, *VERSION_ROLES, *budgets]))
