"""Support of the answer by its context."""

from __future__ import annotations

import math

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.text.parts import claims, score_records
from detectors.text.support import Support


def score(support: Support) -> float:
    """Return the mean support of the claims; NaN without claims."""
    scores = support.claims[np.isfinite(support.claims)]
    return float(scores.mean()) if len(scores) else math.nan


def compute(records: Records) -> Column:
    """Score each response from 0 (no support by its context) to 1 (full support), the mean over its claims.

    Missing if response or context is missing or has no words.

    Limits
    ------
    Words are compared by stem, and English synonyms count as equal. A claim is a sentence, which up to three
    neighbouring sentences of the context may support together. Negations and swapped roles have no effect.

    References
    ----------
    Laban, Schnabel, Bennett, Hearst, *SummaC*, TACL 2022 (by sentence against the best passage); Grusky, Naaman,
    Artzi, *Newsroom*, NAACL 2018.

    Examples
    --------
    >>> records = {"response": Column.of(["The shop was in Paris."]),
    ...            "context": Column.of(["The shop was opened in Paris in 1999. It sold bread."])}
    >>> compute(records).values.round(2).tolist()
    [1.0]
    """
    return score_records(records, score)


SIGNAL = Signal(
    name="groundedness",
    needs=("response", "context"),
    kind="numeric",
    better="higher",
    compute=compute,
    unit="share",
    cost="about 2,500; signals of this group share the parsed text",
    citation="Laban et al. 2022",
    evidence=claims,
)
