"""Compression ratio of the answer, a measure of all kinds of repetition."""

from __future__ import annotations

import zlib

from detectors.records import Column, Records
from detectors.signals.base import LONGEST_TEXT, Signal, each


def compute(records: Records) -> Column:
    """Return the compression ratio of each response: bytes over compressed bytes; missing if empty.

    Uses the first 200,000 code points, in UTF-8, with deflate at its fastest level.

    Limits
    ------
    Depends on length, script and kind of text; intended for drift, not for verdicts on single answers.

    References
    ----------
    Shaib et al., *Standardizing the measurement of text diversity*, 2024 (compression ratio).

    Examples
    --------
    >>> texts = ["The cat sat on the mat and looked at us.", "again and " * 50]
    >>> compute({"response": Column.of(texts)}).values.round(1).tolist()
    [1.0, 20.8]
    """
    return each(records["response"], _ratio)


def _ratio(text: str) -> float:
    data = text[:LONGEST_TEXT].encode("utf-8", "replace")
    return len(data) / len(zlib.compress(data, 1)) if data else float("nan")


SIGNAL = Signal(
    name="compression",
    needs=("response",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="ratio",
    cost="about 50,000",
    citation="Shaib et al. 2024",
)
