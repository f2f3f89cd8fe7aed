"""The values of a breaker that has a state for each value of the column of its budget."""

from __future__ import annotations

from monitor.config.models import Monitor
from monitor.config.money import BreakerSpec
from monitor.sources.protection import Protection


def budget_column(monitor: Monitor, spec: BreakerSpec) -> str | None:
    """Return the column `by:` of the budget of a breaker."""
    check = monitor.find_budget(str(spec.budget))
    return check.by if check else None


def stored_value(monitor: Monitor, spec: BreakerSpec, value: str) -> str:
    """Return a value of a breaker as it is stored: itself or its pseudonym."""
    by = budget_column(monitor, spec)
    return Protection.of(monitor).replace(by, value) if by and value else value
