"""Features of the score `hallucinated`, each also a signal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Evidence
from detectors.text.reading import spans
from detectors.text.support import LONGEST_ANSWER, Support, support, supports

FEW = 5
"""Answers of at most this many words can rarely copy three in a row, so an absent copy has half the weight."""
EXTRACTIVE = 0.5
"""Answers with a smaller share of new pairs of neighbouring words are extractive."""
SEPARATOR = "\n"
"""Separator of the passages of a context that is a list."""


def _surest(shares: Mapping[int, float]) -> float:
    return max(shares.values(), default=0.0) ** 2


PARTS: Mapping[str, Callable[[Support], float]] = {
    "uncopied": lambda support: (1.0 - support.copied) * len(support.stems) / (len(support.stems) + FEW),
    "broken": lambda support: support.broken,
    "abstractive": lambda support: min(support.broken / EXTRACTIVE, 1.0),
    "unaligned": lambda support: support.unaligned,
    "apart": lambda support: support.apart**4,
    "unsupported": lambda support: support.unsupported**2,
    "claims": lambda support: support.lacking,
    "strangest": lambda support: support.strangest**2,
    "things": lambda support: support.things,
    "factless": lambda support: support.factless,
    "absent_numbers": lambda support: float(bool(support.numbers[0])),
    "misplaced_numbers": lambda support: float(bool(support.numbers[1])),
    "absent_names": lambda support: float(bool(support.names[0])),
    "unmatched_negations": lambda support: float(bool(support.negations)),
    "opposites": lambda support: _surest(support.shared(support.opposites)),
    "added_negations": lambda support: _surest(support.denials[1]),
    "dropped_negations": lambda support: _surest(support.denials[0]),
    "swapped_roles": lambda support: _surest(support.swapped),
}
"""Features by name; larger values are stronger evidence against an answer.

The first four measure how extractive an answer is, which determines how much of it can be wrong. Some shares are
raised to a power, as other words for a few of an answer's are a paraphrase and weak evidence. Words of one kind count
once, so that long answers are not worse because of their length. Negated, opposite and swapped words are weighted by
the share of their neighbours that the context has at the same place; otherwise the context may be about something
else.
"""


def parts(support: Support) -> np.ndarray:
    """Return all features of an answer, float64 of shape (parts,).

    Examples
    --------
    >>> compared = support("The shop never opened in 1999.", "The shop was opened in Paris. It closed in 2010.")
    >>> values = dict(zip(PARTS, parts(compared).round(2).tolist()))
    >>> values["absent_numbers"], values["unmatched_negations"]
    (1.0, 1.0)
    """
    return np.array([part(support) for part in PARTS.values()])


def support_records(records: Records) -> list[Support | None]:
    """Compare every response with its context; None if either is missing or has no words.

    A context may be a list of passages.
    """
    response, context = records["response"], records["context"]
    rows = zip(response.values, response.missing, context.values, context.missing, strict=True)
    pairs = [None if gone or none else (str(answer), join_context(passage)) for answer, gone, passage, none in rows]
    supports_left = iter(supports([pair for pair in pairs if pair is not None]))
    return [None if pair is None else next(supports_left) for pair in pairs]


def join_context(context: object) -> str:
    """Return a context as one text."""
    if isinstance(context, list | tuple | np.ndarray):
        return SEPARATOR.join(str(passage) for passage in context)
    return str(context)


def score_records(records: Records, score: Callable[[Support], float]) -> Column:
    """Score every record with words in both texts; others are missing."""
    scores = [math.nan if support is None else score(support) for support in support_records(records)]
    values = np.array(scores, dtype=np.float64)
    return Column(values, np.isnan(values))


def pointing(
    kind: str,
    places: Callable[[Support], list[int]],
    score: Callable[[Support, int], float] = lambda _support, _place: 1.0,
) -> Callable[[Mapping[str, str]], list[Evidence]]:
    """Return a function for the locations of certain words in a response."""

    def evidence(record: Mapping[str, str]) -> list[Evidence]:
        measured = support(record["response"], join_context(record["context"]))
        if measured is None:
            return []
        at = spans(record["response"][:LONGEST_ANSWER], measured.lexicon)
        return [Evidence(kind, *at[place], score(measured, place)) for place in places(measured)]

    return evidence


def claims(record: Mapping[str, str]) -> list[Evidence]:
    """Return the claims of a response with their unsupported share, the worst first."""
    measured = support(record["response"], join_context(record["context"]))
    if measured is None:
        return []
    at = spans(record["response"][:LONGEST_ANSWER], measured.lexicon)
    parts_of_answer = []
    for number, score in enumerate(measured.claims.tolist()):
        words = np.flatnonzero(measured.answer.sentence == number)
        if not math.isnan(score):
            parts_of_answer.append(Evidence("claim", at[words[0]][0], at[words[-1]][1], 1.0 - score))
    return sorted(parts_of_answer, key=lambda claim: -claim.score)
