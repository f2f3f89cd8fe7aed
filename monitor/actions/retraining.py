"""Build the payload of a retraining webhook: what drifted since when, training data, and model performance.

The models below define its schema, from which docs/webhooks.md is generated. Within a version, fields are only added.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict

from detectors import PERFORMANCE
from detectors.base import Finding, Status
from detectors.joint import JOINT
from detectors.outcome import OUTCOME
from monitor.checks.baseline import Baseline
from monitor.config.models import Monitor
from monitor.config.rules import COMPARED
from monitor.config.signals import column_name
from monitor.core.incident import Incident
from monitor.core.payload import EventData, Payload, RetrainingData

VERSION = 1
LARGEST = 20_000
"""Maximum size of the body in bytes."""
LONGEST = 300
LONGEST_QUERY = 1500
MOST_DRIFTED = 30
ESTIMATED = "estimated_"


class PayloadSection(BaseModel):
    """A section of the body; unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Drifted(PayloadSection):
    """A finding that drifted."""

    column: str
    """Column or signal; `(joint)` stands for all columns together, `(performance)` for the model's performance."""
    part: Literal["input", "output", "signal", "joint", "performance"]
    """Role of the column for the model, such as input or output."""
    check: str
    """Name of the check."""
    method: str
    """Detector that measured it."""
    segment: str | None
    """Segment that it was measured in, `COLUMN=VALUE`; null for all rows."""
    statistic: float
    """Size of the change, in `unit`."""
    threshold: float
    """Threshold of the statistic."""
    unit: str
    """Unit of statistic and threshold."""
    share: float
    """Share of the window's rows that were measured."""
    rows: int
    """Number of rows of the window that were measured."""
    reason: str
    """The finding as a sentence."""


class Columns(PayloadSection):
    """Number of monitored columns that drifted."""

    checked: int
    """Number of columns that could be measured over all rows."""
    drifted: int
    """Number of these with a drifted finding."""


class Concept(PayloadSection):
    """Whether the relation between inputs and labels has changed, as far as labels show."""

    drifted: bool | None
    """True if performance fell and the estimate, which assumes the old relation, missed it; null without labels."""
    why: str
    """What this conclusion is based on."""


class TrainingRange(PayloadSection):
    """A half-open time range of records to train on."""

    what: Literal["since_change", "baseline"]
    """Which records: those since the change, or those of the baseline."""
    start: datetime
    """Start, in UTC."""
    end: datetime
    """End, exclusive, in UTC."""
    rows: int
    """Number of records of served traffic that driftd counted in the range; without those of `not_served`."""
    labels: int | None
    """Number of these with a label so far; null if unknown or if there are no labels."""
    condition: str
    """SQL condition that selects the range, in the dialect of the source."""
    exact: bool
    """False if the condition selects slightly more, so that the time must be filtered as well."""


class NotServed(PayloadSection):
    """Records of the source that are not user traffic: exclude them from training."""

    column: str
    """Column of the source that marks them."""
    values: list[str]
    """Values of the column that mark such records."""
    start: datetime | None
    """Start of the time range in which they do, in UTC; null for always."""
    end: datetime | None
    """End of that range, exclusive; null if it is open."""


class RecordLocation(PayloadSection):
    """Location of the records, without credentials."""

    table: str | None
    """Table or view."""
    query: str | None
    """Query of the source, if it has one of at most 1,500 characters."""
    preset: str | None
    """Preset that reads the table."""
    dialect: str
    """SQL dialect of the condition."""
    columns: int
    """Number of columns."""
    schema_fingerprint: str
    """SHA-256 of the sorted columns and their types; changes with the schema."""
    not_served: list[NotServed] = []
    """Records that the condition also selects although they are not user traffic."""


class PerformanceMetric(PayloadSection):
    """A performance metric in the newest window for which it is known."""

    metric: str
    """Name of the metric, such as `roc_auc` or `mae`."""
    kind: Literal["realised", "estimated"]
    """Whether it was measured with labels or estimated without."""
    value: float
    """Current value."""
    low: float | None
    """Lower end of its 95 % interval."""
    high: float | None
    """Upper end of its 95 % interval."""
    baseline: float | None
    """Value in the baseline."""
    rows: int
    """Number of rows it was computed from."""


class Retraining(PayloadSection):
    """Field `data.retraining` of the body of a retrain effect."""

    version: Literal[1]
    """Version of this schema."""
    since: datetime
    """Start of the drift, as far as it is known."""
    since_is: str
    """What `since` refers to."""
    columns: Columns
    """How many columns drifted."""
    concept: Concept
    """Whether the concept drifted: the relation between inputs and labels."""
    drifted: list[Drifted]
    """Findings that drifted, worst first."""
    left_out: int
    """Number of drifted findings that are not listed because of the size limit of the body."""
    windows: list[TrainingRange]
    """Time ranges of records to train on."""
    snapshot: RecordLocation
    """Where to read the records."""
    performance: list[PerformanceMetric]
    """Performance of the model."""
    cost_of_drift: float | None
    """Estimated cost of the errors that the drift has caused so far, if known."""
    currency: str | None
    """Currency of `cost_of_drift`."""


def schema() -> dict[str, object]:
    """Return the JSON schema of the body of a retrain action."""
    part = Retraining.model_json_schema(ref_template="#/$defs/{model}")
    inner = part.pop("$defs")
    text, moment = {"type": "string"}, {"type": "string", "format": "date-time"}
    some = {"type": ["object", "null"]}
    incident = {**dict.fromkeys(("id", "state", "rule", "reason"), text), "opened_at": moment}
    window = {"start": moment, "end": moment}
    data = {
        "monitor": text,
        "severity": text,
        "headline": text,
        "incident": _object(incident),
        "window": _object(window),
        "observed_version": some,
        "suspected_change": some,
        "suspects": {"type": "array", "items": {"type": "object"}},
        "acknowledged_by": {"type": ["string", "null"]},
        "assignee": {"type": ["string", "null"]},
        "target": some,
        "changes": {"type": "array", "items": {"type": "object"}},
        "findings": {"type": "array", "items": {"type": "object"}, "maxItems": 10},
        "not_after": moment,
        "approvals": {"type": "integer"},
        "first_bad_at": moment,
        "verify_within": {"type": ["number", "null"]},
        "dry_run": {"type": "boolean"},
        "retraining": {"anyOf": [{"$ref": "#/$defs/Retraining"}, {"type": "null"}]},
    }
    body = _object({"type": {"const": "driftd.retrain"}, "timestamp": moment, "data": _object(data)})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "driftd.retrain",
        **body,
        "$defs": {**inner, "Retraining": part},
    }


def _object(properties: Mapping[str, object]) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": sorted(properties), "additionalProperties": False}


@dataclass(frozen=True)
class TrainingLog:
    """Record counts, schema and SQL conditions of the source, for the payload."""

    rows: Callable[[datetime, datetime], tuple[int, int]]
    condition: Callable[[datetime, datetime], tuple[str, bool]]
    schema: Mapping[str, str]
    dialect: str
    cost: float | None = None


def retraining(
    monitor: Monitor,
    incident: Incident,
    findings: Sequence[Finding],
    baseline: Baseline,
    end: datetime,
    window_rows: int,
    log: TrainingLog,
) -> RetrainingData:
    """Return the field `data.retraining` of the payload, as JSON types of bounded size.

    Parameters
    ----------
    findings
        All findings of the bucket that ends at ``end``. Those of budgets, objectives and comparisons are ignored, since
        they are not about columns that a model is trained on.
    window_rows
        Rows of the newest window, to compute shares.
    """
    limits = {check.finding_name for check in (*monitor.budgets, *monitor.objectives)}
    about_model = [f for f in findings if f.about != "pipe" and f.check not in (*limits, *COMPARED)]
    bad = sorted((f for f in about_model if f.is_adverse), key=lambda f: (-f.excess, f.key))
    since, since_is = _since(incident, monitor.bucket)
    stretches: list[tuple[Literal["since_change", "baseline"], datetime, datetime]] = [("since_change", since, end)]
    if baseline.start is not None and baseline.end is not None:
        stretches.append(("baseline", baseline.start, baseline.end))
    drifted = [_describe_drift(monitor, finding, window_rows) for finding in bad if finding.statistic is not None]
    made = Retraining(
        version=VERSION,
        since=since,
        since_is=_cut(since_is),
        columns=_columns(about_model),
        concept=_concept(about_model),
        drifted=drifted[:MOST_DRIFTED],
        left_out=max(0, len(drifted) - MOST_DRIFTED),
        windows=[_stretch(what, start, stop, log) for what, start, stop in stretches],
        snapshot=_snapshot(monitor, log),
        performance=[one for finding in about_model if (one := _performance(finding))],
        cost_of_drift=log.cost,
        currency=None if log.cost is None else monitor.currency,
    )
    return cast("RetrainingData", made.model_dump(mode="json"))


def wire_size(data: object) -> int:
    """Return the size of JSON types when serialised, in bytes."""
    return len(json.dumps(data, separators=(",", ":")).encode())


def fit_to_limit(body: Payload) -> Payload:
    """Truncate a body to ``LARGEST`` bytes: drop the least bad findings, then old changes, then shorten sentences."""
    data: EventData = {**body["data"]}
    made: Payload = {**body, "data": data}
    if part := data.get("retraining"):
        drifted, left_out = part["drifted"], part["left_out"]
        while wire_size(made) > LARGEST and drifted:
            drifted, left_out = drifted[:-1], left_out + 1
            data["retraining"] = {**part, "drifted": drifted, "left_out": left_out}
    while wire_size(made) > LARGEST and data["findings"]:
        data["findings"] = data["findings"][:-1]
    while wire_size(made) > LARGEST and data.get("changes"):
        data["changes"] = data["changes"][1:]
    if wire_size(made) > LARGEST:
        data["headline"] = _cut(data["headline"])
        if "summary" in data:
            data["summary"] = _cut(data["summary"])
        data["incident"] = {**data["incident"], "reason": _cut(data["incident"]["reason"])}
    return made


def _since(incident: Incident, bucket: timedelta) -> tuple[datetime, str]:
    """Return the start of the drift: the first occurrence of an earlier suspect, else the first bad bucket."""
    suspect = incident.suspected_change
    if suspect:
        first_time = datetime.fromisoformat(str(suspect["first_seen"]))
        if first_time <= incident.opened_at:
            return first_time, f"first occurrence of {suspect['column']} {suspect['value']}"
    return incident.opened_at - bucket, "start of the first bad bucket"


def _columns(findings: Sequence[Finding]) -> Columns:
    over_all = [f for f in findings if f.segment is None and f.column not in (None, JOINT, OUTCOME)]
    measured = {f.column for f in over_all if f.status in (Status.OK, Status.DRIFTED)}
    return Columns(checked=len(measured), drifted=len({f.column for f in over_all if f.is_adverse}))


def _concept(findings: Sequence[Finding]) -> Concept:
    realised = [f for f in findings if f.column == OUTCOME and f.segment is None and not f.method.startswith(ESTIMATED)]
    measured = [f for f in realised if f.status in (Status.OK, Status.DRIFTED)]
    if not measured:
        return Concept(drifted=None, why="unknown, as the window has no labels")
    fallen = [f for f in measured if f.status is Status.DRIFTED]
    if not fallen:
        return Concept(drifted=False, why="the realised performance has not fallen")
    missed = [f.method for f in fallen if f.detail.get("estimate_held") is False]
    if missed:
        why = f"{', '.join(missed)} fell below what the inputs alone explain"
        return Concept(drifted=True, why=_cut(why))
    if any("estimate_held" in f.detail for f in fallen):
        return Concept(drifted=False, why="the inputs that drifted explain the fall")
    return Concept(drifted=None, why="performance fell, and there is no estimate to compare it with")


def _describe_drift(monitor: Monitor, finding: Finding, window_rows: int) -> Drifted:
    return Drifted(
        column=_cut(finding.column or ""),
        part=_part(monitor, finding.column),
        check=finding.check,
        method=finding.method,
        segment=None if finding.segment is None else _cut(finding.segment),
        statistic=float(finding.statistic or 0.0),
        threshold=float(finding.threshold or 0.0),
        unit=finding.unit,
        share=min(1.0, finding.n_window / window_rows) if window_rows else 0.0,
        rows=finding.n_window,
        reason=_cut(finding.reason),
    )


def _part(monitor: Monitor, column: str | None) -> Literal["input", "output", "signal", "joint", "performance"]:
    if column == OUTCOME:
        return "performance"
    if column == JOINT:
        return "joint"
    if column in ("score", "prediction", "response"):
        return "output"
    return "signal" if column in {column_name(entry) for entry in monitor.signals} else "input"


def _stretch(
    what: Literal["since_change", "baseline"], start: datetime, end: datetime, log: TrainingLog
) -> TrainingRange:
    rows, labels = log.rows(start, end)
    condition, exact = log.condition(start, end)
    label_count = labels if "label" in log.schema or labels else None
    return TrainingRange(
        what=what, start=start, end=end, rows=rows, labels=label_count, condition=condition, exact=exact
    )


def _snapshot(monitor: Monitor, log: TrainingLog) -> RecordLocation:
    source, schema = monitor.source, log.schema
    query = source.query if source.query and len(source.query) <= LONGEST_QUERY else None
    written = json.dumps(sorted(schema.items()))
    return RecordLocation(
        table=source.table,
        query=query,
        preset=source.preset,
        dialect=log.dialect,
        columns=len(schema),
        schema_fingerprint=hashlib.sha256(written.encode()).hexdigest(),
        not_served=[
            NotServed(
                column=source.columns[one.column].column if one.column in source.columns else one.column,
                values=list(one.values),
                start=one.start,
                end=one.end,
            )
            for one in monitor.role_rules
        ],
    )


def _performance(finding: Finding) -> PerformanceMetric | None:
    if finding.method not in PERFORMANCE or finding.segment is not None or "value" not in finding.detail:
        return None
    value, low, high, before = (_number(finding.detail.get(k)) for k in ("value", "low", "high", "baseline_value"))
    if value is None:
        return None
    return PerformanceMetric(
        metric=finding.method.removeprefix(ESTIMATED),
        kind="estimated" if finding.method.startswith(ESTIMATED) else "realised",
        value=value,
        low=low,
        high=high,
        baseline=before,
        rows=finding.n_window,
    )


def _number(value: object) -> float | None:
    """Return a finite number, None for anything else."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
