"""Weights of records: how many requests each stands for."""

from __future__ import annotations

from detectors.weights import ROLES, UNIT, WEIGHT, weigh, weight_column
from monitor.config.models import Monitor
from monitor.core.record_batch import RecordBatch

NO_RECORDS = RecordBatch({})


def weights_read(monitor: Monitor) -> list[str]:
    """Return the roles of weights that a monitor's log may have: a column that is only called so is none."""
    return [role for role in ROLES if role in monitor.source.columns or monitor.source.preset]


def split_by_weight(records: RecordBatch, monitor: Monitor) -> tuple[RecordBatch, RecordBatch]:
    """Return the records with the weight of each, where not all weigh 1, and those whose weight cannot be used."""
    columns = records.select(weights_read(monitor))
    if not columns:
        return records, NO_RECORDS
    units, usable = weigh(columns)
    if (units[usable] != UNIT).any():
        records = records.with_columns({WEIGHT: weight_column(units)})
    return (records, NO_RECORDS) if usable.all() else (records.take(usable), records.take(~usable))
