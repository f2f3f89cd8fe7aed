"""Support of the least supported claim of an answer."""

from __future__ import annotations

import math

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.text.parts import claims, score_records
from detectors.text.support import Support


def score(support: Support) -> float:
    """Return the unsupported share of the worst claim; NaN without claims."""
    scores = support.claims[np.isfinite(support.claims)]
    return float(1.0 - scores.min()) if len(scores) else math.nan


def compute(records: Records) -> Column:
    """Score each response from 0 (every claim is supported) to 1 (one is not supported at all).

    Missing if response or context is missing or has no words.

    Limits
    ------
    As of groundedness. Increases with the length of the answer.

    References
    ----------
    Laban, Schnabel, Bennett, Hearst, *SummaC*, TACL 2022.

    Examples
    --------
    >>> records = {"response": Column.of(["The shop was in Paris. Elephants dance nightly."]),
    ...            "context": Column.of(["The shop was opened in Paris in 1999. It sold bread."])}
    >>> compute(records).values.round(2).tolist()
    [1.0]
    """
    return score_records(records, score)


SIGNAL = Signal(
    name="weakest_claim",
    needs=("response", "context"),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="share",
    cost="about 2,500; signals of this group share the parsed text",
    citation="Laban et al. 2022",
    evidence=claims,
)
