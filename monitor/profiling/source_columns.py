"""Determine the columns of a source that a monitor reads."""

from __future__ import annotations

from collections.abc import Mapping

from detectors import Binning
from detectors.performance.rates import judged_column, labelled_column
from detectors.weights import LABEL_PROBABILITY
from monitor.config.models import Monitor
from monitor.config.presets import PRESETS
from monitor.config.signals import resolve
from monitor.profiling.ab_counts import required_columns
from monitor.profiling.clients import CLIENTS
from monitor.profiling.facts import VERSION_ROLES
from monitor.profiling.weights import has_label_probability, weights_read
from monitor.sources.traffic_roles import role_columns

OUTCOME_ROLES = ("score", "prediction", "label")


def columns_to_read(monitor: Monitor, layouts: Mapping[str, Binning], schema: Mapping[str, str]) -> list[str]:
    """Return the columns to read: monitored columns, inputs of signals, segments, versions and the id."""
    signals = resolve(monitor.signals)
    made = {signal.name for signal in signals}
    made |= {column(signal) for signal in monitor.rates for column in (labelled_column, judged_column)}
    names: list[str] = [name for name in layouts if name not in made]
    names += [role for signal in signals for role in (*signal.needs, *signal.uses)]
    preset = monitor.source.preset
    names += [*monitor.segments, *VERSION_ROLES, "id", *(PRESETS[preset].clients if preset else CLIENTS)]
    names += weights_read(monitor)
    names += OUTCOME_ROLES if monitor.performance else ()
    names += ["label"] if monitor.rates else []
    names += [LABEL_PROBABILITY] if has_label_probability(monitor) else []
    names += [name for spec in monitor.experiments for name in required_columns(spec)]
    names += role_columns(monitor, schema)
    names += [monitor.money, "input_tokens", "output_tokens"] if monitor.budgets else []
    names += [check.by for check in monitor.budgets if check.by]
    return [name for name in dict.fromkeys(names) if name in schema]
