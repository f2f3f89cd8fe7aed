"""Tables of observed and expected counts, of which metrics are functions.

With labels the table has the observed counts of a window. Without, it has the expectation from the baseline's rows with
the same predictions: for a classifier the share of positives at each score, for a regression the errors of each cell.
Estimate and true value are therefore computed in the same way and comparable.

References
----------
Guillory et al., *Predicting with confidence on unseen distributions*, ICCV 2021 (expected accuracy from calibrated
scores); Białek, Nützel, Kuberski et al., *Estimating model performance under covariate shift without labels*, 2024
(confidence-based performance estimation and direct loss estimation, from NannyML's documentation); Barlow et al.,
*Statistical inference under order restrictions*, 1972 (isotonic regression).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.outcome import has_label_weights, split_sums
from detectors.stack import Counted

Table = Mapping[str, np.ndarray]

LEAST = np.finfo(np.float64).tiny
POWERS = {
    "error": 1,
    "absolute": 1,
    "squared": 2,
    "fourth": 4,
    "expected_absolute": 1,
    "expected_squared": 2,
    "expected_absolute_labelled": 1,
    "expected_squared_labelled": 2,
}
"""Sums of a regression in units of the labels' spread, and the power of that unit."""
SHIFT_GROUPS = 16
"""Groups of predictions by which the share of new rows is measured."""


def labelled_table(side: Counted) -> Table:
    """Return the table of the labelled rows.

    With weights of labels it is scaled to the effective number of labels (Kish) and includes the squared weights.
    """
    sums = split_sums(side.counts, side.layout)
    if side.layout.kind == "errors":
        sums |= {name: sums[name] * side.layout.scale**power for name, power in POWERS.items()}
    if side.layout.kind == "scores":
        sums["score"] = _mean_scores(sums, side.layout.edges)
        sums["above"] = np.append(-np.inf, side.layout.edges) >= side.layout.origin
    if has_label_weights(side.layout):
        sums |= _weighted_labels(sums)
    return sums


def _weighted_labels(sums: Table) -> dict[str, np.ndarray]:
    """Return weights and squared weights by cell and class, scaled so that both have the same sum."""
    weights, squares = (
        {label: sums[f"{label}_{part}"] for label in ("negative", "positive")} for part in ("weight", "square")
    )
    total, squared = ((part["negative"] + part["positive"]).sum(axis=-1, keepdims=True) for part in (weights, squares))
    scale = np.divide(total, squared, where=squared > 0, out=np.zeros_like(total))
    return {
        **{label: scale * part for label, part in weights.items()},
        **{f"{label}_square": scale**2 * part for label, part in squares.items()},
    }


def count_effective(table: Table) -> np.ndarray:
    """Return the effective number of labels: in the scale of a table, their sum."""
    return np.asarray(np.sum(table["positive"] + table["negative"], axis=-1))


def expected_table(baseline: Counted, side: Counted, *, labelled: bool = False) -> Table:
    """Return the expected table of a side's predictions, from the baseline and without the side's labels.

    With ``labelled``, of the labelled rows only, for comparison with their labels.
    """
    baseline_table, rows = labelled_table(baseline), _rows(side, labelled=labelled)
    if side.layout.kind == "errors":
        each = baseline_table["labelled"]
        overall = {name: baseline_table[name].sum() / max(1.0, each.sum()) for name in baseline_table}
        mean = {name: (baseline_table[name] + overall[name]) / (each + 1) for name in baseline_table}
        expected: dict[str, np.ndarray] = {name: rows * mean[name] for name in baseline_table}
        expected |= {"all": rows, "labelled": rows}
        return (
            {**expected, **_model_errors(baseline_table, labelled_table(side), labelled=labelled)}
            if side.layout.model
            else expected
        )
    likely, window_table = _likely(baseline_table), labelled_table(side)
    return {
        "positive": rows * likely,
        "negative": rows * (1 - likely),
        **{name: window_table[name] for name in ("score", "above")},
    }


def _model_errors(baseline: Table, window: Table, *, labelled: bool) -> Table:
    """Return the sums of expected errors, scaled by the ratio of observed to expected errors in the baseline."""
    errors = {}
    for name in ("absolute", "squared"):
        borne_out = baseline[name].sum() / max(baseline[f"expected_{name}_labelled"].sum(), LEAST)
        errors[name] = window[f"expected_{name}_labelled" if labelled else f"expected_{name}"] * borne_out
    return errors


def _rows(side: Counted, *, labelled: bool = False) -> np.ndarray:
    """Return the rows of each cell, or those with a label."""
    sums = labelled_table(side) if labelled else split_sums(side.counts, side.layout)
    if side.layout.kind == "errors":
        return sums["labelled" if labelled else "all"]
    labelled_rows = sums["negative"] + sums["positive"]
    return np.asarray(labelled_rows if labelled else labelled_rows + sums["unlabelled"])


def unlike(baseline: Counted, side: Counted, *, labelled: bool = False) -> np.ndarray:
    """Return the share of rows whose predictions lie where the baseline had fewer, minus its expectation by chance.

    The total variation distance over sixteen groups of equal baseline mass. It is a bound of the error of an estimate
    that is due to new rows.

    References
    ----------
    Ben-David et al., *A theory of learning from different domains*, Machine Learning 79, 2010.
    """
    before, now = _rows(baseline), _rows(side, labelled=labelled)
    n, m = max(1.0, float(before.sum())), np.maximum(1.0, now.sum(axis=-1))
    middle = (np.cumsum(before) - before / 2) / n
    group = np.minimum((middle * SHIFT_GROUPS).astype(np.int64), SHIFT_GROUPS - 1)
    old = np.bincount(group, before, minlength=SHIFT_GROUPS) / n
    new = np.stack([np.sum(now * (group == place), axis=-1) / m for place in range(SHIFT_GROUPS)], axis=-1)
    chance = np.sqrt(2 / np.pi * old * (1 - old) * (1 / m[..., None] + 1 / n))
    return np.asarray(np.maximum(0.0, (np.abs(new - old) - chance).sum(axis=-1) / 2))


def _mean_scores(table: Table, edges: np.ndarray) -> np.ndarray:
    """Return the mean score of each cell, its middle if it is empty."""
    rows = table["negative"] + table["positive"] + table["unlabelled"]
    sums = table["negative_score"] + table["positive_score"] + table["unlabelled_score"]
    middle = (np.append(0.0, edges) + np.append(edges, 1.0)) / 2
    return np.asarray(np.where(rows > 0, sums / np.maximum(rows, 1), middle))


def _likely(baseline: Table) -> np.ndarray:
    """Return the share of positives at each score: isotonic, with the score itself as one row of a cell."""
    rows = baseline["negative"] + baseline["positive"] + 1
    shares = (baseline["positive"] + baseline["score"]) / rows
    from scipy import optimize

    return np.asarray(optimize.isotonic_regression(shares, weights=rows).x, dtype=np.float64)
