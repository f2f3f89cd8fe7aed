"""Whether the answer denies what its context does not."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.text.parts import pointing, score_records
from detectors.text.support import Support


def score(support: Support) -> float:
    """Return the number of negations without a counterpart."""
    return float(len(support.negations))


def compute(records: Records) -> Column:
    """Count the negations and limits of a response beside whose words its context has none.

    Missing where either side is missing or wordless.

    Limits
    ------
    Words of denial are known in English and a few in German, French, Spanish, Italian; a denial in other words
    (failed to) is partly known. It does not see a negation that the answer has dropped.

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
    cost="about 3,000; what others of these signals have read is shared",
    citation="Kryściński et al. 2020",
    evidence=pointing("negation", lambda support: support.negations),
)
