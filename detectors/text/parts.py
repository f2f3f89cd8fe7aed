"""What speaks against an answer, as a few numbers: the parts of the score `hallucinated`, each also a signal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Evidence
from detectors.text.reading import spans
from detectors.text.support import LONGEST_ANSWER, Support, support, supports

FEW = 5
"""Words of an answer of which few can be copied three in a row, so that half as much is said where none is."""
EXTRACTIVE = 0.5
"""An answer of which less than this share of the neighbouring words is new is mostly cut out of its context."""
SEPARATOR = "\n"
"""Between the passages of a context that is a list."""


def _surest(shares: Mapping[int, float]) -> float:
    return max(shares.values(), default=0.0) ** 2


PARTS: Mapping[str, Callable[[Support], float]] = {
    "uncopied": lambda held: (1.0 - held.copied) * len(held.stems) / (len(held.stems) + FEW),
    "broken": lambda held: held.broken,
    "abstractive": lambda held: min(held.broken / EXTRACTIVE, 1.0),
    "unaligned": lambda held: held.unaligned,
    "apart": lambda held: held.apart**4,
    "unsupported": lambda held: held.unsupported**2,
    "claims": lambda held: held.lacking,
    "strangest": lambda held: held.strangest**2,
    "things": lambda held: held.things,
    "factless": lambda held: held.factless,
    "absent_numbers": lambda held: float(bool(held.numbers[0])),
    "misplaced_numbers": lambda held: float(bool(held.numbers[1])),
    "absent_names": lambda held: float(bool(held.names[0])),
    "unmatched_negations": lambda held: float(bool(held.negations)),
    "opposites": lambda held: _surest(held.shared(held.opposites)),
    "added_negations": lambda held: _surest(held.denials[1]),
    "dropped_negations": lambda held: _surest(held.denials[0]),
    "swapped_roles": lambda held: _surest(held.swapped),
}
"""By name: how much each part says against an answer; the more, the worse.

The first four say how extractive an answer is, which decides how much there is to be wrong. Some shares are raised to a
power: other words for a few of an answer's are a paraphrase, and say little. Words of one kind count once, however
many there are, or long answers would be worse for being long. What is denied, opposed or swapped counts as much as the
words beside it are the context's: in a passage of other words, it may be said of something else."""


def parts(held: Support) -> np.ndarray:
    """Return every part of an answer, float64 of shape (parts,).

    Examples
    --------
    >>> held = support("The shop never opened in 1999.", "The shop was opened in Paris. It closed in 2010.")
    >>> found = dict(zip(PARTS, parts(held).round(2).tolist()))
    >>> found["absent_numbers"], found["unmatched_negations"]
    (1.0, 1.0)
    """
    return np.array([part(held) for part in PARTS.values()])


def support_records(records: Records) -> list[Support | None]:
    """Hold every response against its context; None where either is missing or wordless.

    A context may be a list of passages.
    """
    response, context = records["response"], records["context"]
    rows = zip(response.values, response.missing, context.values, context.missing, strict=True)
    pairs = [None if gone or none else (str(said), join_context(given)) for said, gone, given, none in rows]
    held = iter(supports([pair for pair in pairs if pair is not None]))
    return [None if pair is None else next(held) for pair in pairs]


def join_context(context: object) -> str:
    """Return a context as one text."""
    if isinstance(context, list | tuple | np.ndarray):
        return SEPARATOR.join(str(passage) for passage in context)
    return str(context)


def score_records(records: Records, score: Callable[[Support], float]) -> Column:
    """Score every record that has words on both sides; the others are missing."""
    found = [math.nan if held is None else score(held) for held in support_records(records)]
    values = np.array(found, dtype=np.float64)
    return Column(values, np.isnan(values))


def pointing(
    kind: str,
    places: Callable[[Support], list[int]],
    score: Callable[[Support, int], float] = lambda _held, _place: 1.0,
) -> Callable[[Mapping[str, str]], list[Evidence]]:
    """Return a function that shows where in a response certain words stand."""

    def evidence(record: Mapping[str, str]) -> list[Evidence]:
        held = support(record["response"], join_context(record["context"]))
        if held is None:
            return []
        at = spans(record["response"][:LONGEST_ANSWER], held.lexicon)
        return [Evidence(kind, *at[place], score(held, place)) for place in places(held)]

    return evidence


def claims(record: Mapping[str, str]) -> list[Evidence]:
    """Return every claim of a response with what its context does not support of it, the worst first."""
    held = support(record["response"], join_context(record["context"]))
    if held is None:
        return []
    at = spans(record["response"][:LONGEST_ANSWER], held.lexicon)
    found = []
    for number, score in enumerate(held.claims.tolist()):
        words = np.flatnonzero(held.answer.sentence == number)
        if not math.isnan(score):
            found.append(Evidence("claim", at[words[0]][0], at[words[-1]][1], 1.0 - score))
    return sorted(found, key=lambda claim: -claim.score)
