"""Failed requests."""

from __future__ import annotations

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.signals.outcome import says_error


def compute(records: Records) -> Column:
    """Score 1 for a status of an error and 0 for any other; missing without a status.

    Errors are HTTP codes from 400 on, numbers below 0 (a client that disconnected), and words: error, failure,
    exception, timeout, cancelled, refused, ``STATUS_CODE_ERROR`` …

    Limits
    ------
    Unknown words count as no error. An apology with status 200 is not a failure; the signal ``refusal`` covers it.

    Examples
    --------
    >>> compute({"status": Column.of([200, "429", "success", "ERROR", None])}).values[:4].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    status = records["status"]
    is_error = [not gone and says_error(value) for value, gone in zip(status.values, status.missing, strict=True)]
    return Column(np.array(is_error, dtype=np.float64), status.missing.copy())


SIGNAL = Signal(
    name="failed",
    needs=("status",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="0 or 1",
    cost="over 500,000",
    citation="RFC 9110, section 15",
)
