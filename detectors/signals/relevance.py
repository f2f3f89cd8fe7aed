"""Similarity of an answer to its question."""

from __future__ import annotations

import numpy as np

from detectors.embedding import embed
from detectors.records import Column, Records
from detectors.signals.base import Signal


def compute(records: Records) -> Column:
    """Return the cosine similarity of the static embeddings of question and response, from -1 to 1.

    Missing if either is missing or has no word with a vector.

    Limits
    ------
    Texts on the same topic are similar, right or wrong; "yes" is dissimilar to every question. Monitor its drift and
    its lowest tenth, not its value for one answer.

    References
    ----------
    Arora, Liang, Ma, *A simple but tough-to-beat baseline for sentence embeddings*, ICLR 2017; Es, James, Espinosa
    Anke, Schockaert, *RAGAS*, EACL 2024 (answer relevance).

    Examples
    --------
    >>> asked = Column.of(["How do I return a parcel?"] * 2)
    >>> texts = Column.of(["Print the label and return the parcel at any shop.", "Cats sleep all day."])
    >>> near, far = compute({"question": asked, "response": texts}).values
    >>> bool(near > 0.3 > far)
    True
    """
    sides = []
    for role in ("question", "response"):
        column = records[role]
        sides.append(
            embed(["" if gone else str(text) for text, gone in zip(column.values, column.missing, strict=True)])
        )
    has_words = sides[0].any(axis=1) & sides[1].any(axis=1)
    cosine = np.einsum("ij,ij->i", *sides).astype(np.float64)
    return Column(np.where(has_words, cosine, np.nan), np.asarray(~has_words))


SIGNAL = Signal(
    name="relevance",
    needs=("question", "response"),
    kind="numeric",
    better="higher",
    compute=compute,
    unit="cosine",
    cost="about 3,500",
    citation="Arora, Liang and Ma 2017",
)
