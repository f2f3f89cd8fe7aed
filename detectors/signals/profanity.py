"""Vulgar words, insults and slurs in the answer."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.scan import Span, scan
from detectors.signals.base import LONGEST_TEXT, Signal
from detectors.signals.findings import count_findings, make_evidence


def compute(records: Records) -> Column:
    """Count words of the lists of ten languages in each response; missing without a response.

    Handles repeated letters, digits and signs for letters, and separated letters.

    Limits
    ------
    Matches words, not meaning: a quotation counts, malice in polite words does not.

    References
    ----------
    Davidson et al., ICWSM 2017, on the limits of lists; the lists are driftd's own.

    Examples
    --------
    >>> compute({"response": Column.of(['A classic assessment.', 'This is bullsh1t', None])}).values[:2].tolist()
    [0.0, 1.0]
    """
    return count_findings(records, _find)


def _find(text: str) -> list[Span]:
    return scan(text[:LONGEST_TEXT], ("profanity",))


SIGNAL = Signal(
    name="profanity",
    needs=("response",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="findings",
    cost="about 250,000",
    citation="word lists; Davidson et al. 2017",
    evidence=make_evidence(_find),
)
