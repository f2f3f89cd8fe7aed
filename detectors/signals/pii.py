"""Personal data in the answer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.records import Column, Records
from detectors.scan import PUBLIC, Span, scan
from detectors.signals.base import LONGEST_TEXT, Evidence, Signal


def compute(records: Records) -> Column:
    """Count findings of personal data in each response; missing where there is no response.

    URLs and plain dates are not counted; names of people need a model and are not looked for.

    Limits
    ------
    What has no shape, check digit or telling word beside it is not found: names, places, illnesses.

    References
    ----------
    The scanners of :mod:`detectors.scan.pii`; Microsoft Presidio is the peer in the benchmark.

    Examples
    --------
    >>> compute({"response": Column.of(['Thank you.', 'Write to jane@example.com.', None])}).values[:2].tolist()
    [0.0, 1.0]
    """
    response = records["response"]
    counts = np.zeros(len(response))
    for row in np.flatnonzero(~response.missing):
        counts[row] = len(_found(str(response.values[row])))
    return Column.floats(counts, response.missing)


def evidence(record: Mapping[str, str]) -> list[Evidence]:
    """Return where they stand, in order of appearance; each counts 1."""
    return [Evidence(span.type, span.start, span.end, 1.0) for span in _found(record["response"])]


def _found(text: str) -> list[Span]:
    return [span for span in scan(text[:LONGEST_TEXT], ("pii",)) if span.type not in PUBLIC]


SIGNAL = Signal(
    name="pii",
    needs=("response",),
    kind="numeric",
    compute=compute,
    unit="findings",
    cost="about 35,000",
    citation="ISO/IEC 7812, ISO 13616, ITU-T E.164",
    evidence=evidence,
)
