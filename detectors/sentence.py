"""Sentence of a finding, the same in all interfaces: the natural quantity, then the statistic and its threshold.

>>> Quantity("failure rate", 0.54, 0.247, 0.516, 0.565, "share").describe("model_version=doha")
'failure rate of model_version=doha 54.0 % (95 % interval 51.6–56.5 %), baseline 24.7 %'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import special

from detectors.amounts import compare_statistic, format_number, format_share, format_statistic
from detectors.base import Detector, Finding
from detectors.contribution import is_flag
from detectors.direction import TIMES_AND_COSTS
from detectors.drift.bins import quantiles
from detectors.drift.bins import shares as shares_of
from detectors.joint import JOINT
from detectors.outcome import OUTCOME
from detectors.performance.metrics import SHARES
from detectors.performance.wilson import wilson
from detectors.profile import Profile
from detectors.sequential import Sequential

RATE_NAMES = {
    "hallucinated": "hallucination rate",
    "failed": "failure rate",
    "refusal": "refusal rate",
    "truncation": "truncation rate",
    "timed_out": "timeout rate",
    "rate_limited": "rate of rate-limited requests",
    "slow": "rate of slow requests",
    "valid_json": "rate of valid JSON",
    "valid_sql": "rate of valid SQL",
    "json_schema": "rate of schema-valid JSON",
    "language_switch": "language switch rate",
    "unpriced": "rate of requests without a price",
}
"""Names of the share of rows in which a flag is 1; the default is `COLUMN rate`."""
Unit = Literal["share", "s", "1"]
DURATIONS = frozenset(TIMES_AND_COSTS) - {"cost"}
METRIC = re.compile("^(estimated )?(?:fall|rise) of (?:the )?")


@dataclass(frozen=True)
class Quantity:
    """Natural quantity of a column (a rate, a mean or a percentile) with its 95 % interval and its reference value.

    Parameters
    ----------
    reference
        Name of the reference of ``before``.
    note
        Text after the interval, such as the number of labels of an estimate.
    """

    name: str
    value: float
    before: float
    low: float
    high: float
    unit: Unit = "1"
    reference: str = "baseline"
    note: str = ""

    def describe(self, segment: str | None = None) -> str:
        """Format the quantity, of all traffic or of a segment."""
        where = f"{' in' if ' of ' in self.name else ' of'} {segment}" if segment else ""
        low, high = self._write(self.low), self._write(self.high)
        unit = " %" if self.unit == "share" else " s" if self.unit == "s" else ""
        interval = f"(95 % interval {low.removesuffix(unit) if unit else low}–{high})"
        value, before = self._write(self.value), self._write(self.before)
        return f"{self.name}{where} {value} {interval}{self.note}, {self.reference} {before}"

    def _write(self, value: float) -> str:
        return (
            format_share(value)
            if self.unit == "share"
            else f"{value:.3g} s"
            if self.unit == "s"
            else format_number(value)
        )


def describe(
    finding: Finding,
    detector: Detector,
    baseline: Profile | None = None,
    window: Profile | None = None,
    reference: str = "baseline",
) -> str:
    """Return the sentence of a finding; its reason, unchanged, if it has no statistic.

    Parameters
    ----------
    baseline, window
        The compared profiles; None if only the statistic is available.
    reference
        Name of the profile ``baseline``.
    """
    if finding.statistic is None:
        return finding.reason
    quantity = None
    if baseline is not None and window is not None:
        quantity = measure_quantity(finding, detector, baseline, window, reference)
    if quantity is not None and isinstance(detector, Sequential):
        quantity = replace(quantity, note=" in the latest records")
    return compose(finding, detector, quantity)


def compose(finding: Finding, detector: Detector, quantity: Quantity | None) -> str:
    """Format the quantity, the statistic and its threshold."""
    statistic, threshold = float(finding.statistic or 0.0), float(finding.threshold or 0.0)
    if quantity is None:
        lead = _subject(finding)
    elif quantity.value == statistic:
        return f"{quantity.describe(finding.segment)}; threshold {_limit(threshold, quantity, detector.unit)}"
    else:
        lead = quantity.describe(finding.segment)
    return f"{lead}; {compare_statistic(detector.title, statistic, threshold, detector.unit)}"


def _limit(threshold: float, quantity: Quantity, unit: str) -> str:
    return format_share(threshold) if quantity.unit == "share" else format_statistic(threshold, unit)


def _subject(finding: Finding) -> str:
    name = {JOINT: "joint distribution of all columns", OUTCOME: "performance"}.get(str(finding.column), finding.column)
    return f"{name} of {finding.segment}" if finding.segment else str(name)


def measure_quantity(
    finding: Finding, detector: Detector, baseline: Profile, window: Profile, reference: str = "baseline"
) -> Quantity | None:
    """Return the quantity of a column that best describes a finding; None for a column of vectors."""
    column, kind = str(finding.column), baseline.layout.kind
    rows, n = (_effective(finding.detail, size) for size in (window.rows, window.n))
    if detector.unusable:
        old, new = (sum(getattr(side, name) for name, _ in detector.unusable) for side in (baseline, window))
        name = "null rate" if detector.name == "missing" else "share of values that are not finite numbers"
        return _share(f"{name} of {column}", old / max(1, baseline.rows), new / max(1, window.rows), rows, reference)
    if {"value", "low", "high", "baseline_value"} <= set(finding.detail):
        return _measured(finding, detector)
    if detector.check == "range" and detector.name != "unseen" and kind == "numeric":
        old, new = (side.outside / max(1, side.n) for side in (baseline, window))
        return _share(f"share of {column} outside the baseline's range", old, new, n, reference)
    if detector.name == "unseen":
        old, new = (side.other / max(1, side.n) for side in (baseline, window))
        return _share(f"share of unseen values of {column}", old, new, n, reference)
    if kind == "categorical":
        return _largest_change(column, baseline, window, n, reference)
    return _number(finding, column, baseline, window, n, reference) if kind == "numeric" else None


def _effective(detail: Mapping[str, object], size: int) -> float:
    return float(min(size, int(str(detail.get("n_effective", size)))))


def _share(name: str, before: float, now: float, n: float, reference: str) -> Quantity:
    return Quantity(name, now, before, *wilson(now * n, n), "share", reference)


def _largest_change(column: str, baseline: Profile, window: Profile, n: float, reference: str) -> Quantity:
    """Return the share of the category with the largest change; of two, the one that gained."""
    old, new = shares_of(baseline.counts), shares_of(window.counts)
    place = int(np.argmax(np.abs(new - old) + 1e-9 * (new - old)))
    words = baseline.layout.vocabulary
    name = f"share of {column}={words[place]}" if place < len(words) else f"share of unseen values of {column}"
    return _share(name, float(old[place]), float(new[place]), n, reference)


def _number(
    finding: Finding, column: str, baseline: Profile, window: Profile, n: float, reference: str
) -> Quantity | None:
    if not baseline.n or not window.n:
        return None
    if is_flag(baseline) and is_flag(window):
        return _share(RATE_NAMES.get(column, f"{column} rate"), baseline.mean, window.mean, n, reference)
    if "quantile" in finding.detail:
        return _quantile(float(str(finding.detail["quantile"])), column, baseline, window, n, reference)
    reach = special.ndtri(0.975) * np.sqrt(window.variance / max(1.0, n))
    mean = window.mean
    return Quantity(f"mean {column}", mean, baseline.mean, mean - reach, mean + reach, find_unit(column), reference)


def find_unit(column: str) -> Unit:
    """Return the unit of a logged column: durations are in seconds, others have none."""
    return "s" if column in DURATIONS else "1"


def name_score(column: str) -> str:
    """Return the name of the mean score of a signal.

    Examples
    --------
    >>> name_score("hallucinated"), name_score("novelty")
    ('mean hallucination score', 'mean novelty score')
    """
    return f"mean {RATE_NAMES.get(column, column).removesuffix(' rate')} score"


def _quantile(level: float, column: str, baseline: Profile, window: Profile, n: float, reference: str) -> Quantity:
    reach = special.ndtri(0.975) * np.sqrt(level * (1 - level) / max(1.0, n))
    value, low, high = quantiles(window, np.array([level, level - reach, level + reach])).tolist()
    (before,) = quantiles(baseline, np.array([level])).tolist()
    return Quantity(f"p{round(100 * level, 1):g} {column}", value, before, low, high, find_unit(column), reference)


def _measured(finding: Finding, detector: Detector) -> Quantity:
    """Return the quantity that a detector measured itself: a percentile of durations, a performance metric."""
    value, low, high, before = (float(str(finding.detail[name])) for name in ("value", "low", "high", "baseline_value"))
    if "quantile" in finding.detail:
        name = f"p{round(100 * float(str(finding.detail['quantile'])), 1):g} {finding.column}"
        return Quantity(name, value, before, low, high, "s")
    name = METRIC.sub(r"\1", detector.title)
    is_share = detector.name.removeprefix("estimated_") in SHARES
    return Quantity(name, value, before, low, high, "share" if is_share else "1")
