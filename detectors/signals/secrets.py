"""Keys and passwords in the answer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.records import Column, Records
from detectors.scan import Span, scan
from detectors.signals.base import LONGEST_TEXT, Evidence, Signal


def compute(records: Records) -> Column:
    """Count findings of keys and passwords in each response; missing where there is no response.

    Formats that providers publish, and random-looking values beside a word such as `password`.

    Limits
    ------
    A password that is an ordinary word is not told from a word. Nothing is verified with the provider.

    References
    ----------
    Meli, McNiece, Reaves, *How bad can it git?*, NDSS 2019.

    Examples
    --------
    >>> texts = ['My password is secret.', 'Use AKIA' + '2OGYBAH6QGWTFJ7X here', None]
    >>> compute({"response": Column.of(texts)}).values[:2].tolist()
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
    return scan(text[:LONGEST_TEXT], ("secrets",))


SIGNAL = Signal(
    name="secrets",
    needs=("response",),
    kind="numeric",
    compute=compute,
    unit="findings",
    cost="about 150,000",
    citation="Meli et al. 2019",
    evidence=evidence,
)
