"""Estimate the cost of the errors caused by drift, and whether a retraining pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from detectors.cost.payback import Payback, RequestPeriod, payback
from monitor.config.models import Monitor
from monitor.config.money import RetrainingSpec
from monitor.profiling.facts import Facts

DAY = timedelta(days=1)


class DriftCost(Payback):
    """Cost of a drift since a time, the measure it is based on, and the payback of a retraining."""

    since: datetime
    measure: str


@dataclass(frozen=True)
class MeasuredBucket:
    """The finding of a measure at a bucket, and the facts of the bucket."""

    start: datetime
    method: str
    detail: Mapping[str, object] | None
    facts: Facts | None


def payback_since(
    measured: Sequence[MeasuredBucket], monitor: Monitor, spec: RetrainingSpec, since: datetime
) -> DriftCost:
    """Return the cost of a drift since ``since``, and whether a retraining pays."""
    rows = [row for row in measured if row.start >= since - monitor.bucket]
    by_bucket = {row.start: row for row in rows if not row.method.startswith("estimated_")}
    kinds = {row.start: by_bucket.get(row.start, row) for row in rows}
    bucket_days = monitor.bucket / DAY
    periods = [one for row in kinds.values() if (one := _stretch(row, bucket_days)) is not None]
    result = payback(periods, spec.error_cost, spec.price, spec.horizon / DAY)
    return {**result, "since": since, "measure": spec.measure}


def _stretch(row: MeasuredBucket, length: float) -> RequestPeriod | None:
    """Return the increase of the error rate in a bucket with its interval; None if the finding has no value."""
    detail = row.detail or {}
    before, value = _number(detail.get("baseline_value")), _number(detail.get("value"))
    if before is None or value is None or row.facts is None:
        return None
    low, high = _number(detail.get("low")), _number(detail.get("high"))
    low, high = value if low is None else low, value if high is None else high
    requests = round(row.facts.requests)
    if row.method == "rate_rise":
        return RequestPeriod(requests, length, value - before, low - before, high - before)
    return RequestPeriod(requests, length, before - value, before - high, before - low)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
