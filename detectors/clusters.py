"""Clusters: effective number of clients of a window, and the design effect on its noise.

Rows of one user, session or tenant are correlated. A window of 1,400 rows, 1,000 of them from one client, has as much
information as a few independent rows. Clients are counted in a linear sketch: each id is hashed to one of 128 counters,
so that the sketches of buckets add up exactly to the sketch of the window, in any order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from detectors.binning import to_categories
from detectors.records import Column

COUNTERS = 128
"""Number of counters. The relative error of the sum of squares is one eighth for equal clients, less where few clients
dominate."""
FEWEST_KNOWN = 0.5
"""Smallest share of the baseline's rows with an id."""


@dataclass(frozen=True)
class Concentration:
    """Distribution of rows over clients.

    Parameters
    ----------
    size
        Mean number of rows of the client of a row, ``sum(m**2) / sum(m)`` over the clients' rows ``m``.
    clients
        Effective number of clients, ``sum(m)**2 / sum(m**2)``.
    """

    size: float
    clients: float


def count_clients(ids: Column) -> np.ndarray:
    """Return the sketch of a column of ids, int64 of shape (COUNTERS + 1,); the last counts rows without an id.

    Examples
    --------
    >>> counted = count_clients(Column.of(["a"] * 5 + ["b", None]))
    >>> int(counted[:-1].sum()), int(counted[-1])
    (6, 1)
    """
    words, rows = np.unique(to_categories(ids)[~ids.missing].astype(str), return_counts=True)
    places = np.array([_place(word) for word in words.tolist()], dtype=np.int64)
    counted = np.bincount(places, weights=rows, minlength=COUNTERS)
    return np.append(counted, np.count_nonzero(ids.missing)).astype(np.int64)


def _place(word: str) -> int:
    """Return the counter of an id; a checksum would not distribute ids that differ in their last digits evenly."""
    return hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=1).digest()[0] % COUNTERS


def spread(sketch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return size and clients of each sketch, as in :class:`Concentration`; NaN if no row has an id.

    The expected contribution of hash collisions to the sum of squares is subtracted. Rows without an id count as one
    client each.

    Parameters
    ----------
    sketch
        int64, shape (..., COUNTERS + 1).
    """
    counted, alone = sketch[..., :-1].astype(np.float64), sketch[..., -1].astype(np.float64)
    totals = counted.sum(axis=-1)
    squares = (COUNTERS * np.square(counted).sum(axis=-1) - np.square(totals)) / (COUNTERS - 1)
    rows, squares = totals + alone, np.clip(squares, totals, np.square(totals)) + alone
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.where(totals > 0, squares / rows, np.nan)
        return size, rows / size


def typical(sketches: np.ndarray) -> Concentration | None:
    """Return the medians over a baseline's windows; None if fewer than half of the rows have an id.

    Parameters
    ----------
    sketches
        int64, shape (windows, COUNTERS + 1).
    """
    rows = sketches.sum()
    if rows == 0 or sketches[:, :-1].sum() < FEWEST_KNOWN * rows:
        return None
    size, clients = spread(sketches)
    return Concentration(float(np.nanmedian(size)), float(np.nanmedian(clients)))


def inflation(sketch: np.ndarray, usual: Concentration | None) -> np.ndarray:
    """Return the ratio of each window's noise to that of a typical window with as many rows; at least 1.

    The variance of a mean of clustered rows is ``1 + (size - 1) * rho`` times that of independent rows. The intraclass
    correlation ``rho`` is unknown; the ratio of the window's cluster size to the usual one is an upper bound relative
    to the baseline's windows. It is applied only as far as the window has fewer clients, up to the squared ratio of the
    usual number of clients to the window's: more rows of the same clients (a busy hour), or fewer rows of fewer clients
    (a quiet one), do not reduce sensitivity.

    Limits
    ------
    An upper bound: where the rows of a client are not correlated, sensitivity is lower than possible while one
    dominates.

    References
    ----------
    Kish, *Survey Sampling*, 1965, chapter 5.

    Examples
    --------
    >>> usual = typical(np.stack([count_clients(Column.of([f"user {row % 350}" for row in range(1400)]))]))
    >>> one = count_clients(Column.of(["robot"] * 1000 + [f"user {row}" for row in range(400)]))
    >>> bool(9 < inflation(one, usual) < 18)
    True
    """
    if usual is None:
        return np.ones(sketch.shape[:-1])
    size, clients = spread(sketch)
    factor = np.minimum(size / usual.size, np.square(usual.clients / clients))
    return np.sqrt(np.fmax(1.0, factor))
