"""What a window says of the model's performance against its baseline: measured with labels, estimated without.

Each metric is a function of one table. With labels the table is what was counted. Without them it is what the
baseline leads to expect of the window's scores: of a classifier the share of positives at each score, of a regression
the errors at each size of prediction. So estimate and truth are the same arithmetic and can be compared.

References
----------
Guillory et al., *Predicting with confidence on unseen distributions*, ICCV 2021 (expected accuracy from calibrated
scores); Barlow et al., *Statistical inference under order restrictions*, 1972 (isotonic regression); Hanley, McNeil,
*The meaning and use of the area under a receiver operating characteristic curve*, Radiology 143, 1982.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy import optimize, special

from detectors.base import NULL_TAIL, Detector, Measurement
from detectors.outcome import parts_of
from detectors.performance.classification import RATES, Confusion, area, scale
from detectors.stack import Counted

Table = Mapping[str, np.ndarray]
Metric = Callable[[Table], tuple[np.ndarray, np.ndarray]]
"""Value and standard error over the last axis of a table."""

GROUPS = 10
"""Bins of the expected calibration error."""
LEAST = np.finfo(np.float64).tiny
ESTIMATED = "estimated_"
"""What the name of a metric begins with when it is estimated without labels."""
QUANTILE = 0.9
"""Of the quantile loss: missing low costs nine times what missing high does."""


def counted(side: Counted) -> Table:
    """Return the table of the rows whose label is known."""
    held = parts_of(side.counts, side.layout)
    if side.layout.kind == "scores":
        held["score"] = _mean_scores(held, side.layout.edges)
        held["above"] = np.append(-np.inf, side.layout.edges) >= side.layout.origin
    return held


def expected(baseline: Counted, side: Counted) -> Table:
    """Return the table that the baseline leads to expect of a side's predictions, labels unseen."""
    known, held = counted(baseline), counted(side)
    if side.layout.kind == "errors":
        each = known["labelled"]
        overall = {name: known[name].sum() / max(1.0, each.sum()) for name in known}
        mean = {name: (known[name] + overall[name]) / (each + 1) for name in known}
        told: dict[str, np.ndarray] = {name: held["all"] * mean[name] for name in known}
        return told | {"all": held["all"], "labelled": held["all"]}
    likely = _likely(known)
    rows = held["negative"] + held["positive"] + held["unlabelled"]
    return {
        "positive": rows * likely,
        "negative": rows * (1 - likely),
        **{name: held[name] for name in ("score", "above")},
    }


def _mean_scores(held: Table, edges: np.ndarray) -> np.ndarray:
    """Return the mean score of each cell, its middle where it is empty."""
    rows = held["negative"] + held["positive"] + held["unlabelled"]
    sums = held["negative_score"] + held["positive_score"] + held["unlabelled_score"]
    middle = (np.append(0.0, edges) + np.append(edges, 1.0)) / 2
    return np.asarray(np.where(rows > 0, sums / np.maximum(rows, 1), middle))


def _likely(known: Table) -> np.ndarray:
    """Return the share of positives at each score: isotonic, with the score itself as one row of a cell."""
    rows = known["negative"] + known["positive"] + 1
    shares = (known["positive"] + known["score"]) / rows
    return np.asarray(optimize.isotonic_regression(shares, weights=rows).x, dtype=np.float64)


# ------------------------------------------------------------------------------------------ classification


def _rate(name: str, table: Table) -> tuple[np.ndarray, np.ndarray]:
    positive, negative, above = table["positive"], table["negative"], table["above"]
    seen = Confusion(
        np.sum(positive * above, axis=-1),
        np.sum(negative * above, axis=-1),
        np.sum(positive * ~above, axis=-1),
        np.sum(negative * ~above, axis=-1),
    )
    successes, trials = RATES[name](seen)
    share = successes / np.maximum(trials, LEAST)
    pulled = (successes + 1) / (trials + 2)
    error = np.sqrt(pulled * (1 - pulled) / np.maximum(trials, 1))
    slope = 2 / (1 + share) ** 2 if name == "f1" else 1.0
    return np.where(trials > 0, scale(name, share), np.nan), slope * error


def _roc_auc(table: Table) -> tuple[np.ndarray, np.ndarray]:
    positive, negative = table["positive"], table["negative"]
    value = np.asarray(area(positive, negative))
    p, n = np.maximum(positive.sum(axis=-1), 1), np.maximum(negative.sum(axis=-1), 1)
    one, other = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (p - 1) * (one - value**2) + (n - 1) * (other - value**2)
    return value, np.sqrt(np.maximum(spread, 0.25 / np.maximum(p, n)) / (p * n))


def _loss(name: str, table: Table) -> tuple[np.ndarray, np.ndarray]:
    score = np.clip(table["score"], 1e-6, 1 - 1e-6)
    if name == "log_loss":
        if_positive, if_negative = -np.log(score), -np.log1p(-score)
    else:
        if_positive, if_negative = (1 - score) ** 2, score**2
    rows = np.maximum(np.sum(table["positive"] + table["negative"], axis=-1), LEAST)
    mean = np.sum(table["positive"] * if_positive + table["negative"] * if_negative, axis=-1) / rows
    second = np.sum(table["positive"] * if_positive**2 + table["negative"] * if_negative**2, axis=-1) / rows
    return mean, np.sqrt(np.maximum(0.0, second - mean**2) / np.maximum(rows, 1))


def _calibration_error(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean gap between score and share of positives, less what chance alone makes of it."""
    group = np.minimum((table["score"] * GROUPS).astype(np.int64), GROUPS - 1)
    each = table["positive"] + table["negative"]
    n, hits, said = (
        np.stack([np.sum(part * (group == place), axis=-1) for place in range(GROUPS)], axis=-1)
        for part in (each, table["positive"], each * table["score"])
    )
    share = (hits + 1) / (n + 2)
    spread = np.sqrt(n * share * (1 - share))
    rows = np.maximum(n.sum(axis=-1), LEAST)
    chance = np.sqrt(2 / np.pi) * spread
    return (np.abs(hits - said) - chance).sum(axis=-1) / rows, np.sqrt(np.square(spread).sum(axis=-1)) / rows


# --------------------------------------------------------------------------------------------- regression


def _mean_of(name: str, squares: str, rows: str, table: Table) -> tuple[np.ndarray, np.ndarray]:
    n = np.sum(table[rows], axis=-1)
    mean = np.sum(table[name], axis=-1) / np.maximum(n, LEAST)
    second = np.sum(table[squares], axis=-1) / np.maximum(n, LEAST)
    return mean, np.sqrt(np.maximum(0.0, second - mean**2) / np.maximum(n, 1))


def _mae(table: Table) -> tuple[np.ndarray, np.ndarray]:
    return _mean_of("absolute", "squared", "labelled", table)


def _rmse(table: Table) -> tuple[np.ndarray, np.ndarray]:
    mean, error = _mean_of("squared", "fourth", "labelled", table)
    return np.sqrt(mean), error / np.maximum(2 * np.sqrt(mean), LEAST)


def _mape(table: Table) -> tuple[np.ndarray, np.ndarray]:
    return _mean_of("relative", "relative_squared", "nonzero", table)


def _quantile_loss(table: Table) -> tuple[np.ndarray, np.ndarray]:
    high, low = (table["absolute"] + table["error"]) / 2, (table["absolute"] - table["error"]) / 2
    weighed = {"loss": (1 - QUANTILE) * high + QUANTILE * low, "labelled": table["labelled"]}
    weighed["squares"] = QUANTILE**2 * table["squared"]
    return _mean_of("loss", "squares", "labelled", weighed)


# ---------------------------------------------------------------------------------------------- detectors


def compare(
    metric: Metric,
    sign: int,
    estimated: bool,
    relative: bool,
    baseline: Counted,
    window: Counted,  # noqa: FBT001
) -> Measurement:
    """Say by how much a metric is worse than in the baseline: in points, or as the logarithm of a ratio of losses.

    ``detail`` holds the metric now, with its 95 % interval, and in the baseline; and where labels are known also
    what would have been estimated without them, and whether that lay within its own interval of the truth.

    Limits
    ------
    A negative statistic is an improvement. Errors of a regression beyond 100 times the truth's spread are cut.
    An estimate trusts that the answer at a given score is what it was: it sees drift of the inputs, not of the
    concept. That is what labels are for.
    """
    before, now = ((expected(baseline, side) if estimated else counted(side)) for side in (baseline, window))
    (old, old_error), (new, error) = metric(before), metric(now)
    spread = np.sqrt(old_error**2 + error**2)
    if relative:
        change = np.log(np.maximum(new, LEAST) / np.maximum(old, LEAST))
        spread = np.sqrt((old_error / np.maximum(old, LEAST)) ** 2 + (error / np.maximum(new, LEAST)) ** 2)
    else:
        change = sign * (new - old)
    reach = special.ndtri(0.975) * error
    detail: dict[str, Any] = {"value": new, "low": new - reach, "high": new + reach, "baseline_value": old}
    if not estimated and np.ndim(new) == 0:
        detail |= _estimate_beside(metric, baseline, window, float(new), float(error))
    return Measurement(change, -special.ndtri(NULL_TAIL) * spread, detail=detail)


def _estimate_beside(
    metric: Metric, baseline: Counted, window: Counted, truth: float, error: float
) -> dict[str, object]:
    """Say what would have been estimated of the same window, and whether the truth bears it out."""
    guess, doubt = (float(part) for part in metric(expected(baseline, window)))
    reach = float(special.ndtri(0.975)) * float(np.hypot(doubt, error))
    return {"estimated": guess, "estimated_reach": reach, "estimate_held": abs(guess - truth) <= reach}


def misses(guess: np.ndarray, truth: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return how far estimated changes lay from measured ones, in half widths of the estimate's interval.

    All of shape (windows,), ``noise`` as in :class:`~detectors.base.Measurement`; NaN where either is not known.
    """
    reach = noise * (special.ndtri(0.975) / -special.ndtri(NULL_TAIL))
    return np.asarray(np.abs(guess - truth) / np.maximum(reach, LEAST))


def with_record(name: str, detail: Mapping[str, Any], doubts: Mapping[str, float]) -> dict[str, Any]:
    """Widen the intervals that a finding states by the record of its metric's estimates.

    Parameters
    ----------
    name
        Of the detector that made the finding.
    detail
        As :func:`compare` made it.
    doubts
        Metric to the factor of :func:`~detectors.performance.estimate.doubt`.

    Examples
    --------
    >>> with_record("estimated_f1", {"value": 0.5, "low": 0.25, "high": 0.75}, {"f1": 2.0})
    {'value': 0.5, 'low': 0.0, 'high': 1.0}
    """
    factor = doubts.get(name.removeprefix(ESTIMATED), 1.0)
    told = dict(detail)
    if name.startswith(ESTIMATED):
        told |= {end: told["value"] + factor * (told[end] - told["value"]) for end in ("low", "high") if end in told}
    elif "estimated_reach" in told:
        told["estimated_reach"] *= factor
        told["estimate_held"] = abs(told["estimated"] - told["value"]) <= told["estimated_reach"]
    return told


SCORE_METRICS: dict[str, tuple[Metric, int, float, float, str, str]] = {
    "accuracy": (partial(_rate, "accuracy"), -1, 0.05, 0.01, "fall of accuracy", "Wilson 1927"),
    "precision": (partial(_rate, "precision"), -1, 0.1, 0.02, "fall of precision", "Wilson 1927"),
    "recall": (partial(_rate, "recall"), -1, 0.1, 0.02, "fall of recall", "Wilson 1927"),
    "f1": (partial(_rate, "f1"), -1, 0.1, 0.02, "fall of F1", "van Rijsbergen 1979"),
    "roc_auc": (_roc_auc, -1, 0.05, 0.01, "fall of the ROC AUC", "Hanley and McNeil 1982"),
    "log_loss": (partial(_loss, "log_loss"), 1, 0.1, 0.02, "rise of the log loss", "Good 1952"),
    "brier": (partial(_loss, "brier"), 1, 0.03, 0.01, "rise of the Brier score", "Brier 1950"),
    "calibration_error": (_calibration_error, 1, 0.05, 0.01, "rise of the calibration error", "Guo et al. 2017"),
}
"""Metric, the sign of what is worse, threshold and floor in points, title, source."""
ERROR_METRICS: dict[str, tuple[Metric, str]] = {
    "mae": (_mae, "rise of the mean absolute error"),
    "rmse": (_rmse, "rise of the root mean squared error"),
    "mape": (_mape, "rise of the mean absolute percentage error"),
    "quantile_loss": (_quantile_loss, f"rise of the quantile loss at {QUANTILE:.0%}"),
}
NOT_ESTIMATED = ("calibration_error", "quantile_loss")
"""An estimate takes the calibration for granted; and the sign of an error is not known without labels."""


def _detectors() -> dict[str, Detector]:
    made: list[Detector] = []
    for name, (metric, sign, threshold, floor, title, source) in SCORE_METRICS.items():
        for estimated in (False, True) if name not in NOT_ESTIMATED else (False,):
            made.append(
                _detector(
                    name, "scores", partial(compare, metric, sign, estimated, False), threshold, floor,
                    "points" if sign < 0 else "1", title, source, estimated=estimated,
                )
            )  # fmt: skip
    for name, (metric, title) in ERROR_METRICS.items():
        for estimated in (False, True) if name not in NOT_ESTIMATED else (False,):
            made.append(
                _detector(
                    name, "errors", partial(compare, metric, 1, estimated, True), 0.2, 0.05, "log ratio", title,
                    "Hyndman and Koehler 2006", estimated=estimated,
                )
            )  # fmt: skip
    return {detector.name: detector for detector in made}


def _detector(
    name: str,
    kind: Any,  # noqa: ANN401
    measure: Callable[[Any, Any], Measurement],
    threshold: float,
    floor: float,
    unit: str,
    title: str,
    source: str,
    *,
    estimated: bool,
) -> Detector:
    return Detector(
        name=f"{ESTIMATED}{name}" if estimated else name,
        check="performance",
        measure=measure,
        kinds=frozenset({kind}),
        threshold=threshold,
        floor=floor,
        unit=unit,
        title=f"estimated {title}" if estimated else title,
        citation="Guillory et al. 2021" if estimated else source,
        counts="rows" if estimated else "usable",
    )


DETECTORS: dict[str, Detector] = _detectors()
