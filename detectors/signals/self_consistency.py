"""Consistency of several sampled answers."""

from __future__ import annotations

import itertools
import json
import math
import re

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal, words

MOST_SAMPLES = 10
LONGEST_SAMPLE = 4_000
"""Number of code points of a sample that are compared."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def compute(records: Records) -> Column:
    """Return the mean agreement of the answers sampled for one question: 1 identical, 0 nothing in common.

    ``samples`` is a JSON list of texts. Each is compared with the response, or with the others if no response is
    logged. The agreement of two answers is the Dice coefficient of their words or, if either has numbers, that of their
    numbers if it is lower. Missing with fewer than two answers. At most ten samples, 4,000 code points of each.

    Limits
    ------
    Compares words, not meaning: paraphrases disagree. A model can repeat the same mistake every time.

    References
    ----------
    Manakul, Liusie, Gales, *SelfCheckGPT*, EMNLP 2023 (n-gram variant); Wang et al., *Self-consistency improves
    chain of thought reasoning*, ICLR 2023.

    Examples
    --------
    >>> texts = ['["It weighs 42 kg.", "It weighs 42 kg"]', '["It weighs 42 kg.", "It weighs 97 kg."]', '["one"]']
    >>> compute({"samples": Column.of(texts)}).values[:2].round(2).tolist()
    [1.0, 0.0]
    """
    samples, responses = records["samples"], records.get("response")
    scores = np.full(len(samples), np.nan)
    for row in np.flatnonzero(~samples.missing):
        response = None if responses is None or responses.missing[row] else str(responses.values[row])
        scores[row] = _score(response, str(samples.values[row]))
    return Column(scores, np.isnan(scores))


def _score(response: str | None, samples: str) -> float:
    try:
        read = json.loads(samples)
    except (ValueError, RecursionError):
        return math.nan
    texts = [text for text in read if isinstance(text, str)][:MOST_SAMPLES] if isinstance(read, list) else []
    answers = [_parts(text) for text in texts]
    if response is None:
        pairs = list(itertools.combinations(answers, 2))
    else:
        answer = _parts(response)
        pairs = [(answer, other) for other in answers]
    return math.fsum(_agreement(*pair) for pair in pairs) / len(pairs) if pairs else math.nan


def _parts(text: str) -> tuple[set[str], set[str]]:
    """Return the distinct words, and the distinct numbers without thousands separators."""
    text = text[:LONGEST_SAMPLE]
    numbers = {re.sub(r"[.,](?=\d{3}(?:\D|$))", "", match) for match in _NUMBER.findall(text)}
    return set(words(text)), numbers


def _agreement(one: tuple[set[str], set[str]], other: tuple[set[str], set[str]]) -> float:
    shared = _dice(one[0], other[0])
    return min(shared, _dice(one[1], other[1])) if one[1] or other[1] else shared


def _dice(one: set[str], other: set[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0


SIGNAL = Signal(
    name="self_consistency",
    needs=("samples",),
    kind="numeric",
    better="higher",
    compute=compute,
    unit="agreement, 0 to 1",
    cost="about 7,000",
    citation="Manakul, Liusie and Gales 2023",
    uses=("response",),
)
