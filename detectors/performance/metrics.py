"""Performance metrics as functions of one table, each with its standard error; vectorised over windows.

References
----------
Hanley, McNeil, *The meaning and use of the area under a receiver operating characteristic curve*, Radiology 143, 1982;
Brier, *Verification of forecasts expressed in terms of probability*, Monthly Weather Review 78, 1950; Guo et al., *On
calibration of modern neural networks*, ICML 2017; Koenker, Bassett, *Regression quantiles*, Econometrica 46, 1978;
Hyndman, Koehler, *Another look at measures of forecast accuracy*, International Journal of Forecasting 22, 2006.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from detectors.performance.tables import Table

Metric = Callable[[Table], tuple[np.ndarray, np.ndarray]]
"""Value and standard error over the last axis of a table."""

GROUPS = 10
"""Bins of the expected calibration error."""
LEAST = np.finfo(np.float64).tiny
QUANTILE = 0.9
"""Level of the quantile loss: underestimates cost nine times as much as overestimates."""


class Confusion(NamedTuple):
    """Confusion matrix at a threshold; expected counts need not be integers."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray


RATES: dict[str, Callable[[Confusion], tuple[np.ndarray, np.ndarray]]] = {
    "accuracy": lambda confusion: (
        confusion.tp + confusion.tn,
        confusion.tp + confusion.fp + confusion.fn + confusion.tn,
    ),
    "precision": lambda confusion: (confusion.tp, confusion.tp + confusion.fp),
    "recall": lambda confusion: (confusion.tp, confusion.tp + confusion.fn),
    "f1": lambda confusion: (confusion.tp, confusion.tp + confusion.fp + confusion.fn),
}
"""Successes and trials of each rate; F1 is represented by the Jaccard index J: ``2 J / (1 + J)``."""


def scale(metric: str, share: np.ndarray) -> np.ndarray:
    """Convert the share of successes to the metric; only F1 differs."""
    return 2 * share / (1 + share) if metric == "f1" else share


def _rate(name: str, table: Table) -> tuple[np.ndarray, np.ndarray]:
    successes, trials = RATES[name](confusion(table))
    share = successes / np.maximum(trials, LEAST)
    pulled = (successes + 1) / (trials + 2)
    error = np.sqrt(pulled * (1 - pulled) / np.maximum(trials, 1))
    if "positive_square" in table:
        error = _weighted_error((successes, trials), RATES[name](confusion(table, "_square")))
    slope = 2 / (1 + share) ** 2 if name == "f1" else 1.0
    return np.where(trials > 0, scale(name, share), np.nan), slope * error


def _weighted_error(weights: tuple[np.ndarray, np.ndarray], squares: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the standard error of a share of weights, of successes and trials, with a success and a failure added.

    These two weigh ``sum(w**2) / sum(w)`` each: few heavy labels all of one kind do not make a share certain.
    """
    scale = np.divide(weights[1], squares[1], where=squares[1] > 0, out=np.zeros_like(weights[1]))
    (successes, trials), (hits, all_squares) = (
        (scale**power * part[0], scale**power * part[1]) for power, part in ((1, weights), (2, squares))
    )
    pulled = (successes + 1) / (trials + 2)
    spread = (hits + 1) * (1 - pulled) ** 2 + (all_squares - hits + 1) * pulled**2
    return np.asarray(np.sqrt(spread) / np.maximum(trials, 1))


def confusion(table: Table, part: str = "") -> Confusion:
    """Return the four counts, or with ``_square`` the four sums of squared weights."""
    positive, negative, above = table[f"positive{part}"], table[f"negative{part}"], table["above"]
    masked = (positive * above, negative * above, positive * ~above, negative * ~above)
    return Confusion(*(np.sum(each, axis=-1) for each in masked))


def area(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Return the ROC AUC of counts, shape (..., cells); ties within a cell count half. NaN with one class only."""
    pairs = positive.sum(axis=-1) * negative.sum(axis=-1)
    below = np.cumsum(negative, axis=-1) - negative / 2
    won = np.sum(positive * below, axis=-1)
    return np.asarray(np.divide(won, pairs, where=pairs > 0, out=np.full(np.shape(pairs), np.nan)))


def _roc_auc(table: Table) -> tuple[np.ndarray, np.ndarray]:
    positive, negative = table["positive"], table["negative"]
    value = np.asarray(area(positive, negative))
    p, n = (np.maximum(_effective(table, label), 1) for label in ("positive", "negative"))
    one, other = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (p - 1) * (one - value**2) + (n - 1) * (other - value**2)
    return value, np.sqrt(np.maximum(spread, 0.25 / np.maximum(p, n)) / (p * n))


def _effective(table: Table, label: str) -> np.ndarray:
    """Return the rows of a class, or how many of equal weight tell as much (Kish)."""
    rows = np.sum(table[label], axis=-1)
    if f"{label}_square" not in table:
        return np.asarray(rows)
    squares = np.sum(table[f"{label}_square"], axis=-1)
    return np.asarray(np.divide(rows**2, squares, where=squares > 0, out=np.zeros(np.shape(rows))))


def _loss(name: str, table: Table) -> tuple[np.ndarray, np.ndarray]:
    score = np.clip(table["score"], 1e-6, 1 - 1e-6)
    if name == "log_loss":
        if_positive, if_negative = -np.log(score), -np.log1p(-score)
    else:
        if_positive, if_negative = (1 - score) ** 2, score**2
    rows = np.maximum(np.sum(table["positive"] + table["negative"], axis=-1), LEAST)
    mean = np.sum(table["positive"] * if_positive + table["negative"] * if_negative, axis=-1) / rows
    if "positive_square" in table:
        sides = ((table["positive_square"], if_positive), (table["negative_square"], if_negative))
        spread = sum(squares * (loss - mean[..., None]) ** 2 for squares, loss in sides)
        return mean, np.sqrt(np.sum(spread, axis=-1)) / np.maximum(rows, 1)
    second = np.sum(table["positive"] * if_positive**2 + table["negative"] * if_negative**2, axis=-1) / rows
    return mean, np.sqrt(np.maximum(0.0, second - mean**2) / np.maximum(rows, 1))


def _calibration_error(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean gap between score and share of positives, minus its expectation by chance."""
    group = np.minimum((table["score"] * GROUPS).astype(np.int64), GROUPS - 1)
    each = table["positive"] + table["negative"]
    n, hits, predicted = (
        np.stack([np.sum(part * (group == place), axis=-1) for place in range(GROUPS)], axis=-1)
        for part in (each, table["positive"], each * table["score"])
    )
    share = (hits + 1) / (n + 2)
    spread = np.sqrt(n * share * (1 - share))
    rows = np.maximum(n.sum(axis=-1), LEAST)
    chance = np.sqrt(2 / np.pi) * spread
    return (np.abs(hits - predicted) - chance).sum(axis=-1) / rows, np.sqrt(np.square(spread).sum(axis=-1)) / rows


# --------------------------------------------------------------------------------------------- regression


def _mean_metric(name: str, squares: str, rows: str, table: Table) -> tuple[np.ndarray, np.ndarray]:
    n = np.sum(table[rows], axis=-1)
    mean = np.sum(table[name], axis=-1) / np.maximum(n, LEAST)
    second = np.sum(table[squares], axis=-1) / np.maximum(n, LEAST)
    return mean, np.sqrt(np.maximum(0.0, second - mean**2) / np.maximum(n, 1))


def _mae(table: Table) -> tuple[np.ndarray, np.ndarray]:
    return _mean_metric("absolute", "squared", "labelled", table)


def _rmse(table: Table) -> tuple[np.ndarray, np.ndarray]:
    mean, error = _mean_metric("squared", "fourth", "labelled", table)
    return np.sqrt(mean), error / np.maximum(2 * np.sqrt(mean), LEAST)


def _mape(table: Table) -> tuple[np.ndarray, np.ndarray]:
    return _mean_metric("relative", "relative_squared", "nonzero", table)


def _quantile_loss(table: Table) -> tuple[np.ndarray, np.ndarray]:
    high, low = (table["absolute"] + table["error"]) / 2, (table["absolute"] - table["error"]) / 2
    weighed = {"loss": (1 - QUANTILE) * high + QUANTILE * low, "labelled": table["labelled"]}
    weighed["squares"] = QUANTILE**2 * table["squared"]
    return _mean_metric("loss", "squares", "labelled", weighed)


OF_SCORES: dict[str, Metric] = {
    **{name: partial(_rate, name) for name in RATES},
    "roc_auc": _roc_auc,
    "log_loss": partial(_loss, "log_loss"),
    "brier": partial(_loss, "brier"),
    "calibration_error": _calibration_error,
}
"""Metrics of a classifier, by name."""
OF_ERRORS: dict[str, Metric] = {"mae": _mae, "rmse": _rmse, "mape": _mape, "quantile_loss": _quantile_loss}
"""Metrics of a regression, by name."""
METRICS: dict[str, Metric] = {**OF_SCORES, **OF_ERRORS}
"""All of them."""
SHARES = (*RATES, "roc_auc", "brier", "calibration_error")
"""Metrics of at most 1."""
