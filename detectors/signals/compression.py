"""How far the answer compresses: many ways of repeating oneself in one number."""

from __future__ import annotations

import zlib

from detectors.records import Column, Records
from detectors.signals.base import LONGEST_TEXT, Signal, each


def compute(records: Records) -> Column:
    """Return the bytes of each response over its bytes when compressed; missing where it is empty.

    The first 200,000 code points, in UTF-8, by deflate at its fastest level.

    Limits
    ------
    Grows with the length of a text and differs between scripts and kinds of text; it is for drift, not for verdicts.

    References
    ----------
    Shaib et al., *Standardizing the measurement of text diversity*, 2024 (compression ratio).

    Examples
    --------
    >>> said = ["The cat sat on the mat and looked at us.", "again and " * 50]
    >>> compute({"response": Column.of(said)}).values.round(1).tolist()
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
