"""How much of the answer its context supports."""

from __future__ import annotations

import math

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.text.parts import claims, score_records
from detectors.text.support import Support


def score(support: Support) -> float:
    """Return the mean support of the claims; NaN where no sentence claims anything."""
    scores = support.claims[np.isfinite(support.claims)]
    return float(scores.mean()) if len(scores) else math.nan


def compute(records: Records) -> Column:
    """Score each response from 0 (nothing is in its context) to 1 (all of every claim is), the mean of its claims.

    Missing where either side is missing or wordless.

    Limits
    ------
    Words are compared by stem, and an English one that may mean the same counts as said; a claim is a sentence, and
    three neighbouring sentences of the context may support it together. A negation or a swapped role is not seen here.

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
    cost="about 2,500; what others of these signals have read is shared",
    citation="Laban et al. 2022",
    evidence=claims,
)
