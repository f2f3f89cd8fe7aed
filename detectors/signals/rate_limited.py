"""Requests that a provider rejected by a rate limit."""

from __future__ import annotations

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.signals.outcome import RATE_LIMITED


def compute(records: Records) -> Column:
    """Score 1 if the type of the error is a rate limit, a quota or an overload (429, 529), and 0 otherwise.

    A request without an error type has no error, so nothing is missing.

    Limits
    ------
    Reads names and codes, in English; limits that appear only in a message are not detected.

    Examples
    --------
    >>> compute({"error_type": Column.of(["RateLimitError", "429", None, "Timeout"])}).values.tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    kind = records["error_type"]
    is_limited = [
        not gone and RATE_LIMITED.search(str(value)) is not None
        for value, gone in zip(kind.values, kind.missing, strict=True)
    ]
    return Column.floats(np.array(is_limited, dtype=np.float64))


SIGNAL = Signal(
    name="rate_limited",
    needs=("error_type",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="0 or 1",
    cost="over 500,000",
    citation="RFC 6585, section 4",
)
