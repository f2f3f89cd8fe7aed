"""Keys and passwords in the answer."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.scan import Span, scan
from detectors.signals.base import LONGEST_TEXT, Signal
from detectors.signals.findings import count_findings, make_evidence


def compute(records: Records) -> Column:
    """Count findings of keys and passwords in each response; missing without a response.

    Detects formats published by providers, and random-looking values next to a word such as `password`.

    Limits
    ------
    A password that is an ordinary word is not detected. Keys are not verified with the provider.

    References
    ----------
    Meli, McNiece, Reaves, *How bad can it git?*, NDSS 2019.

    Examples
    --------
    >>> texts = ['My password is secret.', 'Use AKIA' + '2OGYBAH6QGWTFJ7X here', None]
    >>> compute({"response": Column.of(texts)}).values[:2].tolist()
    [0.0, 1.0]
    """
    return count_findings(records, _find)


def _find(text: str) -> list[Span]:
    return scan(text[:LONGEST_TEXT], ("secrets",))


SIGNAL = Signal(
    name="secrets",
    needs=("response",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="findings",
    cost="about 350,000",
    citation="Meli et al. 2019",
    evidence=make_evidence(_find),
)
