"""Probability that an answer is not supported by its context."""

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
    """Logistic regression over a few interpretable features, fitted once and shipped as data.

    Parameters
    ----------
    weights
        Of each feature, in its own unit; none is negative, as each feature is evidence against the answer.
    intercept
        Intercept for equal numbers of right and wrong answers.
    """

    weights: np.ndarray
    intercept: float

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Return the probability of each row of features, shape (..., parts)."""
        return np.asarray(special.expit((features * self.weights).sum(axis=-1) + self.intercept))


@cache
def combination() -> Combination:
    """Load the shipped combination.

    Examples
    --------
    >>> bool((combination().weights >= 0).all()), len(combination().weights) == len(PARTS)
    (True, True)
    """
    data = json.loads((files("detectors") / "data" / "hallucinated.json").read_text("utf-8"))
    return Combination(np.array([data["weights"][name] for name in PARTS]), float(data["intercept"]))


def compute(records: Records) -> Column:
    """Score each response from 0 to 1: the probability that a part of it is not supported by its context.

    One small logistic regression for all kinds of text. Its features are: the copied share of the answer; words in an
    order, or at a distance, that the context does not have; the unsupported share of all facts and of each claim; the
    least supported fact; objects and names that are absent from the context; absent and misplaced numbers; added
    negations and limits; dropped negations; swapped subjects and objects; antonyms next to the same words. Synonyms
    count as supported (English: WordNet), and phrases that only hedge make no claim (“I'm not sure, but”).

    Missing if response or context is missing or has no words, and for answers without claims: those that decline (*I
    can't help with that*, *the context does not mention this*; in fifteen languages), greet or offer help. The signal
    `refusal` counts those.

    Limits
    ------
    The probability is calibrated on equal numbers of right and wrong answers and too high where few are wrong, so use
    its mean as an index unless labels correct it (the check ``rate``). It compares words, not meaning: most fluent
    rearrangements of the context's words are not detected, and faithful paraphrases in words without a dictionary
    relation score high. Hedges, roles, antonyms and synonyms are recognised in English only. Most accurate for short
    answers from one context. `make bench-hallucination` prints its accuracy, by data set and by model.

    References
    ----------
    Fitted to the sets named in ``detectors/data/hallucinated.json``: Dziri et al., *Evaluating attribution in dialogue
    systems: the BEGIN benchmark*, TACL 2022; Honovich et al., *Q2*, EMNLP 2021; Laban et al., *SummEdits*, EMNLP 2023;
    Kamoi et al., *WiCE*, EMNLP 2023; and to edits of their contexts, as in Kryściński et al., *FactCC*, EMNLP 2020.

    Examples
    --------
    >>> context = Column.of(["The shop was opened in Paris in 1999. It sold bread."] * 2)
    >>> texts = Column.of(["The shop sold bread in Paris.", "Mary Jones closed the theatre in Rome in 2011."])
    >>> right, wrong = compute({"response": texts, "context": context}).values
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
    """Return the least supported claims, and the words that are absent, negated or reversed."""
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
