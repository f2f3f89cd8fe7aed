"""Antonyms in the answer of words of its context."""

from __future__ import annotations

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.text.parts import pointing, score_records
from detectors.text.support import Support


def score(support: Support) -> float:
    """Return the number of antonyms."""
    return float(len(support.opposites))


def compute(records: Records) -> Column:
    """Count the words of a response that are absent from its context, which has their antonym next to the same words.

    Missing if response or context is missing or has no words.

    Limits
    ------
    English only: seventy pairs of groups of words (more and less, rose and fell, before and after) and WordNet's
    antonyms. Reads up to 200 words of a response.

    References
    ----------
    As antonym substitution in Kryściński, McCann, Xiong, Socher, EMNLP 2020; Miller, *WordNet*, CACM 1995.

    Examples
    --------
    >>> records = {"response": Column.of(["The shop was closed in Paris."]),
    ...            "context": Column.of(["The shop was opened in Paris in 1999. It sold bread."])}
    >>> compute(records).values.round(2).tolist()
    [1.0]
    """
    return score_records(records, score)


SIGNAL = Signal(
    name="opposite_words",
    needs=("response", "context"),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="words",
    cost="about 3,000; signals of this group share the parsed text",
    citation="Kryściński et al. 2020",
    evidence=pointing("opposite", lambda support: support.opposites),
)
