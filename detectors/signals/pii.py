"""Personal data in the answer."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.scan import PUBLIC, Span, scan
from detectors.signals.base import LONGEST_TEXT, Signal
from detectors.signals.findings import count_findings, make_evidence


def compute(records: Records) -> Column:
    """Count findings of personal data in each response; missing without a response.

    URLs and plain dates are not counted; names of people need a model and are not detected.

    Limits
    ------
    Data without a format, check digit or context word are not detected: names, places, illnesses.

    References
    ----------
    The scanners of :mod:`detectors.scan.pii`; the benchmark compares them with Microsoft Presidio.

    Examples
    --------
    >>> compute({"response": Column.of(['Thank you.', 'Write to jane@example.com.', None])}).values[:2].tolist()
    [0.0, 1.0]
    """
    return count_findings(records, _find)


def _find(text: str) -> list[Span]:
    return [span for span in scan(text[:LONGEST_TEXT], ("pii",)) if span.type not in PUBLIC]


SIGNAL = Signal(
    name="pii",
    needs=("response",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="findings",
    cost="about 100,000",
    citation="ISO/IEC 7812, ISO 13616, ITU-T E.164",
    evidence=make_evidence(_find),
)
