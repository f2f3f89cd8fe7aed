"""Choose the monitored columns of a baseline and learn their bins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from detectors.binning import Binning
from monitor.config.models import ConfigError, Monitor
from monitor.config.signals import resolve
from monitor.core.record_batch import RecordBatch
from monitor.profiling.features import Choice, choose
from monitor.profiling.learn import Learner
from monitor.profiling.signals import protect_values, with_signals
from monitor.profiling.source_columns import columns_to_read
from monitor.profiling.weights import has_label_probability
from monitor.sources.base import Reader, SourceError, read_in_steps
from monitor.sources.traffic_roles import keep_monitored

Note = Callable[[Sequence[Choice]], None]
"""Receives the choices of columns when a baseline is learnt, each with its reason."""


def no_note(_choices: Sequence[Choice]) -> None:
    """Ignore the choices."""


def learn_layouts(
    reader: Reader, monitor: Monitor, start: datetime, end: datetime, note: Note = no_note
) -> dict[str, Binning]:
    """Choose the monitored columns and learn their bins."""
    try:
        choices = choose(monitor, reader.describe(until=end))
    except ConfigError as error:
        raise SourceError("missing_column", str(error)) from error
    _check_outcome(monitor, list(reader.schema()))
    blank = {choice.name: Binning(kind=choice.kind) for choice in choices if choice.kind}
    pages = read_in_steps(reader, columns_to_read(monitor, blank, reader.schema()), start, end)
    return learn_from_pages(monitor, choices, pages, note)


def learn_from_pages(
    monitor: Monitor, choices: Sequence[Choice], pages: Iterable[RecordBatch], note: Note
) -> dict[str, Binning]:
    """Learn the bins of the chosen columns, and report the choices after all values have been read."""
    kinds = {choice.name: choice.kind for choice in choices if choice.kind}
    computed = {signal.name for signal in resolve(monitor.signals)}
    screened = {choice.name for choice in choices if not choice.listed} - computed
    weighted = has_label_probability(monitor)
    listed = [name for name, kind in kinds.items() if kind == "categorical" and name not in screened]
    learner = Learner(kinds, monitor.performance, monitor.rates, screened, weighted_labels=weighted)
    for page in pages:
        records = with_signals(keep_monitored(page, monitor), monitor.signals)
        learner.add(protect_values(records, monitor, listed))
    layouts, out = learner.layouts(), learner.left_out
    note([Choice(each.name, None, out[each.name]) if each.name in out else each for each in choices])
    return layouts


def _check_outcome(monitor: Monitor, columns: Sequence[str]) -> None:
    """Raise if a `performance` check lacks its columns."""
    if monitor.performance is None or ("label" in columns and {"score", "prediction"} & set(columns)):
        return
    raise SourceError(
        "missing_column",
        f"monitor {monitor.name}: the check `performance` needs the roles `label`, and `score` (of a classifier, "
        f"0 to 1) or `prediction` (of a regression), under `columns:`. Columns: {', '.join(columns)}.",
    )
