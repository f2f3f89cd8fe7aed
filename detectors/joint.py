"""Joint column: sums that can be merged and show changes of the joint distribution of all columns.

Every record is mapped to one vector: the pairwise products of its numeric columns, for their correlations, and random
Fourier features of all columns together, whose mean represents the joint distribution. Numeric columns enter as normal
scores of their baseline bins, which are robust to outliers and independent of units; categories as random signs. A
bucket stores the sums of the vectors as integers, which add up exactly in any order.

References
----------
Gretton et al., *A kernel two-sample test*, Journal of Machine Learning Research 13, 2012; Rahimi, Recht, *Random
features for large-scale kernel machines*, NIPS 2007; van der Waerden, *Order tests for the two-sample problem*, 1952.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from scipy import special

from detectors.binning import SUMMED, Binning, category, numbers
from detectors.records import Column, Records, row_count

JOINT = "(joint)"
"""Name of the column, chosen to differ from those of tables."""
MOST_NUMERIC = 32
FEATURES = 64


def learn_joint(layouts: Mapping[str, Binning]) -> Binning | None:
    """Return the layout of the joint column of learnt columns; None if there are fewer than two.

    The first 32 numeric columns are paired; all columns enter the Fourier features.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> x = np.linspace(0.0, 1.0, 200)
    >>> layout = learn_joint({"a": learn_numeric(x, 0.0, 1.0), "b": learn_numeric(x, 0.0, 1.0)})
    >>> layout.vocabulary, layout.bins
    (('a', 'b'), 67)
    """
    filled = {name: layout for name, layout in layouts.items() if layout.bins > 1 and layout.kind not in SUMMED}
    numeric = [name for name, layout in filled.items() if layout.kind == "numeric"]
    if len(filled) < 2 or not numeric:  # noqa: PLR2004
        return None
    others = [name for name in filled if name not in numeric[:MOST_NUMERIC]]
    names = (*numeric[:MOST_NUMERIC], *others)
    pairs = pair_count(min(len(numeric), MOST_NUMERIC))
    return Binning(
        kind="vector", vocabulary=names, width=1 + 2 * pairs + FEATURES, paired=min(len(numeric), MOST_NUMERIC)
    )


def learn_embedding() -> Binning:
    """Return the layout of a column of embeddings: Fourier features only, as single dimensions have no meaning.

    Examples
    --------
    >>> learn_embedding().bins
    65
    """
    return Binning(kind="vector", width=1 + FEATURES)


def vector_features(vectors: np.ndarray) -> np.ndarray:
    """Map unit vectors, shape (rows, dimensions), to features, shape (rows, 64), whose mean embeds their distribution.

    The width of the kernel is the distance of two unrelated unit vectors.

    Examples
    --------
    >>> vector_features(np.eye(3)).shape
    (3, 64)
    """
    dimensions = vectors.shape[1]
    frequencies, phases = waves(dimensions)
    return np.asarray(np.cos(vectors @ (frequencies * np.sqrt(dimensions)) + phases))


def pair_count(columns: int) -> int:
    """Return the number of pairs of columns."""
    return columns * (columns - 1) // 2


def product_pairs(layout: Binning) -> list[tuple[str, str]]:
    """Return the pairs of columns in the order of their products."""
    first, second = np.triu_indices(layout.paired, 1)
    names = layout.vocabulary
    return [(names[i], names[j]) for i, j in zip(first.tolist(), second.tolist(), strict=True)]


def project(records: Records, layouts: Mapping[str, Binning]) -> Column:
    """Map records to vectors, float64 of shape (rows, width - 1): products, their squares, features.

    Limits
    ------
    Missing values, and categories that the baseline lacks, are replaced by the centre of their column (0).
    """
    layout = layouts[JOINT]
    rows = row_count(records)
    scores = np.zeros((rows, len(layout.vocabulary)))
    for place, name in enumerate(layout.vocabulary):
        if name in records:
            scores[:, place] = _scores(records[name], layouts[name])
    first, second = np.triu_indices(layout.paired, 1)
    products = scores[:, first] * scores[:, second]
    frequencies, phases = waves(len(layout.vocabulary))
    features = np.cos(scores @ frequencies + phases)
    return Column(np.hstack([products, products**2, features]), np.zeros(rows, dtype=bool))


def _scores(column: Column, layout: Binning) -> np.ndarray:
    if layout.kind == "numeric":
        values, _ = numbers(column)
        usable = np.isfinite(values)
        ranks = (np.searchsorted(layout.edges, values, side="right") + 0.5) / layout.bins
        return np.where(usable, special.ndtri(ranks), 0.0)
    signs = {word: _sign(word) for word in layout.vocabulary}
    scores = [
        0.0 if gone else signs.get(category(v), 0.0) for v, gone in zip(column.values, column.missing, strict=True)
    ]
    return np.array(scores, dtype=np.float64)


def _sign(word: str) -> float:
    return 1.0 if hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[0] % 2 else -1.0


def waves(columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies, shape (columns, FEATURES), and phases of a Gaussian kernel as wide as typical distances."""
    rng = np.random.default_rng(columns)
    frequencies = rng.normal(size=(columns, FEATURES)) / np.sqrt(columns)
    return frequencies, rng.uniform(0, 2 * np.pi, FEATURES)
