"""Whether the answer's names are its context's."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.text.parts import pointing, score_records
from detectors.text.support import Support


def score(support: Support) -> float:
    """Return the share of absent names."""
    absent, count = support.names
    return len(absent) / max(1, count)


def compute(records: Records) -> Column:
    """Score the share of a response's names that its context does not hold; 0 where it has none.

    Missing where either side is missing or wordless.

    Limits
    ------
    A name is a capitalised word that does not open a sentence, so German nouns count and lower-case names do not.

    References
    ----------
    Nan et al., *Entity-level factual consistency of abstractive text summarization*, EACL 2021.

    Examples
    --------
    >>> records = {"response": Column.of(["It opened in Berlin."]),
    ...            "context": Column.of(["The shop was opened in Paris in 1999. It sold bread."])}
    >>> compute(records).values.round(2).tolist()
    [1.0]
    """
    return score_records(records, score)


SIGNAL = Signal(
    name="name_mismatch",
    needs=("response", "context"),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="share of names",
    cost="about 3,000; what others of these signals have read is shared",
    citation="Nan et al. 2021",
    evidence=pointing("name", lambda support: support.names[0]),
)
