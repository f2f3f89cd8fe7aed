"""Share of the answer that is copied from its context."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.text.parts import score_records
from detectors.text.support import Support


def score(support: Support) -> float:
    """Return the share of copied words."""
    return support.copied


def compute(records: Records) -> Column:
    """Return the share of a response's words in runs of three or more that its context has too.

    A response of one or two words is copied if it is one such run. Missing if response or context is missing or has no
    words.

    Limits
    ------
    Compares stems, so words with another ending count as copied.

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
    cost="about 3,000; signals of this group share the parsed text",
    citation="Grusky, Naaman and Artzi 2018",
)
