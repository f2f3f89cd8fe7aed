"""Length of the context."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal, each


def compute(records: Records) -> Column:
    """Count the code points of each context; missing without a context.

    Limits
    ------
    Code points, not tokens or grapheme clusters.

    Examples
    --------
    >>> compute({"context": Column.of(["déjà", ""])}).values.tolist()
    [4.0, 0.0]
    """
    return each(records["context"], lambda text: float(len(text)))


SIGNAL = Signal(
    name="context_length",
    needs=("context",),
    kind="numeric",
    better="neutral",
    compute=compute,
    unit="code points",
    cost="over 1,000,000",
    citation="none: a count",
)
