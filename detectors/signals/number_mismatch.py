"""Whether the answer's numbers are its context's."""

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
    """Score the share of a response's numbers that its context does not hold; 0 where it has none.

    Missing where either side is missing or wordless.

    Limits
    ------
    Numbers are compared by value, in digits or in English words, with thousand, million and billion. A number that
    stands elsewhere in the context counts as held; `hallucinated` looks at where it stands too.

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
    cost="about 3,000; what others of these signals have read is shared",
    citation="Zhao, Cohen and Webber 2020",
    evidence=pointing("number", lambda support: support.numbers[0]),
)
