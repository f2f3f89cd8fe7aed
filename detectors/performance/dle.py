"""Direct loss estimation: the error of a regression before its labels arrive.

How wrong a model is depends on what it is asked. Boosted trees learn, from the labelled reference, the expected
absolute and squared error of a row from its columns and its prediction; their answers for the rows of a window,
averaged, are the MAE and the MSE that its labels should show.

The trees are learnt five times, each time without another fifth of the reference, in its order: the spread of the five
answers says how much depends on the reference (delete-a-group jackknife), and the fifth left out what
varies from row to row.

Limits
------
Holds while the errors depend on the columns as they did in the reference; trees do not extrapolate, so a window
outside of the reference's range gets the error of its edge. Needs scikit-learn, which comes with ``driftd[report]``.
The model lives in memory and is learnt again from the reference's rows: five seconds for 60,000.

References
----------
NannyML, *How it works: direct loss estimation* (documentation); Ke et al., *LightGBM: a highly efficient gradient
boosting decision tree*, NIPS 2017; Kott, *The delete-a-group jackknife*, Journal of Official Statistics 17, 2001.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.layout import Layout, category, numbers
from detectors.performance.estimate import Estimate, Moments, root
from detectors.performance.regression import LARGEST
from detectors.records import Column, Records, row_count, take

VERSION = 1
FOLDS = 5
MOST_CATEGORIES = 254
"""What scikit-learn's trees can tell apart, missing aside; rarer categories count as missing."""
FEWEST = 500
"""Usable rows of the reference below which nothing is learnt."""
SAME = (Moments(),) * FOLDS


@dataclass(frozen=True)
class Losses:
    """Expected losses of the rows of one bucket, in fixed size; two disjoint sets of rows add up exactly.

    Parameters
    ----------
    absolute, squared
        Moments of the expected loss of each row, by each of the models.
    noise, noise_squared
        Moments of the variance of each row's absolute and squared error about its expectation.
    unusable
        Rows without a finite prediction.
    """

    absolute: tuple[Moments, ...] = SAME
    squared: tuple[Moments, ...] = SAME
    noise: Moments = field(default_factory=Moments)
    noise_squared: Moments = field(default_factory=Moments)
    unusable: int = 0

    @property
    def rows(self) -> int:
        """Return how many rows the estimate rests on."""
        return self.noise.n

    def __add__(self, other: Losses) -> Losses:
        """Take two disjoint sets of rows together; both must come from the same model."""
        return Losses(
            tuple(one + two for one, two in zip(self.absolute, other.absolute, strict=True)),
            tuple(one + two for one, two in zip(self.squared, other.squared, strict=True)),
            self.noise + other.noise,
            self.noise_squared + other.noise_squared,
            self.unusable + other.unusable,
        )

    def to_json(self) -> dict[str, object]:
        """Serialise without loss."""
        return {
            "v": VERSION,
            "absolute": [moments.to_json() for moments in self.absolute],
            "squared": [moments.to_json() for moments in self.squared],
            "noise": self.noise.to_json(),
            "noise_squared": self.noise_squared.to_json(),
            "unusable": self.unusable,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Losses:
        """Read what :meth:`to_json` wrote; refuses another version."""
        if data.get("v") != VERSION:
            raise ValueError(f"losses of version {data.get('v')!r} are not of {VERSION}; summarise the bucket again.")
        return cls(
            tuple(Moments.from_json(moments) for moments in data["absolute"]),
            tuple(Moments.from_json(moments) for moments in data["squared"]),
            Moments.from_json(data["noise"]),
            Moments.from_json(data["noise_squared"]),
            int(data["unusable"]),
        )


@dataclass(frozen=True)
class LossModel:
    """What a reference taught about a model's errors.

    Parameters
    ----------
    layouts
        Of the columns that the trees look at, the prediction among them.
    prediction
        Its column.
    absolute, squared
        Trees for the two losses, one of each for every fifth left out.
    unit
        The reference's mean absolute error: trees learn losses in this unit, and in its square.
    tail
        Variance of the squared errors about their expectation, in units of its square: 2 for normal errors.
    """

    layouts: Mapping[str, Layout]
    prediction: str
    absolute: tuple[Any, ...]
    squared: tuple[Any, ...]
    unit: float
    tail: float

    def losses(self, records: Records) -> Losses:
        """Summarise what is to be expected of the rows of a bucket."""
        guess, _ = numbers(records[self.prediction])
        usable = np.isfinite(guess)
        unusable = len(guess) - int(usable.sum())
        if not usable.any():
            return Losses(unusable=unusable)
        table = encode(take(records, usable), self.layouts)
        absolute = np.array([_predict(trees, table) for trees in self.absolute]) * self.unit
        squared = np.array([_predict(trees, table) for trees in self.squared]) * self.unit**2
        return Losses(
            tuple(Moments.of(row) for row in absolute),
            tuple(Moments.of(row) for row in squared),
            Moments.of(np.maximum(0.0, squared.mean(axis=0) - absolute.mean(axis=0) ** 2)),
            Moments.of(self.tail * squared.mean(axis=0) ** 2),
            unusable,
        )


def learn(reference: Records, layouts: Mapping[str, Layout], prediction: str, truth: str, seed: int = 0) -> LossModel:
    """Learn how large the errors are to be expected.

    Parameters
    ----------
    reference
        Rows in order of time, with labels; rows without a finite prediction and truth are left out.
    layouts
        Of the columns to look at, as learnt for the reference; joint columns and the truth are left out.
    prediction, truth
        Names of the two columns; the prediction needs a numeric layout.

    Examples
    --------
    >>> import numpy as np
    >>> from detectors.layout import learn_numeric
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random(2000)
    >>> rows = {"x": x, "guess": x, "true": x + x * rng.normal(size=2000)}
    >>> records = {name: Column.floats(values) for name, values in rows.items()}
    >>> layouts = {name: learn_numeric(x, x.min(), x.max()) for name in ("x", "guess")}
    >>> model = learn(records, layouts, "guess", "true")
    >>> seen = estimate(model.losses(take(records, x > 0.5)))
    >>> [round(number, 1) for number in seen["mae"][:3]]
    [0.6, 0.6, 0.6]
    """
    guess, true = (numbers(records)[0] for records in (reference[prediction], reference[truth]))
    usable = np.isfinite(guess) & np.isfinite(true)
    if usable.sum() < FEWEST:
        raise ValueError(
            f"the reference has {usable.sum()} rows with a prediction and a label; estimating without labels needs "
            f"{FEWEST}: take a longer reference or wait for its labels."
        )
    seen = {name: one for name, one in layouts.items() if name != truth and one.kind != "vector"}
    with np.errstate(over="ignore"):
        error = np.minimum(np.abs(guess - true)[usable], LARGEST)
    unit = float(error.mean()) or 1.0
    error = error / unit
    table = encode(take(reference, usable), seen)
    texts = np.array([one.kind == "categorical" for one in seen.values()])
    left_out = [np.arange(len(error)) * FOLDS // len(error) == fold for fold in range(FOLDS)]
    absolute = tuple(_fit(table[~out], error[~out], texts, seed) for out in left_out)
    squared = tuple(_fit(table[~out], error[~out] ** 2, texts, seed) for out in left_out)
    expected = np.concatenate([_predict(trees, table[out]) for trees, out in zip(squared, left_out, strict=True)])
    tail = float(np.mean((error**2 - expected) ** 2) / max(float(np.mean(expected**2)), 1e-300))
    return LossModel(seen, prediction, absolute, squared, unit, tail)


def encode(records: Records, layouts: Mapping[str, Layout]) -> np.ndarray:
    """Return a table of shape (rows, columns): numbers as they are, categories by rank, NaN where missing or new."""
    columns = [_codes(records, name, layout) for name, layout in layouts.items()]
    return np.column_stack(columns) if columns else np.zeros((row_count(records), 0))


def _codes(records: Records, name: str, layout: Layout) -> np.ndarray:
    column = records.get(name)
    if column is None:
        return np.full(row_count(records), np.nan)
    if layout.kind == "numeric":
        values, _ = numbers(column)
        return np.where(np.isfinite(values), values, np.nan)
    ranks = {word: float(rank) for rank, word in enumerate(layout.vocabulary[:MOST_CATEGORIES])}
    return np.array([ranks.get(category(value), np.nan) for value in _present(column)], dtype=np.float64)


def _present(column: Column) -> Iterable[object]:
    return (None if gone else value for value, gone in zip(column.values.tolist(), column.missing, strict=True))


def _fit(table: np.ndarray, loss: np.ndarray, texts: np.ndarray, seed: int) -> Any:  # noqa: ANN401
    try:
        from sklearn.ensemble import HistGradientBoostingRegressor  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError(
            "estimating a regression without labels needs scikit-learn: `pip install driftd[report]`."
        ) from error
    trees = HistGradientBoostingRegressor(early_stopping=False, categorical_features=texts, random_state=seed)
    with _one_thread():
        return trees.fit(table, loss)


def _predict(trees: Any, table: np.ndarray) -> np.ndarray:  # noqa: ANN401
    with _one_thread():
        return np.maximum(0.0, np.asarray(trees.predict(table), dtype=np.float64))


def _one_thread() -> AbstractContextManager[object]:
    """Keep the trees to one core: sharing busy ones, their threads wait for one another ten times longer."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def estimate(losses: Losses) -> dict[str, Estimate]:
    """Return ``mae`` and ``rmse`` that the labels of a window would show, with 95 % intervals of the realised metric.

    Parameters
    ----------
    losses
        A sum of buckets, all by the same model.
    """
    if not losses.rows:
        return {name: Estimate.undefined() for name in ("mae", "rmse")}
    return {
        "mae": _mean(losses.absolute, losses.noise),
        "rmse": root(_mean(losses.squared, losses.noise_squared)),
    }


def _mean(models: tuple[Moments, ...], noise: Moments) -> Estimate:
    """Return the models' mean answer; its variance is the rows' own and, of the reference, the jackknife's."""
    answers = np.array([float(model.total.fraction() / model.n) for model in models])
    reference = (FOLDS - 1) / FOLDS * float(np.sum((answers - answers.mean()) ** 2))
    rows = float(noise.total.fraction() / noise.n)
    value = float(answers.mean())
    seen = Estimate.normal(value, rows + reference * noise.n, noise.n)
    return seen._replace(low=max(0.0, seen.low)) if not math.isnan(seen.low) else seen
