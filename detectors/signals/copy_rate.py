"""How much of the answer is copied."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.text.parts import score_records
from detectors.text.support import Support


def score(support: Support) -> float:
    """Return the share of copied words."""
    return support.copied


def compute(records: Records) -> Column:
    """Score the share of a response's words that stand in runs of three and more in its context too.

    A response of one or two words is copied where all of it is one run. Missing where either side is missing or
    wordless.

    Limits
    ------
    By stem, so a changed ending still counts as copied.

    References
    ----------
    Grusky, Naaman, Artzi, *Newsroom*, NAACL 2018 (extractive fragments).

    Examples
    --------
    >>> records = {"response": Column.of(["They say that the shop was opened in Paris."]),
    ...            "context": Column.of(["The shop was opened in Paris in 1999. It sold bread."])}
    >>> compute(records).values.round(2).tolist()
    [0.67]
    """
    return score_records(records, score)


SIGNAL = Signal(
    name="copy_rate",
    needs=("response", "context"),
    kind="numeric",
    better="neutral",
    compute=compute,
    unit="share of words",
    cost="about 3,000; what others of these signals have read is shared",
    citation="Grusky, Naaman and Artzi 2018",
)
