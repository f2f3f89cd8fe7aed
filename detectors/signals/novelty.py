"""Share of the answer's words that its context lacks."""

from __future__ import annotations

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal, words


def compute(records: Records) -> Column:
    """Score each response from 0 (every word is in the context) to 1 (none is).

    Each distinct word counts once. Missing if response or context is missing or has no words.

    Limits
    ------
    A copy with one changed number scores near 0, a faithful paraphrase scores high: the score separates copying from
    inventing models and is not a verdict on one answer.

    References
    ----------
    As an abstractiveness measure: Grusky, Naaman, Artzi, *Newsroom*, NAACL 2018.

    Examples
    --------
    >>> records = {"response": Column.of(["the cat sat", "a dog ran", None]),
    ...            "context": Column.of(["The cat sat down.", "The cat sat down.", "x"])}
    >>> compute(records).values[:2].tolist()
    [0.0, 1.0]
    """
    response, context = records["response"], records["context"]
    scores = np.full(len(response), np.nan)
    for row in np.flatnonzero(~(response.missing | context.missing)):
        answer_words, context_words = set(words(str(response.values[row]))), set(words(str(context.values[row])))
        if answer_words and context_words:
            scores[row] = len(answer_words - context_words) / len(answer_words)
    return Column(scores, np.isnan(scores))


SIGNAL = Signal(
    name="novelty",
    needs=("response", "context"),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="share of words",
    cost="about 20,000",
    citation="Grusky, Naaman and Artzi 2018",
)
