"""Uncertainty of the model about its least certain tokens."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Evidence, Signal, each

WINDOW = 3
"""Number of averaged tokens: a single one may be an artefact of the tokenizer."""
LARGEST = 30.0
"""Upper limit of a token's surprisal, in nats; APIs encode a probability of zero as -9999 or minus infinity."""

ALMOST = 1e-6
"""Largest log probability: 0, with a tolerance for rounding."""


def compute(records: Records) -> Column:
    """Return the mean surprisal, in nats, of the three consecutive tokens of each response where it is largest.

    ``logprobs`` is JSON: a list of the natural logarithms of the tokens' probabilities; OpenAI's ``{"content":
    [{"token", "logprob", "top_logprobs"}]}``, or that list alone; or the older ``{"token_logprobs": […]}``. If every
    token has alternatives, their entropy replaces the surprisal. Missing for any other value.

    Limits
    ------
    A maximum grows with the length of the answer, so compare answers of similar length. Names and rare words have a
    high surprisal, too, and a model can be certain of a wrong answer.

    References
    ----------
    Kadavath et al., *Language models (mostly) know what they know*, 2022; Manakul, Liusie, Gales, *SelfCheckGPT*, EMNLP
    2023, section 4 (the maximum is more informative than the mean).

    Examples
    --------
    >>> logged = ["[-0.1, -0.1, -0.1]", '{"content": [{"token": "a", "logprob": -2}, {"token": "b", "logprob": -4}]}']
    >>> compute({"logprobs": Column.of([*logged, "none"])}).values[:2].round(2).tolist()
    [0.1, 3.0]
    """
    return each(records["logprobs"], _peak)


def evidence(record: Mapping[str, str]) -> list[Evidence]:
    """Return the three tokens with the largest surprisal, if their texts are logged."""
    tokens = _tokens(record["logprobs"])
    texts = [token.get("token") if isinstance(token, dict) else None for token in tokens]
    values, places = _surprises(tokens)
    if not len(values) or not all(isinstance(text, str) for text in texts):
        return []
    means = _means(values)
    worst = int(np.argmax(means))
    ends = np.cumsum([len(str(text)) for text in texts])
    first, last = places[worst], places[min(worst + WINDOW, len(values)) - 1]
    start = int(ends[first]) - len(str(texts[first]))
    return [Evidence("tokens", start, min(int(ends[last]), len(record["response"])), float(means[worst]))]


def _peak(text: str) -> float:
    values, _ = _surprises(_tokens(text))
    return float(_means(values).max()) if len(values) else math.nan


def _tokens(text: str) -> Sequence[Any]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if isinstance(read, dict):
        read = read.get("content") or read.get("token_logprobs") or read.get("logprobs")
    if isinstance(read, dict):
        read = read.get("content") or read.get("token_logprobs")
    return read if isinstance(read, list) else []


def _surprises(tokens: Sequence[Any]) -> tuple[np.ndarray, list[int]]:
    """Return the surprisal of each token with a probability, and the indices of these tokens."""
    if not any(isinstance(token, dict) for token in tokens[:2]):
        values, places = _plain(tokens)
        return np.minimum(values, LARGEST), places
    entropies = list(_entropies(tokens))
    if len(entropies) == len(tokens):
        entropies_by_place = list(enumerate(entropies))
    else:
        logprobs = ((place, token.get("logprob")) for place, token in enumerate(tokens) if isinstance(token, dict))
        entropies_by_place = [(place, -float(value)) for place, value in logprobs if _is_logprob(value)]
    values = np.fromiter((value for _, value in entropies_by_place), dtype=np.float64, count=len(entropies_by_place))
    return np.minimum(values, LARGEST), [place for place, _ in entropies_by_place]


def _plain(tokens: Sequence[Any]) -> tuple[np.ndarray, list[int]]:
    """Parse a list of numbers, in which null is a token without one."""
    try:
        logs = np.array(tokens, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0), []
    places = np.flatnonzero(logs <= ALMOST) if logs.ndim == 1 else np.zeros(0, dtype=np.int64)
    return -logs[places] if len(places) else np.zeros(0), places.tolist()


def _entropies(tokens: Sequence[Any]) -> Iterator[float]:
    """Yield the entropy over the alternatives of each token that has any."""
    for token in tokens:
        others = token.get("top_logprobs") if isinstance(token, dict) else None
        if not isinstance(others, list) or len(others) < 2:
            return
        logs = [other.get("logprob") for other in others if isinstance(other, dict)]
        logprobs = [float(value) for value in logs if _is_logprob(value)]
        if len(logprobs) < 2:
            return
        yield _entropy(logprobs)


def _entropy(logs: list[float]) -> float:
    """Return the entropy of the alternatives, with all others as one more."""
    probabilities = [math.exp(max(value, -LARGEST)) for value in logs]
    rest = max(0.0, 1.0 - math.fsum(probabilities))
    return math.fsum(-share * math.log(share) for share in (*probabilities, rest) if share > 0)


def _is_logprob(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value <= ALMOST


def _means(values: np.ndarray) -> np.ndarray:
    """Return the moving mean; the mean of all values if they are fewer."""
    size = min(WINDOW, len(values))
    sums = np.convolve(values, np.ones(size), mode="valid")
    return np.asarray(sums / size)


SIGNAL = Signal(
    name="uncertainty",
    needs=("logprobs",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="nats",
    cost="about 30,000; 10,000 in OpenAI's form",
    citation="Manakul, Liusie and Gales 2023",
    evidence=evidence,
)
