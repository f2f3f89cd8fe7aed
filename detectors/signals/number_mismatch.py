"""Numbers in the answer that its context lacks."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.text.parts import pointing, score_records
from detectors.text.support import Support


def score(support: Support) -> float:
    """Return the share of absent numbers."""
    absent, _, count = support.numbers
    return len(absent) / max(1, count)


def compute(records: Records) -> Column:
    """Return the share of a response's numbers that its context lacks; 0 without numbers.

    Missing if response or context is missing or has no words.

    Limits
    ------
    Numbers are compared by value, in digits or in English words, with thousand, million and billion. A number that
    occurs anywhere in the context counts as present; `hallucinated` also considers its position.

    References
    ----------
    Zhao, Cohen, Webber, *Reducing quantity hallucinations in abstractive summarization*, EMNLP 2020 findings.

    Examples
    --------
    >>> records = {"response": Column.of(["It opened in 1998, in Paris."]),
    ...            "context": Column.of(["The shop was opened in Paris in 1999. It sold bread."])}
    >>> compute(records).values.round(2).tolist()
    [1.0]
    """
    return score_records(records, score)


SIGNAL = Signal(
    name="number_mismatch",
    needs=("response", "context"),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="share of numbers",
    cost="about 3,000; signals of this group share the parsed text",
    citation="Zhao, Cohen and Webber 2020",
    evidence=pointing("number", lambda support: support.numbers[0]),
)
