"""Shadow deployment: agreement and difference of a challenger that answers the champion's requests unserved.

Records are joined by request, so every difference is within one request, and the difficulty of requests cancels out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from detectors.embedding import embed
from detectors.experiment.compare import BURN_IN, Difference, Interval, information
from detectors.experiment.sequence import PLANNED, interval_reach, reach
from detectors.experiment.tally import Tally, X, Y


def exact(first: object, second: object) -> bool:
    """Return whether two answers are the same text, ignoring leading and trailing white space.

    Examples
    --------
    >>> exact(" yes", "yes"), exact("Yes", "yes"), exact(None, None)
    (True, False, True)
    """
    if first is None or second is None:
        return first is second
    return str(first).strip() == str(second).strip()


def numeric(first: object, second: object, relative: float = 1e-6, absolute: float = 1e-9) -> bool:
    """Return whether two answers are numbers within a tolerance; false for anything else.

    Examples
    --------
    >>> numeric("0.10", 0.1), numeric(100, 101, relative=0.02), numeric("n/a", "n/a")
    (True, True, False)
    """
    try:
        return math.isclose(float(str(first)), float(str(second)), rel_tol=relative, abs_tol=absolute)
    except ValueError:
        return False


def leaf_agreement(first: object, second: object, relative: float = 1e-9) -> float:
    """Return the share of equal leaves of two JSON answers; 0 if one of them is not JSON.

    Examples
    --------
    >>> leaf_agreement('{"a": 1, "b": [2, 3, 4]}', '{"b": [2, 4, 3], "a": 1.0}')
    0.5
    """
    try:
        one, other = (dict(_leaves(json.loads(str(text)), ())) for text in (first, second))
    except (ValueError, RecursionError):
        return 0.0
    same = sum(1 for path, leaf in one.items() if path in other and _same_leaf(leaf, other[path], relative))
    return same / max(1, len(one.keys() | other.keys()))


def _leaves(value: Any, path: tuple[object, ...]) -> Iterator[tuple[tuple[object, ...], Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not inner:
        yield path, value
    for key, item in inner:
        yield from _leaves(item, (*path, key))


def _same_leaf(one: Any, other: Any, relative: float) -> bool:
    whole = not isinstance(one, bool) and not isinstance(other, bool)
    if whole and isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=relative)
    return type(one) is type(other) and bool(one == other)


def likeness(first: Sequence[object], second: Sequence[object]) -> np.ndarray:
    """Return the cosine similarity of the static embeddings of each pair, at least 0; 1 if the words are the same.

    Limits
    ------
    Word vectors are averaged: word order and negation have no effect, so "was paid" and "was not paid" are similar.

    Examples
    --------
    >>> near, far, same = likeness(["Your refund is on its way.", "Yes", "!"], ["We sent the money back.", "Cats", "!"])
    >>> bool(near > 0.3 > far), float(same)
    (True, 1.0)
    """
    sides = [embed(["" if text is None else str(text) for text in texts]) for texts in (first, second)]
    cosine = np.clip(np.einsum("ij,ij->i", *sides).astype(np.float64), 0.0, 1.0)
    same = np.array([exact(one, other) for one, other in zip(first, second, strict=True)], dtype=bool)
    return np.where(same, 1.0, cosine)


def agreement(
    kind: str, first: Sequence[object], second: Sequence[object], tolerance: float = 1e-6, similar: float = 0.8
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether the answers of each pair agree, and their similarity from 0 to 1.

    Parameters
    ----------
    kind
        ``exact``, ``numeric``, ``json`` or ``semantic``.
    tolerance
        Largest relative difference of numbers that agree.
    similar
        Smallest cosine similarity of texts that agree.

    Returns
    -------
    agree, closeness
        bool and float64 of shape (pairs,).

    Examples
    --------
    >>> agree, closeness = agreement("numeric", ["100", "100"], ["101", "150"], tolerance=0.02)
    >>> agree.tolist(), closeness.round(2).tolist()
    ([True, False], [0.99, 0.67])
    """
    pairs = list(zip(first, second, strict=True))
    if kind == "semantic":
        near = likeness(first, second)
        return near >= similar, near
    if kind == "json":
        near = np.array([leaf_agreement(*pair, tolerance) for pair in pairs], dtype=np.float64)
        return near == 1.0, near
    if kind == "numeric":
        near = np.array([_near(*pair) for pair in pairs], dtype=np.float64)
        return np.array([numeric(*pair, relative=tolerance) for pair in pairs], dtype=bool), near
    same = np.array([exact(*pair) for pair in pairs], dtype=bool)
    return same, same.astype(np.float64)


def _near(first: object, second: object) -> float:
    try:
        one, other = float(str(first)), float(str(second))
    except ValueError:
        return 0.0
    size = max(abs(one), abs(other))
    if not math.isfinite(size):
        return 0.0
    return 1.0 if size == 0 else max(0.0, 1 - abs(one - other) / size)


def pair_differences(champion: np.ndarray, challenger: np.ndarray) -> Tally:
    """Sum challenger minus champion over the pairs; a pair with a missing value (NaN) is not counted.

    Examples
    --------
    >>> pair_differences(np.array([1.0, 2.0, np.nan]), np.array([2.0, 2.0, 5.0])).value
    0.5
    """
    return Tally.of(np.asarray(challenger, dtype=np.float64) - np.asarray(champion, dtype=np.float64))


def sequence(tally: Tally, alpha: float = 0.05, planned: float = PLANNED, burn_in: int = BURN_IN) -> Interval:
    """Return a share or a mean difference with its confidence sequence, valid at every look.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> result = sequence(pair_differences(rng.normal(2.0, 1.0, 5000), rng.normal(2.2, 1.0, 5000)))
    >>> bool(result.low > 0.1), bool(result.high < 0.3)
    (True, True)
    """
    if tally.n < burn_in or not math.isfinite(tally.variance):
        return Interval(tally.value, -math.inf, math.inf)
    width = float(reach(tally.n, alpha, planned)) * math.sqrt(tally.variance)
    return Interval(tally.value, tally.value - width, tally.value + width)


def compare_pairs(
    gaps: Tally, ratios: Tally, alpha: float = 0.05, minimum: float = 0.02, burn_in: int = BURN_IN
) -> Difference:
    """Compare a challenger with its champion within requests.

    Parameters
    ----------
    gaps
        Sums of challenger minus champion, :func:`pair_differences`.
    ratios
        Sums of the challenger's values over the champion's, of the same pairs: ``Tally.of(challenger, champion)``.
    alpha, minimum, burn_in
        As for :func:`detectors.experiment.compare.difference`; rows are pairs.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> champion = rng.lognormal(0, 1, 4000)
    >>> challenger = 0.9 * champion + rng.normal(0, 0.05, 4000)
    >>> result = compare_pairs(pair_differences(champion, challenger), Tally.of(challenger, champion))
    >>> [round(end, 2) for end in result.relative]
    [-0.1, -0.1, -0.1]
    """
    n = max(1, ratios.n)
    sums = ratios.sums.sum(axis=0)
    champion, challenger = float(sums[X]) / n, float(sums[Y]) / n
    whole = champion > 0
    error = math.sqrt(ratios.variance) if whole else math.sqrt(gaps.variance) / (abs(champion) or 1.0)
    fraction = float(information(error, minimum, alpha))
    nothing = Interval(math.nan, -math.inf, math.inf)
    if gaps.n < burn_in or not math.isfinite(error):
        return Difference(champion, challenger, nothing, nothing, gaps.n, error, fraction)
    times = float(interval_reach(fraction, alpha))
    width = times * math.sqrt(gaps.variance)
    absolute = Interval(gaps.value, gaps.value - width, gaps.value + width)
    lift = ratios.value - 1
    relative = Interval(lift, lift - times * error, lift + times * error) if whole else nothing
    return Difference(champion, challenger, absolute, relative, gaps.n, error, fraction)


def severity(closeness: np.ndarray, champion: np.ndarray, challenger: np.ndarray, higher: Sequence[bool]) -> np.ndarray:
    """Return the severity of a disagreement: the distance of the answers, weighted by how much worse the challenger is.

    Parameters
    ----------
    closeness
        Shape (pairs,), from :func:`agreement`.
    champion, challenger
        Shape (pairs, metrics); NaN if a value is missing, which counts as no difference.
    higher
        For each metric, whether more is better.

    Examples
    --------
    >>> severity(np.array([1.0, 0.5, 0.5]), np.ones((3, 1)), np.array([[9.0], [1.0], [3.0]]), [False]).tolist()
    [0.0, 0.5, 0.75]
    """
    sign = np.where(np.asarray(higher, dtype=bool), -1.0, 1.0)
    size = np.abs(champion) + np.abs(challenger)
    worse = np.divide((challenger - champion) * sign, size, where=size > 0, out=np.zeros_like(size))
    return np.asarray((1 - closeness) * (1 + np.clip(np.nan_to_num(worse), 0.0, 1.0).sum(axis=-1)))
