"""Length of the answer."""

from __future__ import annotations

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal


def compute(records: Records) -> Column:
    """Count the code points of each response; missing without a response.

    Limits
    ------
    Code points, not tokens or grapheme clusters.

    Examples
    --------
    >>> compute({"response": Column.of(["déjà", None, ""])}).values.tolist()
    [4.0, 0.0, 0.0]
    """
    response = records["response"]
    sizes = [0 if gone else len(str(text)) for text, gone in zip(response.values, response.missing, strict=True)]
    return Column.floats(np.array(sizes, dtype=np.float64), response.missing)


SIGNAL = Signal(
    name="response_length",
    needs=("response",),
    kind="numeric",
    better="neutral",
    compute=compute,
    unit="code points",
    cost="over 1,000,000",
    citation="none: a count",
)
