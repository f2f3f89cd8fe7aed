"""Performance column: predictions and labels, in sums that can be merged.

Predictions are divided into cells. For a classifier, each cell counts the rows of either class and those without a
label yet; for a regression, it sums the errors of labelled rows, in units of the labels' spread. When late labels
arrive the bucket is profiled again; every metric is a function of the sums.
"""

from __future__ import annotations

import numpy as np

from detectors.binning import Binning, category, numbers
from detectors.performance.losses import LossModel
from detectors.records import Column, Records, row_count
from detectors.weights import label_weights

OUTCOME = "(performance)"
"""Name of the column, chosen to differ from those of tables."""
VERSION = 2
"""Version of the sums: bins of another version are learnt again."""
SCORE_CELLS = 200
ENDS = np.array([1e-4, 3e-4, 1e-3, 3e-3])
"""Edges near 0 (and, mirrored, near 1), for the scores of rare events."""
ERROR_CELLS = 32
UNIT = 2.0**16
"""Sums are integers in units of 1/65536, so that they add up exactly."""
FARTHEST = 100.0
"""Errors are clipped to this multiple of the labels' spread (or of the label itself)."""
SCORE_PARTS = ("negative", "positive", "unlabelled", "negative_score", "positive_score", "unlabelled_score")
WEIGHTED_PARTS = (*SCORE_PARTS, "negative_weight", "positive_weight", "negative_square", "positive_square")
"""The same where labels have a probability: the weights of the labelled rows, and the squares of these."""
SQUARE_UNIT = 256.0
"""Squares of weights are kept in units of 1/256."""
ERROR_PARTS = (
    "all",
    "labelled",
    "error",
    "absolute",
    "squared",
    "fourth",
    "relative",
    "relative_squared",
    "nonzero",
    "expected_absolute",
    "expected_squared",
    "expected_absolute_labelled",
    "expected_squared_labelled",
)
"""Sums of a regression; expected errors are 0 if the layout has no model of them."""
TRUE = ("true", "1", "yes")


def learn_scores(decision: float = 0.5, positive: str | None = None, *, weighted: bool = False) -> Binning:
    """Return the layout of a classifier's scores: 200 cells from 0 to 1, finer at both ends, one edge at ``decision``.

    Parameters
    ----------
    decision
        Smallest score of a positive answer.
    positive
        Label of the positive class; None for true, 1 or yes.
    weighted
        Whether labels have weights, because the probability of each is known.

    Examples
    --------
    >>> learn_scores().bins, learn_scores(weighted=True).bins
    (1248, 2080)
    """
    inner = np.linspace(0, 1, SCORE_CELLS + 1)[1:-1]
    edges = np.unique(np.concatenate([inner, ENDS, 1 - ENDS, [decision]]))
    words = () if positive is None else (positive,)
    width = (len(edges) + 1) * len(WEIGHTED_PARTS if weighted else SCORE_PARTS)
    return Binning("scores", edges=edges, vocabulary=words, origin=decision, width=width)


def has_label_weights(layout: Binning) -> bool:
    """Say whether the labels of a classifier have weights."""
    return layout.kind == "scores" and layout.bins == (len(layout.edges) + 1) * len(WEIGHTED_PARTS)


def count_row_bins(layout: Binning) -> int:
    """Return how many bins of a classifier's layout count rows: those that come first."""
    return (len(layout.edges) + 1) * len(SCORE_PARTS) // 2


def learn_errors(predictions: np.ndarray, truths: np.ndarray, model: str = "") -> Binning | None:
    """Return the layout of a regression's errors: cells at quantiles of the predictions; None without two of each.

    Parameters
    ----------
    predictions, truths
        Finite samples of the baseline, of any lengths; with a ``model``, expected losses instead of predictions.
    model
        Predictor of the size of an error (:class:`~detectors.performance.losses.LossModel`), as text: the cells are
        then by expected absolute error.
    """
    if len(predictions) < 2 or len(truths) < 2:  # noqa: PLR2004
        return None
    edges = np.unique(np.quantile(predictions, np.linspace(0, 1, ERROR_CELLS + 1)[1:-1]))
    low, high = np.quantile(truths, [0.05, 0.95])
    scale = float(high - low) or float(np.abs(truths).max()) or 1.0
    return Binning("errors", edges=edges, scale=scale, width=(len(edges) + 1) * len(ERROR_PARTS), model=model)


def outcomes(records: Records, layout: Binning) -> Column:
    """Return score and label of each row, float64 of shape (rows, 2); NaN where unknown.

    With weights of labels the weight is a third column, and a label without a valid weight is left out.

    For a regression: prediction, label, and expected absolute and squared error, of shape (rows, 4); the latter two are
    NaN if the layout has no model of them.
    """
    rows = row_count(records)
    role = "score" if layout.kind == "scores" else "prediction"
    values = np.full((rows, 2 if layout.kind == "scores" else 4), np.nan)
    if role in records:
        values[:, 0] = numbers(records[role])[0]
    if "label" in records:
        values[:, 1] = _truth(records["label"], layout)
    if has_label_weights(layout):
        weights = label_weights(records)
        values[np.isnan(weights), 1] = np.nan
        return Column(np.column_stack([values, weights]), np.zeros(rows, dtype=bool))
    if layout.model:
        model = LossModel.from_text(layout.model)
        values[:, 2], values[:, 3] = model.absolute.expected(records), model.squared.expected(records)
    return Column(values, np.zeros(rows, dtype=bool))


def _truth(labels: Column, layout: Binning) -> np.ndarray:
    if layout.kind == "errors":
        return numbers(labels)[0]
    meant = set(layout.vocabulary) or set(TRUE)
    is_positive = [category(value).lower() in meant or category(value) in meant for value in labels.values]
    return np.where(has_label(labels), np.array(is_positive, dtype=np.float64), np.nan)


def has_label(labels: Column) -> np.ndarray:
    """Return whether each row has a label: a missing value is none, nor is NaN."""
    nothing = np.array([isinstance(value, float) and np.isnan(value) for value in labels.values], dtype=bool)
    return np.asarray(~labels.missing & ~nothing)


def add_up(column: Column, layout: Binning) -> tuple[np.ndarray, int, int]:
    """Return the sums over the cells, the number of rows without a label yet, and that without a usable prediction."""
    predicted = column.values[:, 0]
    usable = np.isfinite(predicted) & ((predicted >= 0) & (predicted <= 1) if layout.kind == "scores" else True)
    if layout.kind == "scores":
        predicted, truth, *weights = column.values[usable].T
        cells = np.searchsorted(layout.edges, predicted, side="right")
        parts = [*_scores(predicted, truth), *(_weights(truth, weights[0]) if weights else ())]
    else:
        predicted, truth, absolute, squared = column.values[usable].T
        cells = np.searchsorted(layout.edges, absolute if layout.model else predicted, side="right")
        parts = [*_errors(predicted, truth, layout.scale), *_expect(absolute, squared, truth, layout.scale)]
    size = len(layout.edges) + 1
    sums = np.array([np.bincount(cells, part, minlength=size) for part in parts]).reshape(-1)
    counts = np.rint(sums).astype(np.int64)
    return counts, int(np.isnan(truth).sum()), int((~usable).sum())


def _scores(scores: np.ndarray, truth: np.ndarray) -> list[np.ndarray]:
    which = [truth == 0, truth == 1, np.isnan(truth)]
    return [*which, *(np.rint(scores * UNIT) * mask for mask in which)]


def _weights(truth: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    powers = (np.rint(weights * UNIT), np.rint(weights**2 * SQUARE_UNIT))
    return [np.where(truth == label, power, 0.0) for power in powers for label in (0, 1)]


def _errors(predicted: np.ndarray, truth: np.ndarray, scale: float) -> list[np.ndarray]:
    labelled = np.isfinite(truth)
    error = np.where(labelled, np.clip((predicted - truth) / scale, -FARTHEST, FARTHEST), 0.0)
    nonzero = labelled & (truth != 0)
    relative = np.zeros(len(predicted))
    np.divide(np.abs(predicted - truth), np.abs(truth), out=relative, where=nonzero)
    relative = np.minimum(relative, FARTHEST)
    sums = (error, np.abs(error), error**2, error**4, relative, relative**2)
    return [np.ones(len(predicted)), labelled, *(np.rint(part * UNIT) for part in sums), nonzero]


def _expect(absolute: np.ndarray, squared: np.ndarray, truth: np.ndarray, scale: float) -> list[np.ndarray]:
    both = np.minimum(np.nan_to_num([absolute / scale, squared / scale**2]), [[FARTHEST], [FARTHEST**2]])
    rounded = np.rint(both * UNIT)
    return [*rounded, *(rounded * np.isfinite(truth))]


def weigh_scores(column: Column, layout: Binning, units: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Return the output of :func:`add_up` for a classifier with weights: numbers of rows in units, sums unchanged.

    Weights of labels already include those of rows.
    """
    usable = np.isfinite(column.values[:, 0]) & (column.values[:, 0] >= 0) & (column.values[:, 0] <= 1)
    (scores, truth, *of_labels), weights = column.values[usable].T, units[usable]
    cells = np.searchsorted(layout.edges, scores, side="right")
    sums = np.zeros((len(SCORE_PARTS), len(layout.edges) + 1), dtype=np.int64)
    for row, part in zip(sums, _scores(scores, truth), strict=True):
        each = weights * part if part.dtype == bool else np.rint(part * (weights / UNIT)).astype(np.int64)
        np.add.at(row, cells, each)
    if of_labels:
        sums = np.append(sums, add_up(column, layout)[0][sums.size :])
    return sums.reshape(-1), int(weights[np.isnan(truth)].sum()), int(units[~usable].sum())


def count_labelled(counts: np.ndarray, layout: Binning) -> np.ndarray:
    """Return the number of rows with a label, over the last axis."""
    cells = len(layout.edges) + 1
    labelled = counts[..., : 2 * cells] if layout.kind == "scores" else counts[..., cells : 2 * cells]
    return np.asarray(labelled.sum(axis=-1))


def count_effective_labels(counts: np.ndarray, layout: Binning) -> np.ndarray:
    """Return the effective number of labels with weights (Kish), over the last axis; 0 without labels.

    Examples
    --------
    >>> layout = learn_scores(weighted=True)
    >>> values = np.array([[0.9, 1.0, 1.0], [0.2, 0.0, 100.0], [0.3, 0.0, 100.0]])
    >>> counts, *_ = add_up(Column(values, np.zeros(3, dtype=bool)), layout)
    >>> round(float(count_effective_labels(counts, layout)), 2)
    2.02
    """
    sums = split_sums(counts, layout)
    total, squares = (
        (sums[f"negative_{part}"] + sums[f"positive_{part}"]).sum(axis=-1) for part in ("weight", "square")
    )
    return np.asarray(np.divide(total**2, squares, where=squares > 0, out=np.zeros_like(total)))


def split_sums(counts: np.ndarray, layout: Binning) -> dict[str, np.ndarray]:
    """Return each sum by name, float64 of shape (..., cells), in the units of the data.

    Examples
    --------
    >>> layout = learn_scores()
    >>> records = {"score": Column.of([0.9, 0.2, 0.7]), "label": Column.of([True, False, None])}
    >>> result = split_sums(add_up(outcomes(records, layout), layout)[0], layout)
    >>> {name: float(result[name].sum()) for name in ("positive", "negative", "unlabelled")}
    {'positive': 1.0, 'negative': 1.0, 'unlabelled': 1.0}
    """
    scores = WEIGHTED_PARTS if has_label_weights(layout) else SCORE_PARTS
    names = scores if layout.kind == "scores" else ERROR_PARTS
    blocks = counts.reshape(*counts.shape[:-1], len(names), len(layout.edges) + 1).astype(np.float64)
    whole = ("negative", "positive", "unlabelled", "all", "labelled", "nonzero")
    units = {**dict.fromkeys(whole, 1.0), "negative_square": SQUARE_UNIT, "positive_square": SQUARE_UNIT}
    return {name: blocks[..., at, :] / units.get(name, UNIT) for at, name in enumerate(names)}
