"""Requests that timed out."""

from __future__ import annotations

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.signals.outcome import TIMED_OUT


def compute(records: Records) -> Column:
    """Score 1 if the type of the error is a timeout (408, 504), and 0 otherwise.

    A request without an error type has no error, so nothing is missing.

    Limits
    ------
    Reads names and codes, in English; timeouts that appear only in a message are not detected.

    Examples
    --------
    >>> compute({"error_type": Column.of(["APITimeoutError", "504", None, "RateLimitError"])}).values.tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    kind = records["error_type"]
    is_timeout = [
        not gone and TIMED_OUT.search(str(value)) is not None
        for value, gone in zip(kind.values, kind.missing, strict=True)
    ]
    return Column.floats(np.array(is_timeout, dtype=np.float64))


SIGNAL = Signal(
    name="timed_out",
    needs=("error_type",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="0 or 1",
    cost="over 500,000",
    citation="RFC 9110, section 15",
)
