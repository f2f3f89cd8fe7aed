"""Weights of records: how many requests each stands for."""

from __future__ import annotations

from detectors.records import Records, take
from detectors.weights import ROLES, UNIT, WEIGHT, weigh, weight_column
from monitor.config.models import Monitor


def weights_read(monitor: Monitor) -> list[str]:
    """Return the roles of weights that a monitor's log may have: a column that is only called so is none."""
    return [role for role in ROLES if role in monitor.source.columns or monitor.source.preset]


def split_by_weight(records: Records, monitor: Monitor) -> tuple[Records, Records]:
    """Return the records with the weight of each, where not all weigh 1, and those whose weight cannot be used."""
    columns = {role: records[role] for role in weights_read(monitor) if role in records}
    if not columns:
        return records, {}
    units, usable = weigh(columns)
    if (units[usable] != UNIT).any():
        records = {**records, WEIGHT: weight_column(units)}
    return (records, {}) if usable.all() else (take(records, usable), take(records, ~usable))
