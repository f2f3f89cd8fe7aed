"""A challenger answers the same requests as the champion, unseen: whether they agree, and which is better.

Records are joined by the request, so every difference is within one request, and what makes requests easy or hard
cancels out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from detectors.experiment.compare import BURN_IN, Interval
from detectors.experiment.sequence import PLANNED, reach
from detectors.experiment.tally import Tally

Agreement = Callable[[object, object], bool]


def exact(first: object, second: object) -> bool:
    """Say whether two answers are the same text, white space at the ends aside.

    Examples
    --------
    >>> exact(" yes", "yes"), exact("Yes", "yes"), exact(None, None)
    (True, False, True)
    """
    if first is None or second is None:
        return first is second
    return str(first).strip() == str(second).strip()


def numeric(first: object, second: object, relative: float = 1e-6, absolute: float = 1e-9) -> bool:
    """Say whether two answers are numbers within a tolerance; what is no number agrees with nothing.

    Examples
    --------
    >>> numeric("0.10", 0.1), numeric(100, 101, relative=0.02), numeric("n/a", "n/a")
    (True, True, False)
    """
    try:
        return math.isclose(float(str(first)), float(str(second)), rel_tol=relative, abs_tol=absolute)
    except ValueError:
        return False


def same_json(first: object, second: object) -> bool:
    """Say whether two answers are JSON that says the same: key order, spaces and 1 or 1.0 aside.

    Limits
    ------
    What is not JSON agrees with nothing, and neither does nesting too deep for the standard library to read.

    Examples
    --------
    >>> same_json('{"a": 1, "b": [2]}', '{"b":[2.0],"a":1}'), same_json("[1, 2]", "[2, 1]"), same_json("x", "x")
    (True, False, False)
    """
    try:
        return bool(_plain(json.loads(str(first))) == _plain(json.loads(str(second))))
    except (ValueError, RecursionError):
        return False


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Tell true from 1, which Python takes as equal."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def agreement(first: Sequence[object], second: Sequence[object], same: Agreement = exact) -> Tally:
    """Count the pairs that agree; the tally's value is their share.

    Examples
    --------
    >>> agreement(["a", "b"], ["a", "c"]).value
    0.5
    """
    pairs = zip(first, second, strict=True)
    return Tally.of(np.array([float(same(one, other)) for one, other in pairs]))


def paired(champion: np.ndarray, challenger: np.ndarray) -> Tally:
    """Sum challenger minus champion over the pairs; a pair with one side missing (NaN) does not count.

    Examples
    --------
    >>> paired(np.array([1.0, 2.0, np.nan]), np.array([2.0, 2.0, 5.0])).value
    0.5
    """
    return Tally.of(np.asarray(challenger, dtype=np.float64) - np.asarray(champion, dtype=np.float64))


def sequence(tally: Tally, alpha: float = 0.05, planned: float = PLANNED, burn_in: int = BURN_IN) -> Interval:
    """Return a share or a mean difference with its confidence sequence: it holds at every look.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = sequence(paired(rng.normal(2.0, 1.0, 5000), rng.normal(2.2, 1.0, 5000)))
    >>> bool(found.low > 0.1), bool(found.high < 0.3)
    (True, True)
    """
    if tally.n < burn_in or not math.isfinite(tally.variance):
        return Interval(tally.value, -math.inf, math.inf)
    width = float(reach(tally.n, alpha, planned)) * math.sqrt(tally.variance)
    return Interval(tally.value, tally.value - width, tally.value + width)


def worst(ids: Sequence[object], severity: np.ndarray, most: int = 20) -> list[tuple[object, float]]:
    """Return the pairs that matter most, by a severity of their disagreement: ids only, the gravest first.

    Parameters
    ----------
    severity
        Shape (pairs,); NaN and what is not above 0 is left out.

    Examples
    --------
    >>> worst(["a", "b", "c"], np.array([0.0, 2.0, 1.0]), most=1)
    [('b', 2.0)]
    """
    severity = np.nan_to_num(np.asarray(severity, dtype=np.float64), nan=0.0)
    order = np.argsort(-severity, kind="stable")[:most]
    return [(ids[place], float(severity[place])) for place in order if severity[place] > 0]
