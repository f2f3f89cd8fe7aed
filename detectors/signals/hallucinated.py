"""How likely an answer says what its context does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from scipy import special

from detectors.records import Column, Records
from detectors.signals.base import Evidence, Signal
from detectors.text.parts import PARTS, claims, parts, pointing, support_records
from detectors.text.silence import claims_nothing


@dataclass(frozen=True)
class Combination:
    """A logistic regression over the parts: few enough to be read, learnt once, shipped as data.

    Parameters
    ----------
    weights
        Of each part, in its own unit; none is below 0, for each part speaks against the answer.
    intercept
        Where it stands, with as many right answers as wrong ones.
    """

    weights: np.ndarray
    intercept: float

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Return the probability of each row of parts, shape (..., parts)."""
        return np.asarray(special.expit((features * self.weights).sum(axis=-1) + self.intercept))


@cache
def combination() -> Combination:
    """Read the shipped combination.

    Examples
    --------
    >>> bool((combination().weights >= 0).all()), len(combination().weights) == len(PARTS)
    (True, True)
    """
    data = json.loads((files("detectors") / "data" / "hallucinated.json").read_text("utf-8"))
    return Combination(np.array([data["weights"][name] for name in PARTS]), float(data["intercept"]))


def compute(records: Records) -> Column:
    """Score each response from 0 to 1: the probability that something in it is not supported by its context.

    One small logistic regression for all kinds of text over: how much of the answer is cut out of its context, words
    that stand in no order of the context's, words that the context has far apart, the share of the facts and of each
    claim that it does not say, the strangest fact, things and names that it does not mention, absent and misplaced
    numbers, negations and limits that it has not, negations of it that the answer has dropped, subjects and objects
    that have changed places, words whose opposite it has beside the same neighbours. A word that may mean the same
    counts as said (English: WordNet), and what only hedges claims nothing (“I'm not sure, but”).

    Missing where either side is missing or wordless, for without a context nothing can be said, and where the answer
    claims nothing: it declines (*I can't help with that*, *the context does not mention this*; in fifteen languages),
    greets or offers help. The signal `refusal` counts those.

    Limits
    ------
    The probability is that of data with as many right answers as wrong ones; where few are wrong it is too high, so
    take its mean as an index until labels correct it (the check ``rate``). It sees words, not meaning: most fluent
    rearrangements of the context's own words pass, a faithful paraphrase in words that no dictionary ties to the
    context's is suspected. Hedges, roles, opposites and other words for the same are known in English only. It does
    best on short answers from one context. `make bench-hallucination` prints what it is worth, by set and by model.

    References
    ----------
    Learnt on the sets named in ``detectors/data/hallucinated.json``: Dziri et al., *Evaluating attribution in dialogue
    systems: the BEGIN benchmark*, TACL 2022; Honovich et al., *Q2*, EMNLP 2021; Laban et al., *SummEdits*, EMNLP 2023;
    Kamoi et al., *WiCE*, EMNLP 2023; and on edits of their contexts, as in Kryściński et al., *FactCC*, EMNLP 2020.

    Examples
    --------
    >>> context = Column.of(["The shop was opened in Paris in 1999. It sold bread."] * 2)
    >>> said = Column.of(["The shop sold bread in Paris.", "Mary Jones closed the theatre in Rome in 2011."])
    >>> right, wrong = compute({"response": said, "context": context}).values
    >>> bool(right < 0.4), bool(wrong > 0.8)
    (True, True)
    """
    answers = records["response"].values.tolist()
    read = [
        (row, support)
        for row, (text, support) in enumerate(zip(answers, support_records(records), strict=True))
        if support is not None and not claims_nothing(str(text), support)
    ]
    values = np.full(len(answers), np.nan)
    if read:
        values[[row for row, _ in read]] = combination().probability(np.stack([parts(support) for _, support in read]))
    return Column(values, np.isnan(values))


def evidence(record: Mapping[str, str]) -> list[Evidence]:
    """Return the claims that are least supported, and the words that are absent, denied or turned round."""
    words = [
        *pointing("number", lambda support: support.numbers[0])(record),
        *pointing("name", lambda support: support.names[0])(record),
        *pointing("negation", lambda support: support.negations)(record),
        *pointing("opposite", lambda support: support.opposites)(record),
    ]
    return [*claims(record)[:MOST_CLAIMS], *words[:MOST_WORDS]]


MOST_CLAIMS, MOST_WORDS = 20, 50
SIGNAL = Signal(
    name="hallucinated",
    needs=("response", "context"),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="probability",
    cost="about 1,200",
    citation="see detectors/data/hallucinated.json",
    evidence=evidence,
)
