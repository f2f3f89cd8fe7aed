"""Backtest: alerts of the current rules over a past period, read from the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from monitor.actions.plan_context import Receivers
from monitor.checks.baseline import Baseline
from monitor.config.models import ConfigError, Monitor
from monitor.core.schedule import floor
from monitor.jobs.backtest_decisions import BacktestDecisions
from monitor.jobs.backtest_report import report
from monitor.jobs.memory_baseline import baseline_for
from monitor.jobs.replay import SequentialStates
from monitor.jobs.replay_stretch import replay_stretch
from monitor.sources.base import Reader

CHUNK = timedelta(days=7)
RENEW_EVERY = timedelta(days=1)


def backtest(
    reader: Reader,
    monitor: Monitor,
    between: tuple[datetime, datetime],
    changes: Sequence[datetime] = (),
    progress: Callable[[int], object] = lambda _done: None,
    baseline: Baseline | None = None,
    receivers: Receivers | None = None,
) -> dict[str, Any]:
    """Replay a past period with the current rules and the baseline of that time.

    Parameters
    ----------
    between
        Start and end of the period, half-open.
    changes
        Times of known changes, whose detection delay is reported.
    progress
        Called with the number of completed buckets.
    baseline
        First baseline. By default it is learnt; a rolling one from the records before the period, and renewed once a
        day as in the daemon.
    receivers
        Receivers that the rules name: the planned actions are reported. Nothing is sent.

    Returns
    -------
    dict
        ``{monitor, from, to, weeks, pages, pages_per_week, pages_low, pages_high, updates, budget_per_week, budget,
        budget_kept, by_week, incidents, actions, changes, left_out, no_data, baseline}``; ``pages_low`` and
        ``pages_high`` are the 95 % interval of the alerts per week, and ``budget`` its comparison with the alert budget
        (see :func:`judge_budget`). ``updates`` is the number of further changes of open incidents, which are sent in
        their threads. Stattests of Evidently are left out.
    """
    start, end = (floor(moment, monitor.bucket) for moment in between)
    if start >= end:
        raise ConfigError("--from must be at least one bucket before --to.")
    baseline = baseline or baseline_for(reader, monitor, start)
    if baseline is None:
        raise ConfigError(f"there is no baseline: fewer than {monitor.baseline.min_rows} rows in its range.")
    decisions, states = BacktestDecisions(monitor, receivers or {}), SequentialStates()
    for step, stop in _steps(monitor, start, end):
        if monitor.baseline.rolling and step > start:
            baseline = baseline_for(reader, monitor, step) or baseline
        for bucket in replay_stretch(reader, monitor, baseline, states, step, stop):
            decisions.add(bucket)
        progress((stop - step) // monitor.bucket)
    return report(monitor, baseline, decisions.log, start, end, changes)


def _steps(monitor: Monitor, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    length = max(RENEW_EVERY if monitor.baseline.rolling else CHUNK, monitor.bucket)
    while start < end:
        yield start, min(start + length, end)
        start += length
