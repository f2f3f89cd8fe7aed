"""Negations in the answer that its context lacks."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.text.parts import pointing, score_records
from detectors.text.support import Support


def score(support: Support) -> float:
    """Return the number of negations without a counterpart."""
    return float(len(support.negations))


def compute(records: Records) -> Column:
    """Count the negations and limits of a response next to words that the context has without them.

    Missing if response or context is missing or has no words.

    Limits
    ------
    Recognises negations in English and a few in German, French, Spanish, Italian, and some other expressions (failed
    to). Negations that the answer dropped are not counted.

    References
    ----------
    Kryściński, McCann, Xiong, Socher, *Evaluating the factual consistency of abstractive text summarization*, EMNLP
    2020 (negation as a kind of error).

    Examples
    --------
    >>> records = {"response": Column.of(["The shop never sold bread."]),
    ...            "context": Column.of(["The shop was opened in Paris in 1999. It sold bread."])}
    >>> compute(records).values.round(2).tolist()
    [1.0]
    """
    return score_records(records, score)


SIGNAL = Signal(
    name="negation_mismatch",
    needs=("response", "context"),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="negations",
    cost="about 3,000; signals of this group share the parsed text",
    citation="Kryściński et al. 2020",
    evidence=pointing("negation", lambda support: support.negations),
)
