"""Sum the served requests of a range of the source by plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from detectors.cost.savings import Cells, Plan, merge
from monitor.config.models import Monitor
from monitor.config.money import Savings
from monitor.config.signals import resolve
from monitor.jobs.savings_columns import check_columns, required_columns, select_columns
from monitor.jobs.savings_tally import find_tariff, tally_page
from monitor.profiling.signals import protect_values, with_signals
from monitor.profiling.weights import split_by_weight
from monitor.sources.base import Reader, read_in_steps
from monitor.sources.traffic_roles import keep_monitored


def count(reader: Reader, monitor: Monitor, plans: Sequence[Plan], start: datetime, end: datetime) -> dict[str, Cells]:
    """Sum the served requests of a range by plan."""
    check_columns(reader, monitor, plans)
    names = required_columns(monitor, plans)
    made = [
        entry for entry, signal in zip(monitor.signals, resolve(monitor.signals), strict=True) if signal.name in names
    ]
    columns = select_columns(monitor, plans, reader.schema())
    tariff = find_tariff(monitor)
    total: dict[str, Cells] = {plan.name: {} for plan in plans}
    keys = set[object]()
    task = monitor.savings.task if monitor.savings else None
    shown = [name for name in ("model_version", task) if name]
    for read in read_in_steps(reader, columns, start, end):
        weighted, _ = split_by_weight(keep_monitored(read, monitor).unseen(keys), monitor)
        page = protect_values(with_signals(weighted, made), monitor, shown)
        for plan in plans if page.rows else ():
            total[plan.name] = merge([total[plan.name], tally_page(plan, page, tariff, monitor.savings or Savings())])
    return total
