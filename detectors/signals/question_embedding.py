"""Embedding of the question, for drift of its topics."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.signals.topics import topics


def compute(records: Records) -> Column:
    """Return Fourier features of the static embedding of each question; missing without words.

    Drift of this column (``mmd``) is a change of the topics of questions, independent of the words.

    Limits
    ------
    Word vectors are averaged, so word order and negation have no effect: the embedding represents topics, not truth.
    Less accurate for languages other than English.

    References
    ----------
    Arora, Liang, Ma, *A simple but tough-to-beat baseline for sentence embeddings*, ICLR 2017; Rahimi, Recht, *Random
    features for large-scale kernel machines*, NIPS 2007.

    Examples
    --------
    >>> compute({"question": Column.of(["Where is my parcel?", None])}).values.shape
    (2, 64)
    """
    return topics(records["question"])


SIGNAL = Signal(
    name="question_embedding",
    needs=("question",),
    kind="vector",
    better="neutral",
    compute=compute,
    unit="64 features",
    cost="about 10,000",
    citation="Arora, Liang and Ma 2017",
)
