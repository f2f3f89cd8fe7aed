"""Compute derived columns: the joint column, and joint columns of predictions or scores and labels."""

from __future__ import annotations

from collections.abc import Mapping

from detectors import Binning, Column, Records
from detectors.joint import JOINT, project
from detectors.outcome import OUTCOME, outcomes
from detectors.performance.rates import VERDICT, judged_column, labelled_column
from detectors.weights import LABEL_PROBABILITY, WEIGHT
from monitor.config.checks import RateConfig
from monitor.core.record_batch import RecordBatch

WHOLE_ONLY = (JOINT,)
"""Columns that are profiled over all rows only, not by segment."""


def derive_columns(
    records: RecordBatch, layouts: Mapping[str, Binning], rates: Mapping[str, RateConfig]
) -> dict[str, Column]:
    """Return the derived columns that have bins."""
    derived: dict[str, Column] = {}
    if JOINT in layouts:
        derived[JOINT] = project(records, layouts)
    if OUTCOME in layouts:
        derived[OUTCOME] = outcomes(records, layouts[OUTCOME])
    for signal, check in rates.items():
        if signal not in records:
            continue
        scored = {"score": records[signal]}
        if (column := labelled_column(signal)) in layouts:
            derived[column] = outcomes({**scored, **_labels(records)}, layouts[column])
        if (column := judged_column(signal)) in layouts:
            derived[column] = outcomes({**scored, **_merge_verdicts(records, check.positive)}, layouts[column])
    return derived


def _labels(records: Records) -> dict[str, Column]:
    """Return people's labels with what their weights are made of."""
    return {name: records[name] for name in ("label", LABEL_PROBABILITY, WEIGHT) if name in records}


def _merge_verdicts(records: Records, positive: str | None) -> dict[str, Column]:
    """Return human labels, with verdicts of a judge for records without a label."""
    if VERDICT not in records:
        return _labels(records)
    verdicts, labels = records[VERDICT], records.get("label")
    bad = {1.0: positive or "yes", 0.0: "no" if positive is None else f"not {positive}"}
    merged = [
        labels.values[row]
        if labels is not None and not labels.missing[row]
        else (None if verdicts.missing[row] else bad[float(verdicts.values[row])])
        for row in range(len(verdicts))
    ]
    return {"label": Column.of(merged)}
