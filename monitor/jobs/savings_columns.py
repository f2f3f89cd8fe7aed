"""The columns and signals that savings need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors.cost.savings import Plan
from detectors.signals.price import NEEDS, USES
from monitor.config.models import ConfigError, Monitor
from monitor.config.money import Savings
from monitor.config.sections import nearest
from monitor.config.signals import resolve
from monitor.profiling.weights import weights_read
from monitor.sources.base import Reader
from monitor.sources.traffic_roles import role_columns


def required_columns(monitor: Monitor, plans: Sequence[Plan]) -> list[str]:
    """Return the columns and signals that plans, quality and task need."""
    spec = monitor.savings or Savings()
    names = [condition.column for plan in plans for tier in plan.tiers for condition in tier.conditions]
    return list(dict.fromkeys([*names, *(name for name in (spec.quality, spec.task) if name)]))


def check_columns(reader: Reader, monitor: Monitor, plans: Sequence[Plan]) -> None:
    """Raise ConfigError if a column is neither logged nor a signal."""
    schema = reader.schema()
    columns = sorted({*schema, *monitor.signal_names})
    for name in required_columns(monitor, plans):
        if name not in columns:
            raise ConfigError(
                f"savings: {name!r} is neither a column nor a signal of {monitor.name}.{nearest(name, columns)}"
            )
    missing = [name for name in NEEDS if name not in schema]
    if missing:
        raise ConfigError(
            f"savings: {monitor.name} logs no {missing[0]!r}, which prices need; map it under `columns:`."
        )


def select_columns(monitor: Monitor, plans: Sequence[Plan], schema: Mapping[str, str]) -> list[str]:
    """Return the logged columns to read, including those that signals need."""
    names = required_columns(monitor, plans)
    signals = [signal for signal in resolve(monitor.signals) if signal.name in names]
    roles = [role for signal in signals for role in (*signal.needs, *signal.uses)]
    wanted = [*NEEDS, *USES, *names, *roles, *role_columns(monitor, schema), *weights_read(monitor), "id"]
    return [name for name in dict.fromkeys(wanted) if name in schema]
