"""Vulgar words, insults and slurs in the answer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.records import Column, Records
from detectors.scan import Span, scan
from detectors.signals.base import LONGEST_TEXT, Evidence, Signal


def compute(records: Records) -> Column:
    """Count words of the lists of ten languages in each response; missing where there is no response.

    Through repeated letters, digits and signs for letters, and letters set apart.

    Limits
    ------
    Words, not meaning: a quotation counts, malice in polite words does not.

    References
    ----------
    Davidson et al., ICWSM 2017, on how far lists go; the lists are driftd's own.

    Examples
    --------
    >>> compute({"response": Column.of(['A classic assessment.', 'This is bullsh1t', None])}).values[:2].tolist()
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
    return scan(text[:LONGEST_TEXT], ("profanity",))


SIGNAL = Signal(
    name="profanity",
    needs=("response",),
    kind="numeric",
    compute=compute,
    unit="findings",
    cost="about 40,000",
    citation="word lists; Davidson et al. 2017",
    evidence=evidence,
)
