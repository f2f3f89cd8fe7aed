"""Experiments: count the records of each arm, and derive verdicts and findings from the counts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from detectors.base import Finding, Status
from detectors.binning import category, numbers, to_categories
from detectors.encoding import pack, unpack
from detectors.experiment.tally import VERSION, Tally
from detectors.experiment.verdict import SPLIT_ALPHA, Design, ExperimentVerdict, Metric, judge, settle
from detectors.records import Column
from monitor.config.arms import ComparedMetric, Experiment, Shadow
from monitor.config.models import Monitor
from monitor.config.signals import column_name
from monitor.core.plain import plain
from monitor.core.record_batch import RecordBatch

CHECK = "experiment"
"""Check name of findings of experiments. Rules must name it, since `*` does not match it."""


def metric_columns(name: str, metric: ComparedMetric) -> list[str]:
    """Return the columns that a metric is computed from."""
    return [metric.column or name, *([metric.per] if metric.per else [])]


def required_columns(spec: Experiment | Shadow) -> list[str]:
    """Return the columns and signals that a comparison reads."""
    names = [spec.arm]
    for name, metric in spec.metrics.items():
        names += metric_columns(name, metric)
    if isinstance(spec, Experiment):
        names += [name for name in (spec.unit, spec.before) if name]
    else:
        names += [spec.join, spec.answer]
    return list(dict.fromkeys(names))


def definition(monitor: Monitor, spec: Experiment | Shadow) -> str:
    """Return a fingerprint of the counted data; counts with different fingerprints cannot be added."""
    counted = spec.model_dump(mode="json", exclude={"alpha", "planned", "do", "min_agreement", "unserved"})
    for metric in counted["metrics"].values():
        for judged in ("role", "minimum", *(("better",) if isinstance(spec, Experiment) else ())):
            del metric[judged]
        if metric["winsorize_above"] is None:
            del metric["winsorize_above"]  # added later: omitted if it is not set
    source = monitor.source.model_dump(mode="json", exclude={"url"})
    made = [entry for entry in monitor.signals if column_name(entry) in required_columns(spec)]
    if monitor.traffic:
        counted["traffic"] = {role: mark.model_dump() for role, mark in monitor.traffic.items()}
    serialized = json.dumps(
        [VERSION, counted, source, made, monitor.bucket.total_seconds()], sort_keys=True, default=str
    )
    return hashlib.sha256(serialized.encode()).hexdigest()[:16]


def within(records: RecordBatch, start: datetime, end: datetime | None) -> RecordBatch:
    """Return the records of a time range."""
    seconds = records.times
    inside = (seconds >= start.timestamp()) & (seconds < (end.timestamp() if end else np.inf))
    return records if inside.all() else records.take(inside)


def metric_values(records: RecordBatch, name: str, metric: ComparedMetric) -> tuple[np.ndarray, np.ndarray]:
    """Return numerator and denominator of every record; NaN if missing."""
    column = records[metric.column or name]
    if metric.equals is not None:
        meant = np.array([category(value) == metric.equals for value in column.values], dtype=np.float64)
        y = np.where(column.missing, np.nan, meant)
    else:
        y = _numbers(column)
        if metric.winsorize_above is not None:
            y = np.minimum(y, metric.winsorize_above)
    return y, np.ones(len(y)) if metric.per is None else _numbers(records[metric.per])


def _numbers(column: Column) -> np.ndarray:
    """Return numbers; true and false, in any case, are 1 and 0."""
    values, wrong = numbers(column)
    for row in np.flatnonzero(wrong):
        values[row] = {"true": 1.0, "false": 0.0}.get(category(column.values[row]).lower(), np.nan)
    return values


class Arms:
    """The tallies of an experiment, of a page, a bucket or the whole; they can be added and subtracted."""

    def __init__(
        self, spec: Experiment, tallies: Mapping[str, Mapping[str, Tally]] | None = None, definition: str = ""
    ) -> None:
        self.spec = spec
        self.definition = definition
        empty = Tally.empty(clustered=spec.unit is not None)
        made = {arm: dict.fromkeys(spec.metrics, empty) for arm in spec.arms}
        self.tallies = {arm: dict(tallies_of_arm) for arm, tallies_of_arm in (tallies or made).items()}

    def add(self, records: RecordBatch) -> None:
        """Add a page; records outside the time range of the experiment or without its columns are ignored."""
        spec = self.spec
        if not {spec.arm, *(name for name in (spec.unit, spec.before) if name)} <= set(records):
            return
        records = within(records, spec.start, spec.end)
        whose = to_categories(records[spec.arm])
        units = to_categories(records[spec.unit]) if spec.unit else None
        before = _numbers(records[spec.before]) if spec.before else None
        for name, metric in spec.metrics.items():
            if not set(metric_columns(name, metric)) <= set(records):
                continue
            y, x = metric_values(records, name, metric)
            for arm, tallies in self.tallies.items():
                at = np.flatnonzero((whose == arm) & (True if units is None else units != ""))
                if len(at):
                    tallies[name] += Tally.of(
                        y[at], x[at], None if before is None else before[at], None if units is None else units[at]
                    )

    def __add__(self, other: Arms) -> Arms:
        """Return the tallies of the union of two disjoint sets of records."""
        return self._each(other, Tally.__add__)

    def __sub__(self, other: Arms) -> Arms:
        """Return the tallies without records that were added before."""
        return self._each(other, Tally.__sub__)

    def _each(self, other: Arms, combine: Callable[[Tally, Tally], Tally]) -> Arms:
        pairs = {
            arm: {name: combine(tally, other.tallies[arm][name]) for name, tally in tallies.items()}
            for arm, tallies in self.tallies.items()
        }
        return Arms(self.spec, pairs, self.definition)

    def to_json(self) -> dict[str, Any]:
        """Return the tallies as JSON types."""
        return {
            arm: {name: tally.to_json() for name, tally in tallies.items()} for arm, tallies in self.tallies.items()
        }

    @classmethod
    def from_json(cls, spec: Experiment, data: Mapping[str, Any]) -> Arms:
        """Return tallies from the output of :meth:`to_json` for the same arms and metrics."""
        return cls(spec, {arm: {name: Tally.from_json(data[arm][name]) for name in spec.metrics} for arm in spec.arms})

    def with_definition(self, definition: str) -> Arms:
        """Return the tallies with a definition, see :func:`definition`."""
        return Arms(self.spec, self.tallies, definition)

    def to_bytes(self) -> bytes:
        """Serialise the tallies."""
        return pack(self.to_json())

    def from_bytes(self, data: bytes) -> Arms:
        """Return tallies from the output of :meth:`to_bytes` for the same arms and metrics."""
        return Arms(self.spec, Arms.from_json(self.spec, unpack(data, dict)).tallies, self.definition)

    def verdict(self, treatment: str) -> ExperimentVerdict:
        """Return the current verdict about a treatment."""
        spec = self.spec
        metrics = [Metric(name, one.better, one.role, one.minimum) for name, one in spec.metrics.items()]
        shares = (spec.share(spec.control), spec.share(treatment))
        design = Design(shares, spec.alpha, spec.planned, len(spec.treatments))
        return judge(metrics, self.tallies[spec.control], self.tallies[treatment], design)

    def summarize(self, before: Mapping[str, Any] | None = None, at: datetime | None = None) -> dict[str, Any]:
        """Return the report of every treatment as JSON types.

        ``before`` is the previous report: a decided verdict does not change, and keeps its time.
        """
        summary: dict[str, Any] = {}
        for treatment in self.spec.treatments:
            verdict = self.verdict(treatment)
            last = (before or {}).get(treatment, {})
            word = settle(last.get("verdict"), verdict.verdict)
            same = word == last.get("verdict")
            summary[treatment] = {
                "verdict": word,
                "since": last.get("since") if same else at,
                "announced": last.get("announced", "keep running"),
                "reason": last["reason"] if same and word != verdict.verdict else verdict.reason,
                "rows": {arm: next(iter(self.tallies[arm].values())).n for arm in (self.spec.control, treatment)},
                "split_evidence": verdict.split_evidence,
                "split_p_value": min(1.0, 1 / verdict.split_evidence) if verdict.split_evidence else 1.0,
                "rows_needed": max((answer.rows_needed for answer in verdict.answers), default=0.0),
                "metrics": describe_answers(verdict),
            }
        return dict(plain(summary))


def describe_answers(verdict: ExperimentVerdict) -> list[dict[str, Any]]:
    """Return the result of each metric as JSON types; ``gain`` is the improvement, ``relative`` the relative change."""
    return [
        {
            "metric": answer.metric.name,
            "role": answer.metric.role,
            "minimum": answer.metric.minimum,
            "control": answer.difference.control,
            "treatment": answer.difference.treatment,
            "absolute": answer.difference.absolute._asdict(),
            "relative": answer.difference.relative._asdict(),
            "gain": answer.gain._asdict(),
            "verdict": answer.verdict,
            "reason": answer.reason,
            "rows": answer.difference.rows,
            "rows_needed": answer.rows_needed,
        }
        for answer in verdict.answers
    ]


def experiment_findings(spec: Experiment, summary: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of an experiment: `experiment.NAME`, the verdict, and `experiment.NAME.METRIC` by metric.

    A lost treatment is drifted, and so is a wrong split of the traffic. The latter, and findings of arms that serve no
    users, are about the data pipeline, so they do not trigger a rollback.
    """
    return [
        finding
        for treatment, one in summary.items()
        for finding in (_verdict(spec, treatment, one), *(_metric(spec, treatment, each) for each in one["metrics"]))
    ]


STATUS = {
    "win": Status.OK,
    "no difference": Status.OK,
    "keep running": Status.INCONCLUSIVE,
    "lose": Status.DRIFTED,
    "invalid": Status.DRIFTED,
}


def _verdict(spec: Experiment, treatment: str, one: Mapping[str, Any]) -> Finding:
    control, rows = (one["rows"][arm] for arm in (spec.control, treatment))
    split = one["verdict"] == "invalid"
    worst = max(one["metrics"], key=lambda each: (each["verdict"] == "lose", each["role"] == "primary"))
    statistic = math.log10(max(1.0, one["split_evidence"] or 1.0)) if split else _harm(worst)
    return Finding(
        CHECK,
        spec.name,
        "verdict",
        f"{spec.arm}={treatment}",
        STATUS[one["verdict"]],
        f"{one['verdict']}: {one['reason']}",
        statistic,
        -math.log10(SPLIT_ALPHA) if split else worst["minimum"],
        n_baseline=control,
        n_window=rows,
        unit="log10 evidence" if split else "of the control",
        about="pipe" if split or treatment in spec.unserved else "model",
        detail={"verdict": one["verdict"]},
    )


def _metric(spec: Experiment, treatment: str, each: Mapping[str, Any]) -> Finding:
    return Finding(
        CHECK,
        f"{spec.name}.{each['metric']}",
        "gain",
        f"{spec.arm}={treatment}",
        STATUS[each["verdict"]],
        each["reason"],
        _harm(each),
        each["minimum"],
        n_window=each["rows"],
        unit="of the control",
        about="pipe" if treatment in spec.unserved else "model",
        detail={bound: each["gain"][bound] for bound in ("value", "low", "high")},
    )


def _harm(each: Mapping[str, Any]) -> float | None:
    """Return the deterioration of a treatment, relative to the control."""
    return None if each["gain"]["value"] is None else -each["gain"]["value"]
