"""Direct loss estimation: expected errors of a regression by row, from a few small trees stored as plain data.

The size of an error depends on the features. Trees are fitted to the absolute and squared error of a row as functions
of its columns and its prediction, when a baseline is learnt. Every row then has expected losses before its label
arrives, and their mean estimates the loss.

The trees are boosted on the first four fifths of the sample, in order of time: a hundred of at most 31 leaves, grown
best-first. The last fifth is the validation set; if they are not better than the mean there, no trees are used.

Limits
------
Trees do not extrapolate: a row outside of the sample's range gets the loss of the nearest region. Categories are
ordered by their mean loss, which is optimal for one split and is estimated from the same rows.

References
----------
NannyML, *How it works: direct loss estimation* (documentation); Friedman, *Greedy function approximation: a gradient
boosting machine*, Annals of Statistics 29, 2001; Prokhorenkova et al., *CatBoost: unbiased boosting with categorical
features*, NeurIPS 2018 (symmetric trees); Fisher, *On grouping for maximum homogeneity*, Journal of the American
Statistical Association 53, 1958 (the order of categories).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from detectors.binning import Binning, category, numbers
from detectors.records import Column, Records, row_count

TREES = 100
LEAVES = 31
RATE = 0.1
BINS = 128
"""Number of bins of a column; the first is for missing and new values."""
FEWEST_OF_LEAF = 20
PRIOR_ROWS = 20.0
"""Rows of the mean loss that are added to each category before ordering (shrinkage)."""
HELD_OUT = 5
"""Inverse of the share of rows, the last ones, of the validation set."""
FEWEST = 500
"""Fewest labelled rows for a fit."""
MOST_CELLS = 600_000
"""Largest number of rows times columns of a fit; more rows are subsampled evenly."""
ENORMOUS = 1e75
"""Errors are clipped to this value, so that the mean of their squares is finite."""
LARGEST = 100.0
"""Losses are clipped to this multiple of their mean."""


@dataclass(frozen=True)
class Question:
    """Column and its cuts: edges of a numeric one, categories of another in the order of their mean loss."""

    name: str
    edges: tuple[float, ...] = ()
    words: tuple[str, ...] = ()

    def codes(self, records: Records) -> np.ndarray:
        """Return the bin of every row, int64; 0 if the value is missing, not finite or new."""
        column = records.get(self.name)
        if column is None:
            return np.zeros(row_count(records), dtype=np.int64)
        if self.words:
            places = {word: place + 1 for place, word in enumerate(self.words)}
            pairs = zip(column.values.tolist(), column.missing.tolist(), strict=True)
            return np.array([0 if gone else places.get(category(value), 0) for value, gone in pairs], dtype=np.int64)
        values, _ = numbers(column)
        return np.where(np.isfinite(values), np.searchsorted(self.edges, values, side="right") + 1, 0)


@dataclass(frozen=True)
class Tree:
    """Regression tree: a node tests whether a question's code is at least ``code``, and if so goes on at ``right``.

    Negative children are leaves: child ``-1 - leaf``.
    """

    question: tuple[int, ...]
    code: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    leaves: tuple[float, ...]

    def adds(self, codes: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Return the contribution of the tree to every row; codes are of shape (questions, rows)."""
        answers = np.asarray(codes)
        question, code, left, right = (np.array(part) for part in (self.question, self.code, self.left, self.right))
        at, rows = np.zeros(answers.shape[1], dtype=np.int64), np.arange(answers.shape[1])
        while len(rows):
            node = at[rows]
            at[rows] = np.where(answers[question[node], rows] >= code[node], right[node], left[node])
            rows = rows[at[rows] >= 0]
        return np.array(self.leaves)[-1 - at]


@dataclass(frozen=True)
class LossTrees:
    """Trees of one loss, fitted to a baseline.

    Parameters
    ----------
    questions
        Columns that are used, including the prediction.
    mean
        Mean loss of the sample, the unit of the trees.
    trees
        Their sum plus 1 is the expected loss.
    """

    questions: tuple[Question, ...]
    mean: float
    trees: tuple[Tree, ...]

    def expected(self, records: Records) -> np.ndarray:
        """Return the expected loss of every row, float64 of shape (rows,)."""
        codes = np.array([question.codes(records) for question in self.questions])
        total = np.ones(row_count(records))
        for tree in self.trees if row_count(records) else ():
            total += tree.adds(codes)
        return np.maximum(0.0, total) * self.mean


@dataclass(frozen=True)
class LossModel:
    """Expected absolute and squared errors, in units of the prediction and in its square."""

    absolute: LossTrees
    squared: LossTrees

    def to_text(self) -> str:
        """Serialise without loss."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    @lru_cache(maxsize=64)
    def from_text(cls, text: str) -> LossModel:
        """Read the output of :meth:`to_text`."""
        data = json.loads(text)
        return cls(_parse(data["absolute"]), _parse(data["squared"]))


def _parse(data: Mapping[str, Any]) -> LossTrees:
    questions = tuple(Question(one["name"], tuple(one["edges"]), tuple(one["words"])) for one in data["questions"])
    trees = tuple(Tree(**{part: tuple(values) for part, values in tree.items()}) for tree in data["trees"])
    return LossTrees(questions, data["mean"], trees)


def learn_losses(sample: Records, layouts: Mapping[str, Binning]) -> LossModel | None:
    """Fit models of the expected errors; None if there are too few rows or the fit is not better than the mean.

    Parameters
    ----------
    sample
        Rows in the order of time with the roles ``prediction`` and ``label``; rows without both are left out.
    layouts
        Of the columns that may be used, besides the prediction.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random(3000)
    >>> rows = {"x": x, "prediction": x, "label": x + x * rng.normal(size=3000)}
    >>> model = learn_losses({name: Column.floats(values) for name, values in rows.items()}, {})
    >>> ends = model.absolute.expected({"prediction": Column.floats(np.array([0.1, 0.9]))})
    >>> bool(ends[1] > 4 * ends[0])
    True
    """
    predicted, truth = (numbers(sample[role])[0] for role in ("prediction", "label"))
    usable = np.isfinite(predicted) & np.isfinite(truth)
    if usable.sum() < FEWEST:
        return None
    rows = {name: Column(column.values[usable], column.missing[usable]) for name, column in sample.items()}
    error = np.minimum(np.abs(predicted - truth)[usable], ENORMOUS)
    kinds = {name: one.kind == "numeric" for name, one in layouts.items() if one.kind in ("numeric", "categorical")}
    kinds = {
        name: numeric for name, numeric in {"prediction": True, **kinds}.items() if name in rows and name != "label"
    }
    step = max(1, len(error) * len(kinds) // MOST_CELLS)
    rows, error = {name: column.take(np.arange(0, len(error), step)) for name, column in rows.items()}, error[::step]
    absolute, squared = (_learn(rows, kinds, loss) for loss in (error, error**2))
    return LossModel(absolute, squared) if absolute and squared else None


def _learn(rows: Records, kinds: Mapping[str, bool], loss: np.ndarray) -> LossTrees | None:
    mean = float(loss.mean())
    if mean <= 0:
        return None
    target = np.minimum(loss / mean, LARGEST) - 1.0
    learnt = len(target) - len(target) // HELD_OUT
    questions = [_question(rows[name], name, target, learnt, numeric=numeric) for name, numeric in kinds.items()]
    trees, left = _boost(np.array([question.codes(rows) for question in questions]), target, learnt)
    better = np.mean(left[learnt:] ** 2) < np.mean(target[learnt:] ** 2)
    return LossTrees(tuple(questions), mean, trees) if better else None


def _question(column: Column, name: str, target: np.ndarray, learnt: int, *, numeric: bool) -> Question:
    if numeric:
        values = numbers(column)[0][:learnt]
        values = values[np.isfinite(values)]
        inner = np.quantile(values, np.linspace(0, 1, BINS)[1:-1], method="inverted_cdf") if len(values) else []
        return Question(name, edges=tuple(float(edge) for edge in np.unique(inner)))
    losses: dict[str, list[float]] = {}
    for value, gone, loss in zip(column.values[:learnt], column.missing[:learnt], target[:learnt], strict=True):
        if not gone:
            losses.setdefault(category(value), []).append(float(loss))
    frequent = sorted(losses, key=lambda word: (-len(losses[word]), word))[: BINS - 1]
    pulled = {word: sum(losses[word]) / (len(losses[word]) + PRIOR_ROWS) for word in frequent}
    return Question(name, words=tuple(sorted(frequent, key=lambda word: (pulled[word], word))))


def _boost(codes: np.ndarray, target: np.ndarray, learnt: int) -> tuple[tuple[Tree, ...], np.ndarray]:
    """Return trees fitted to the first rows, and the residuals of all; codes are of shape (questions, rows)."""
    trees: list[Tree] = []
    left = target.copy()
    places = np.arange(len(codes))[:, None] * BINS + codes
    for _ in range(TREES):
        trees.append(_grow(places[:, :learnt], left[:learnt]))
        left -= trees[-1].adds(codes)
    return tuple(trees), left


class _Leaf(NamedTuple):
    """Rows of a leaf, its sums and counts by question and bin, and its best split."""

    rows: np.ndarray
    sums: np.ndarray
    counts: np.ndarray
    gain: float
    question: int
    code: int


def _grow(places: np.ndarray, left: np.ndarray) -> Tree:
    """Split the leaf with the largest gain, until there are enough leaves or no split has a gain."""
    question: list[int] = []
    code: list[int] = []
    children: list[list[int]] = [[], []]
    leaves = [_make_leaf(places, left, np.arange(len(left)))]
    above: list[tuple[int, int] | None] = [None]
    while len(leaves) < LEAVES:
        best = max(range(len(leaves)), key=lambda at: leaves[at].gain)
        old = leaves[best]
        if old.gain <= 0:
            break
        node, new = len(question), len(leaves)
        question.append(old.question)
        code.append(old.code)
        parent = above[best]
        if parent is not None:
            children[parent[0]][parent[1]] = node
        children[0].append(-1 - best)
        children[1].append(-1 - new)
        leaves[best], split = _split(places, left, old)
        leaves.append(split)
        above[best] = (0, node)
        above.append((1, node))
    values = tuple(RATE * float(left[leaf.rows].mean()) for leaf in leaves)
    if not question:
        return Tree((0,), (0,), (-1,), (-1,), values)
    return Tree(tuple(question), tuple(code), tuple(children[0]), tuple(children[1]), values)


def _split(places: np.ndarray, left: np.ndarray, old: _Leaf) -> tuple[_Leaf, _Leaf]:
    """Return both halves of a leaf: the smaller one is counted, the other is the difference."""
    goes = places[old.question, old.rows] - old.question * BINS >= old.code
    lower, upper = old.rows[~goes], old.rows[goes]
    if len(lower) <= len(upper):
        small = _make_leaf(places, left, lower)
        return small, _best(upper, old.sums - small.sums, old.counts - small.counts)
    small = _make_leaf(places, left, upper)
    return _best(lower, old.sums - small.sums, old.counts - small.counts), small


def _make_leaf(places: np.ndarray, left: np.ndarray, rows: np.ndarray) -> _Leaf:
    questions = len(places)
    cells = places[:, rows].ravel()
    weights = np.broadcast_to(left[rows], (questions, len(rows))).ravel()
    sums, counts = (
        np.bincount(cells, each, minlength=questions * BINS).reshape(questions, BINS) for each in (weights, None)
    )
    return _best(rows, sums, counts)


def _best(rows: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> _Leaf:
    """Find the question and bin with the largest reduction of the squared error, with enough rows on both sides."""
    below, under = np.cumsum(sums, axis=-1), np.cumsum(counts, axis=-1)
    total, n = below[:, -1:], under[:, -1:]
    over = n - under
    gain = below**2 / np.maximum(under, 1) + (total - below) ** 2 / np.maximum(over, 1) - total**2 / np.maximum(n, 1)
    gain = np.where((under >= FEWEST_OF_LEAF) & (over >= FEWEST_OF_LEAF), gain, 0.0)
    question, place = np.unravel_index(int(np.argmax(gain)), gain.shape)
    return _Leaf(rows, sums, counts, float(gain[question, place]), int(question), int(place) + 1)
