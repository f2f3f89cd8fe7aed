"""Backtest: what the present rules would have alerted over a stretch of the past, read from the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from monitor.actions.plan_actions import Receivers
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
    """Return what would have alerted in a stretch, by the present rules and the baseline of that time.

    Parameters
    ----------
    between
        Start and end of the stretch; the end is not part of it.
    changes
        Marked change points, whose delay is reported.
    progress
        Called with the number of buckets that are done.
    baseline
        The first baseline. Without it, it is learnt; a rolling one from what precedes the stretch, and moved on once a
        day as the daemon does.
    receivers
        Whom the rules name: the actions that would have been planned are reported. Nothing is sent.

    Returns
    -------
    dict
        ``{monitor, from, to, weeks, pages, pages_per_week, pages_low, pages_high, updates, budget_per_week, budget,
        budget_kept, by_week, incidents, actions, changes, left_out, no_data, baseline}``; ``pages_low`` and
        ``pages_high`` are the 95 % interval of the pages a week, and ``budget`` is what it says of the alert budget
        (see :func:`judge_budget`). ``updates`` are further changes of open incidents, which are told in their threads.
        Stattests of Evidently are left out.
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
