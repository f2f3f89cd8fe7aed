"""Weights of records and of labels: the number of requests that each represents."""

from __future__ import annotations

import numpy as np

from detectors import Column
from detectors.outcome import has_label
from detectors.weights import LABEL_PROBABILITY, ROLES, UNIT, WEIGHT, label_weights, weigh, weight_column
from monitor.config.models import Monitor
from monitor.core.record_batch import RecordBatch

NO_RECORDS = RecordBatch({})


def weights_read(monitor: Monitor) -> list[str]:
    """Return the roles of weights that the source may have; an unmapped column of the same name is not one."""
    return [role for role in ROLES if role in monitor.source.columns or monitor.source.preset]


def split_by_weight(records: RecordBatch, monitor: Monitor) -> tuple[RecordBatch, RecordBatch]:
    """Return the records with a valid weight, with a weight column unless all are 1, and the others."""
    columns = records.select(weights_read(monitor))
    if not columns:
        return records, NO_RECORDS
    units, usable = weigh(columns)
    if (units[usable] != UNIT).any():
        records = records.with_columns({WEIGHT: weight_column(units)})
    return (records, NO_RECORDS) if usable.all() else (records.take(usable), records.take(~usable))


def has_label_probability(monitor: Monitor) -> bool:
    """Say whether the log has the probability with which each row was selected for labelling."""
    return LABEL_PROBABILITY in monitor.source.columns


def split_labels_by_weight(records: RecordBatch) -> tuple[RecordBatch, int]:
    """Return the records without the labels whose probability cannot be used, and how many those are."""
    if "label" not in records:
        return records, 0
    label = records["label"]
    unusable = has_label(label) & np.isnan(label_weights(records))
    if not unusable.any():
        return records, 0
    return records.with_columns({"label": Column(label.values, label.missing | unusable)}), int(unusable.sum())
