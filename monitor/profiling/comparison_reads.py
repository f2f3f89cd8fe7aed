"""Read the records of experiments and shadows from the source in pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import numpy as np

from detectors.records import concatenate
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import ConfigError, Monitor
from monitor.config.sections import nearest
from monitor.config.signals import column_name, resolve
from monitor.core.record_batch import RecordBatch
from monitor.profiling.ab_counts import Arms, required_columns
from monitor.profiling.shadow_join import Joiner, Pairs
from monitor.profiling.signals import with_signals
from monitor.sources.base import Reader, read_in_steps
from monitor.sources.traffic_roles import keep_monitored, keep_own_arms, role_columns


def read_pages(
    reader: Reader,
    monitor: Monitor,
    spec: Experiment | Shadow,
    start: datetime,
    end: datetime,
    schema: Mapping[str, str] | None = None,
) -> Iterator[RecordBatch]:
    """Yield the pages of a time range with the columns and signals of a comparison, without duplicate ids of a role."""
    required = required_columns(spec)
    schema = reader.schema() if schema is None else schema
    signals = resolve(monitor.signals)
    computed = [entry for entry, signal in zip(monitor.signals, signals, strict=True) if signal.name in required]
    roles = [role for signal in signals if signal.name in required for role in (*signal.needs, *signal.uses)]
    names = [*required, *roles, *role_columns(monitor, schema), "id"]
    columns = [name for name in dict.fromkeys(names) if name in schema]
    served_ids, own_ids = set[object](), set[object]()
    for page in read_in_steps(reader, columns, start, end):
        served, own = (
            keep_monitored(page, monitor).unseen(served_ids),
            keep_own_arms(page, monitor, spec).unseen(own_ids),
        )
        both = RecordBatch(concatenate([served, own])) if own.rows else served
        yield with_signals(both.take(np.argsort(both.times, kind="stable")), computed)


def count_arms(reader: Reader, monitor: Monitor, spec: Experiment, start: datetime, end: datetime) -> Arms:
    """Return the counts of an experiment over a time range, which may be empty."""
    arms = Arms(spec)
    for page in read_pages(reader, monitor, spec, start, end) if start < end else ():
        arms.add(page)
    return arms


def join_shadow(
    reader: Reader,
    monitor: Monitor,
    spec: Shadow,
    start: datetime,
    until: datetime,
    step: timedelta,
    schema: Mapping[str, str] | None = None,
) -> Iterator[tuple[datetime, Pairs]]:
    """Yield the pairs of each step of a time range; records up to ``within`` before and after it are read too."""
    joiner = Joiner(spec, start, until, step)
    for page in read_pages(reader, monitor, spec, start - spec.within, until + spec.within, schema):
        joiner.add(page)
    yield from joiner.finish()


def available_columns(monitor: Monitor, schema: Mapping[str, object]) -> set[str]:
    """Return the columns that are logged or computed by a signal."""
    return {*schema, *(column_name(entry) for entry in monitor.signals)}


def check_columns(reader: Reader, monitor: Monitor, spec: Experiment | Shadow) -> None:
    """Raise ConfigError if a comparison needs a column that is neither logged nor computed by a signal."""
    available = available_columns(monitor, reader.schema())
    missing = [name for name in required_columns(spec) if name not in available]
    if missing:
        hint = nearest(missing[0], sorted(available))
        raise ConfigError(f"{spec.name}: {missing[0]!r} is neither a column nor a signal of {monitor.name}.{hint}")
