"""A signal that is not one of ours."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal, each


def compute(records: Records) -> Column:
    """Count the exclamation marks of the response.

    Limits
    ------
    Marks, not excitement.

    Examples
    --------
    >>> compute({"response": Column.of(["Hi!!", None])}).values[0]
    np.float64(2.0)
    """
    return each(records["response"], lambda text: float(text.count("!")))


SIGNAL = Signal(
    name="exclamations",
    needs=("response",),
    kind="numeric",
    compute=compute,
    unit="marks",
    cost="1,000,000",
    citation="-",
    better="neutral",
)
