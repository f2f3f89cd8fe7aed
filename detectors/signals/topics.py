"""Topics of texts, as a column whose drift can be measured."""

from __future__ import annotations

import numpy as np

from detectors.embedding import embed
from detectors.joint import vector_features
from detectors.records import Column


def topics(texts: Column) -> Column:
    """Return Fourier features of the static embedding of each text, float64 of shape (rows, 64).

    Missing if the text is missing or has no word with a vector.

    Examples
    --------
    >>> topics(Column.of(["Where is my parcel?", ""])).missing.tolist()
    [False, True]
    """
    vectors = embed(["" if gone else str(text) for text, gone in zip(texts.values, texts.missing, strict=True)])
    return Column(vector_features(vectors.astype(np.float64)), np.asarray(~vectors.any(axis=1)))
