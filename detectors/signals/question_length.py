"""Length of the question."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal, each


def compute(records: Records) -> Column:
    """Count the code points of each question; missing without a question.

    Limits
    ------
    Code points, not tokens or grapheme clusters.

    Examples
    --------
    >>> compute({"question": Column.of(["déjà", ""])}).values.tolist()
    [4.0, 0.0]
    """
    return each(records["question"], lambda text: float(len(text)))


SIGNAL = Signal(
    name="question_length",
    needs=("question",),
    kind="numeric",
    better="neutral",
    compute=compute,
    unit="code points",
    cost="over 1,000,000",
    citation="none: a count",
)
