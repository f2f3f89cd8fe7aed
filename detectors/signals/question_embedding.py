"""Embedding of the question: what it is about, for drift of its topics."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.signals.topics import topics


def compute(records: Records) -> Column:
    """Turn each question into Fourier features of its static embedding; missing where there is none or it is wordless.

    The drift of this column (``mmd``) is a change of what questions are about, in whatever words.

    Limits
    ------
    Word vectors are averaged, so neither order nor negation is seen: it tells topics, not truth. Words of
    languages other than English are known less well.

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
