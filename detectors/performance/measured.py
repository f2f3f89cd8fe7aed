"""Performance of a window against its baseline: measured with labels, estimated without.

An estimate has the interval of :mod:`~detectors.performance.interval_calibration`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Detector, Measurement
from detectors.outcome import has_label_weights
from detectors.performance.interval_calibration import Residual, ResidualHistory, calibrate_interval
from detectors.performance.metrics import LEAST, METRICS, QUANTILE, SHARES, Metric
from detectors.performance.tables import Table, count_effective, expected_table, labelled_table, unlike
from detectors.performance.weighted_intervals import PARTS, rate_interval
from detectors.stack import Counted

ESTIMATED = "estimated_"
"""Prefix of the names of metrics that are estimated without labels."""
BEYOND = 0.05
"""Excess of the share of new rows over the maximum of the record from which on an interval is not verified."""


def compare(
    metric: Metric,
    sign: int,
    estimated: bool,
    relative: bool,
    baseline: Counted,
    window: Counted,  # noqa: FBT001
) -> Measurement:
    """Return the deterioration of a metric against the baseline: in points, or as the log ratio of losses.

    ``detail`` has the metric with its 95 % sampling interval, and its value in the baseline; also the inputs of a
    record of estimates: standard error, share of new rows and, for labelled rows, the estimate without their labels.

    Limits
    ------
    A negative statistic is an improvement. Errors of a regression are clipped to 100 times the labels' spread. An
    estimate assumes that the label's distribution at a given score has not changed: it detects drift of the inputs, not
    of the concept, which requires labels.
    """
    before, now = (
        (expected_table(baseline, side) if estimated else labelled_table(side)) for side in (baseline, window)
    )
    (old, old_error), (new, error) = metric(before), metric(now)
    spread = np.sqrt(old_error**2 + error**2)
    if relative:
        change = np.log(np.maximum(new, LEAST) / np.maximum(old, LEAST))
        spread = np.sqrt((old_error / np.maximum(old, LEAST)) ** 2 + (error / np.maximum(new, LEAST)) ** 2)
    else:
        change = sign * (new - old)
    low, high = _interval(metric, now, new, error)
    detail: dict[str, Any] = {"value": new, "low": low, "high": high, "baseline_value": old}
    if np.ndim(new) == 0:
        guess = new if estimated else metric(expected_table(baseline, window, labelled=True))[0]
        detail |= {"estimated": float(guess), "error": float(error)}
        detail["new"] = float(unlike(baseline, window, labelled=not estimated))
        if has_label_weights(window.layout) and not estimated:
            detail |= {"labels_weighted": True, "labels_effective": float(count_effective(now))}
    return Measurement(change, -special.ndtri(NULL_TAIL) * spread, detail=detail)


def _interval(metric: Metric, table: Table, value: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % sampling interval of a metric; of a rate from labels with weights, that of their sums."""
    name = next((name for name in PARTS if METRICS[name] is metric), None)
    if name is not None and "positive_square" in table:
        return rate_interval(name, table)
    reach = special.ndtri(0.975) * error
    return value - reach, value + reach


def backtest_estimates(
    name: str, at: np.ndarray, parts: Iterable[tuple[np.ndarray, Counted, Counted]]
) -> ResidualHistory:
    """Return the residuals of the labelled windows of a baseline, each estimated from the rest.

    Parameters
    ----------
    name
        Of the metric.
    at
        Time of each window, in windows, ascending.
    parts
        Indices of some windows, the rest of the baseline, and those windows.
    """
    metric = METRICS[name]
    residuals: dict[int, Residual] = {}
    spans = []
    for places, rest, now in parts:
        truth, error = metric(labelled_table(now))
        guess, _ = metric(expected_table(rest, now, labelled=True))
        spans.append(float(metric(labelled_table(rest))[0]))
        rows = np.stack([at[places], truth - guess, error, unlike(rest, now, labelled=True)], axis=-1)
        residuals |= {place: Residual(*one) for place, one in zip(places.tolist(), rows.tolist(), strict=True)}
    span = 1.0 if name in SCORE_METRICS else float(np.mean(spans)) if spans else 1.0
    return ResidualHistory((), span) + [
        residuals[place] for place in sorted(residuals) if np.isfinite(residuals[place].residual)
    ]


def with_record(
    name: str, detail: Mapping[str, Any], record: ResidualHistory | None, at: float, lag: float
) -> dict[str, Any]:
    """Add the interval of the true value by the record of a metric's estimates or, with labels, whether it was correct.

    Parameters
    ----------
    name
        Of the detector of the finding.
    detail
        Result of :func:`compare`; ``low`` and ``high`` of an estimate are replaced.
    record
        Of this metric; None leaves the sampling intervals unchanged.
    at, lag
        Time of the window, and delay of labels, in windows.

    Limits
    ------
    ``known_to_hold`` states that there is a record, and that the rows are like those of checked estimates. An estimate
    cannot show whether the relation of inputs and labels has changed since the newest labels, which are from
    ``newest_label`` windows before: in that case it is wrong until labels arrive.

    Examples
    --------
    >>> record = ResidualHistory(tuple(Residual(float(place), -0.1, 0.01) for place in range(40)))
    >>> detail = {"value": 0.8, "estimated": 0.8, "error": 0.01, "new": 0.0}
    >>> result = with_record("estimated_f1", detail, record, 41.0, 1.0)
    >>> [round(result[key], 2) for key in ("value", "corrected", "low", "high")]
    [0.8, 0.7, 0.67, 0.73]
    """
    metric = name.removeprefix(ESTIMATED)
    if metric in NOT_ESTIMATED or "estimated" not in detail:
        return dict(detail)
    history = ResidualHistory() if record is None else record.until(at - lag)
    interval = calibrate_interval(history, at, detail["error"], detail["new"], lag)
    guess, most = detail["estimated"], 1.0 if metric in SHARES else np.inf
    low, middle, high = (
        float(np.clip(guess + end, 0.0, most)) for end in (interval.low, interval.middle, interval.high)
    )
    if name != metric:
        ends = {
            "corrected": middle,
            "low": low,
            "high": high,
            "record": len(history.residuals),
            "stretch": interval.stretch,
        }
        if history.residuals:
            ends["newest_label"] = max(0.0, at - history.residuals[-1].at)
        return (
            dict(detail)
            | ends
            | {"known_to_hold": bool(history.residuals) and detail["new"] <= history.most_new + BEYOND}
        )
    stated = {"at": at, "span": history.span, "estimated_low": low, "estimated_high": high}
    return dict(detail) | stated | {"estimate_held": bool(low <= detail["value"] <= high)}


def spoken(detail: Mapping[str, Any]) -> str:
    """Format the weighting of labels and the result of :func:`with_record`; empty if there is neither.

    Examples
    --------
    >>> spoken({"corrected": 0.7, "low": 0.68, "high": 0.72, "known_to_hold": True, "newest_label": 3.0})[:50]
    '; expected once labels arrive: 0.7 (0.68 to 0.72),'
    """
    weighted = "; labels are weighted by 1 / label_probability" if "labels_weighted" in detail else ""
    if "estimate_held" in detail:
        was = "contained" if detail["estimate_held"] else "did not contain"
        span = _span(detail, "estimated_")
        estimate = f"{detail['estimated']:.4g} ({span})"
        return f"{weighted}; the interval of the estimate without labels, {estimate}, {was} the measured value"
    if "corrected" not in detail:
        return weighted
    text = f"; expected once labels arrive: {detail['corrected']:.4g} ({_span(detail)})"
    if "newest_label" in detail:
        age = f"{detail['newest_label']:.3g} windows ago"
        text += f", if inputs and labels are still related as at the newest labels, {age}"
    if detail["known_to_hold"]:
        return text
    if not detail["record"]:
        return f"{text}; the interval covers sampling error only: no earlier estimate could be checked against labels"
    return (
        f"{text}; not verified: {detail['new']:.0%} of the rows are unlike those of all earlier checks against labels"
    )


def _span(detail: Mapping[str, Any], which: str = "") -> str:
    return f"{detail[which + 'low']:.4g} to {detail[which + 'high']:.4g}"


SCORE_METRICS: dict[str, tuple[int, float, float, str, str]] = {
    "accuracy": (-1, 0.05, 0.01, "fall of accuracy", "Wilson 1927"),
    "precision": (-1, 0.1, 0.02, "fall of precision", "Wilson 1927"),
    "recall": (-1, 0.1, 0.02, "fall of recall", "Wilson 1927"),
    "f1": (-1, 0.1, 0.02, "fall of F1", "van Rijsbergen 1979"),
    "roc_auc": (-1, 0.05, 0.01, "fall of the ROC AUC", "Hanley and McNeil 1982"),
    "log_loss": (1, 0.1, 0.02, "rise of the log loss", "Good 1952"),
    "brier": (1, 0.03, 0.01, "rise of the Brier score", "Brier 1950"),
    "calibration_error": (1, 0.05, 0.01, "rise of the calibration error", "Guo et al. 2017"),
}
"""Sign of a deterioration, threshold and floor in points, title, reference."""
ERROR_METRICS: dict[str, str] = {
    "mae": "rise of the mean absolute error",
    "rmse": "rise of the root mean squared error",
    "mape": "rise of the mean absolute percentage error",
    "quantile_loss": f"rise of the quantile loss at {QUANTILE:.0%}",
}
NOT_ESTIMATED = ("calibration_error", "quantile_loss")
"""Metrics without an estimate: an estimate assumes calibration, and the sign of an error requires labels."""


def _detectors() -> Iterator[Detector]:
    """Yield the detector of every metric, with labels and, where possible, estimated without."""
    for name, (sign, threshold, floor, title, citation) in SCORE_METRICS.items():
        measure = partial(compare, METRICS[name], sign, False, False)
        unit = "points" if sign < 0 else "1"
        measured = Detector(
            name, "performance", measure, frozenset({"scores"}), threshold, unit, title, citation, floor=floor
        )
        yield from _with_estimate(measured, partial(compare, METRICS[name], sign, True, False))
    for name, title in ERROR_METRICS.items():
        measure = partial(compare, METRICS[name], 1, False, True)
        measured = Detector(
            name,
            "performance",
            measure,
            frozenset({"errors"}),
            threshold=0.2,
            floor=0.05,
            unit="log ratio",
            title=title,
            citation="Hyndman and Koehler 2006",
        )
        yield from _with_estimate(measured, partial(compare, METRICS[name], 1, True, True))


def _with_estimate(measured: Detector, estimate: Callable[[Any, Any], Measurement]) -> Iterator[Detector]:
    yield measured
    if measured.name not in NOT_ESTIMATED:
        yield replace(
            measured,
            name=f"{ESTIMATED}{measured.name}",
            measure=estimate,
            title=f"estimated {measured.title}",
            citation="Guillory et al. 2021",
            counts="rows",
        )


DETECTORS: dict[str, Detector] = {detector.name: detector for detector in _detectors()}
