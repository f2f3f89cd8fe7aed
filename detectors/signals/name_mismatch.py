"""Names in the answer that its context lacks."""

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
    """Return the share of a response's names that its context lacks; 0 without names.

    Missing if response or context is missing or has no words.

    Limits
    ------
    A name is a capitalised word that does not start a sentence, so German nouns count and lower-case names do not.

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
    cost="about 3,000; signals of this group share the parsed text",
    citation="Nan et al. 2021",
    evidence=pointing("name", lambda support: support.names[0]),
)
