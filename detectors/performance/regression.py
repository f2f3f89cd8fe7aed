"""Metrics of a regression from a mergeable summary of its errors.

Shortfalls and overshoots are summed apart: with the sums of both, and of their squares, the mean absolute error,
the bias and every quantile loss have their values and their intervals, whatever quantile is asked for later.

References
----------
Koenker, Bassett, *Regression quantiles*, Econometrica 46, 1978; Hyndman, Koehler, *Another look at measures of
forecast accuracy*, International Journal of Forecasting 22, 2006.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.performance.estimate import Estimate, Moments, root

VERSION = 1
MOMENTS = ("under", "over", "squared", "relative")
LARGEST = 1e75
"""Errors count as at most this much, so that their fourth powers are finite."""


@dataclass(frozen=True)
class Errors:
    """Errors of one bucket, in fixed size; two disjoint sets of rows add up exactly.

    Parameters
    ----------
    under, over
        Moments over the labelled rows of ``max(0, truth - prediction)`` and ``max(0, prediction - truth)``.
    squared
        Moments of the squared errors: their squares give the interval of an RMSE.
    relative
        Moments of ``|error / truth|`` over the rows whose truth is not 0.
    unlabelled, unusable
        Rows whose truth has not arrived (NaN); rows whose prediction or truth is no finite number otherwise.
    """

    under: Moments = field(default_factory=Moments)
    over: Moments = field(default_factory=Moments)
    squared: Moments = field(default_factory=Moments)
    relative: Moments = field(default_factory=Moments)
    unlabelled: int = 0
    unusable: int = 0

    @classmethod
    def of(cls, prediction: np.ndarray, truth: np.ndarray) -> Errors:
        """Summarise rows: two arrays of shape (rows,), NaN where there is nothing.

        Examples
        --------
        >>> import numpy as np
        >>> errors = Errors.of(np.array([3.0, 5.0, 1.0]), np.array([2.0, 8.0, np.nan]))
        >>> mae(errors).value, bias(errors).value, errors.unlabelled
        (2.0, -1.0, 1)
        """
        guess, true = (np.asarray(values, dtype=np.float64) for values in (prediction, truth))
        if guess.shape != true.shape:
            raise ValueError(f"{len(guess)} predictions and {len(true)} truths do not belong together; pass one a row.")
        open_rows = np.isfinite(guess) & np.isnan(true)
        usable = np.isfinite(guess) & np.isfinite(true)
        guess, true = guess[usable], true[usable]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            error = np.clip(guess - true, -LARGEST, LARGEST)
            relative = np.minimum(np.abs(error / true)[true != 0], LARGEST)
        unlabelled = int(open_rows.sum())
        return cls(
            Moments.of(np.maximum(0.0, -error)),
            Moments.of(np.maximum(0.0, error)),
            Moments.of(error**2),
            Moments.of(relative),
            unlabelled,
            len(usable) - int(usable.sum()) - unlabelled,
        )

    @property
    def labelled(self) -> int:
        """Return how many rows have a finite prediction and a finite truth."""
        return self.squared.n

    def __add__(self, other: Errors) -> Errors:
        """Summarise two disjoint sets of rows together."""
        return Errors(
            self.under + other.under,
            self.over + other.over,
            self.squared + other.squared,
            self.relative + other.relative,
            self.unlabelled + other.unlabelled,
            self.unusable + other.unusable,
        )

    def to_json(self) -> dict[str, object]:
        """Serialise without loss."""
        moments = {name: getattr(self, name).to_json() for name in MOMENTS}
        return {"v": VERSION, **moments, "unlabelled": self.unlabelled, "unusable": self.unusable}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Errors:
        """Read what :meth:`to_json` wrote; refuses another version."""
        if data.get("v") != VERSION:
            raise ValueError(f"errors of version {data.get('v')!r} are not of {VERSION}; summarise the bucket again.")
        under, over, squared, relative = (Moments.from_json(data[name]) for name in MOMENTS)
        return cls(under, over, squared, relative, int(data["unlabelled"]), int(data["unusable"]))


def mae(errors: Errors) -> Estimate:
    """Return the mean absolute error, in the unit of the prediction, with its normal 95 % interval."""
    return _weighted(errors, 1.0, 1.0)


def bias(errors: Errors) -> Estimate:
    """Return the mean of prediction minus truth: above 0 where the model says too much."""
    return _weighted(errors, -1.0, 1.0)


def pinball(errors: Errors, quantile: float) -> Estimate:
    """Return the mean quantile loss of a model that predicts this quantile, between 0 and 1; half the MAE for 0.5.

    Examples
    --------
    >>> import numpy as np
    >>> errors = Errors.of(np.zeros(1000), np.random.default_rng(0).normal(size=1000))
    >>> [round(number, 2) for number in pinball(errors, 0.9)]
    [0.37, 0.34, 0.4, 1000]
    """
    if not 0 < quantile < 1:
        raise ValueError(f"the quantile {quantile:g} must lie between 0 and 1, such as 0.9.")
    return _weighted(errors, quantile, 1 - quantile)


def _weighted(errors: Errors, under: float, over: float) -> Estimate:
    """Return the mean of shortfalls and overshoots at these weights; a row has one of the two, so squares add up."""
    n = errors.labelled
    if not n:
        return Estimate.undefined()
    low, high = errors.under, errors.over
    mean = under * float(low.total.fraction() / n) + over * float(high.total.fraction() / n)
    squares = under**2 * float(low.squares.fraction() / n) + over**2 * float(high.squares.fraction() / n)
    variance = max(0.0, squares - mean**2) * n / (n - 1) if n > 1 else float("nan")
    return Estimate.normal(mean, variance, n)


def rmse(errors: Errors) -> Estimate:
    """Return the root mean squared error; the interval is the root of the mean square's normal one.

    Limits
    ------
    The mean square has the tail of the fourth powers: with few rows and heavy tails the interval is too narrow.
    """
    return root(errors.squared.mean())


def mape(errors: Errors) -> Estimate:
    """Return the mean of ``|error / truth|`` (0.1 is 10 %) over the rows whose truth is not 0; ``n`` counts those."""
    return errors.relative.mean()
