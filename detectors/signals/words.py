"""Number of words of the answer."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import LONGEST_TEXT, Signal, each


def compute(records: Records) -> Column:
    """Count the words of each response, separated by white space, in its first 200,000 code points.

    Limits
    ------
    Chinese, Japanese and Thai have no spaces: use ``response_length``.

    Examples
    --------
    >>> compute({"response": Column.of(["It's 3.5 kg.", "", None])}).values[:2].tolist()
    [3.0, 0.0]
    """
    return each(records["response"], lambda text: float(len(text[:LONGEST_TEXT].split())))


SIGNAL = Signal(
    name="response_words",
    needs=("response",),
    kind="numeric",
    better="neutral",
    compute=compute,
    unit="words",
    cost="about 250,000",
    citation="none: a count",
)
