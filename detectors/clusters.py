"""Clusters: how many clients stand behind the rows of a window, and what that does to its noise.

Rows of one user, session or tenant are alike. A window of 1,400 rows of which one client sent 1,000 tells about as
much as a few independent rows do. Clients are counted in a linear sketch: each id is hashed to one of 128 counters,
so that sketches of buckets add up to the sketch of the window, in any order and to the last bit.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from detectors.binning import to_categories
from detectors.records import Column

COUNTERS = 128
"""The sum of squares that they give is off by one part in eight of itself where clients are equal, less where few
dominate."""
FEWEST_KNOWN = 0.5
"""Share of the baseline's rows that must have an id."""


@dataclass(frozen=True)
class Concentration:
    """How rows spread over clients.

    Parameters
    ----------
    size
        Rows that the client of a row sends on average, ``sum(m**2) / sum(m)`` over the clients' rows ``m``.
    clients
        The effective number of clients, ``sum(m)**2 / sum(m**2)``.
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
    """Return the counter of an id; a checksum would not spread ids that differ in their last digits evenly."""
    return hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=1).digest()[0] % COUNTERS


def spread(sketch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return size and clients of each sketch, as in :class:`Concentration`; NaN where no row has an id.

    Ids that share a counter are allowed for: their expected contribution to the sum of squares is taken off. Rows
    without an id count as clients of their own.

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
    """Return the medians over a baseline's windows; None where fewer than half of the rows have an id.

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
    """Return by how much the noise of each window exceeds that of a typical window with as many rows; at least 1.

    The variance of a mean of clustered rows is ``1 + (size - 1) * rho`` times that of independent ones. ``rho``, how
    alike the rows of a client are, is not known; the ratio of the window's size to the usual one bounds what the window
    adds to what the baseline's own windows have shown. It counts as far as the clients are fewer, up to the squared
    ratio of their usual number to the window's: more rows of the same clients (a busy hour), and fewer rows of fewer
    clients (a quiet one), are no reason to see less.

    Limits
    ------
    An upper bound: where the rows of a client are not alike, less is seen than could be while one dominates.

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
