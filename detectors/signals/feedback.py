"""User feedback on the answer."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.signals.patterns import load_phrases

KEYS = ("score", "value", "rating", "thumbs", "feedback", "sentiment", "label")
LONGEST = 2_000
_STARS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:stars?|/\s*(\d+)|out of (\d+)|von (\d+)|sur (\d+))", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_TONE = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
_SEPARATORS = re.compile(r"[\s-]+")


@dataclass(frozen=True)
class Feedback:
    """Convert the user's feedback on each response to a number from -1 (bad) to 1 (good).

    Reads thumbs, yes and no, and similar words and signs; explicit stars (``4 stars``, ``4/5``, ``★★★★☆``); JSON with
    such a value under ``score``, ``value`` or ``rating``. Plain numbers are on the scale from ``low`` to ``high``, by
    default -1 to 1. Missing for other text, and for numbers off the scale.

    Limits
    ------
    Comments in prose are not read. Users who give feedback are not a random sample: compare with the baseline.

    References
    ----------
    None: a change of scale.

    Examples
    --------
    >>> texts = ["thumbs_up", True, "👎", "4 stars", "★☆☆☆☆", 0, '{"score": -1}', "It was late"]
    >>> Feedback()({"feedback": Column.of(texts)}).values[:7].tolist()
    [1.0, 1.0, -1.0, 0.5, -1.0, 0.0, -1.0]
    >>> Feedback(low=1, high=5)({"feedback": Column.of([1, "3", 5])}).values.tolist()
    [-1.0, 0.0, 1.0]
    """

    low: float = -1.0
    high: float = 1.0

    def __call__(self, records: Records) -> Column:
        """Return a column of numbers from -1 to 1."""
        column = records["feedback"]
        scores = np.full(len(column), np.nan)
        for row in np.flatnonzero(~column.missing):
            scores[row] = self._score(column.values[row])
        return Column(scores, np.isnan(scores))

    def _score(self, value: object) -> float:
        if isinstance(value, bool | np.bool_):
            return 1.0 if value else -1.0
        if isinstance(value, int | float | np.number):
            return self._scaled(float(value))
        return self._text(str(value)) if len(str(value)) <= LONGEST else math.nan

    def _scaled(self, number: float) -> float:
        if not self.low <= number <= self.high:
            return math.nan
        return 2 * (number - self.low) / (self.high - self.low) - 1

    def _text(self, text: str) -> float:
        text = _TONE.sub("", text.strip().casefold()).strip()
        if text[:1] in ("{", "[", '"'):
            return self._json(text)
        word = _SEPARATORS.sub("_", text.strip(".!"))
        if word in _words():
            return _words()[word]
        if _NUMBER.fullmatch(text):
            return self._scaled(float(text))
        return _stars(text)

    def _json(self, text: str) -> float:
        try:
            read = json.loads(text)
        except (ValueError, RecursionError):
            return math.nan
        if isinstance(read, dict):
            read = next((read[key] for key in KEYS if read.get(key) is not None), None)
        return math.nan if read is None or isinstance(read, dict | list) else self._score(read)


@lru_cache(maxsize=1)
def _words() -> dict[str, float]:
    kinds = load_phrases("feedback")["words"]
    worth = {"good": 1.0, "neutral": 0.0, "bad": -1.0}
    return {word: worth[kind] for kind, listed in kinds.items() for word in listed}


def _stars(text: str) -> float:
    full, empty = sum(map(text.count, "★⭐")), text.count("☆")
    if full and not text.strip("★⭐☆ "):
        return _share(full, max(5, full + empty))
    match = _STARS.fullmatch(text)
    if match is None:
        return math.nan
    most = next((part for part in match.groups()[1:] if part), "5")
    return _share(float(match.group(1)), float(most))


def _share(stars: float, most: float) -> float:
    """Convert stars, of which one is the worst, to the scale; zero stars are the worst, too."""
    return math.nan if most < 2 or stars > most else 2 * (max(stars, 1.0) - 1) / (most - 1) - 1


def configure(*, low: float = -1.0, high: float = 1.0) -> Signal:
    """Set the scale of plain numbers: ``low`` is the worst and ``high`` the best.

    Examples
    --------
    >>> configure(low=5, high=1)
    Traceback (most recent call last):
    ...
    ValueError: `low` must be below `high`: they are 5 and 1.
    """
    if not low < high:
        raise ValueError(f"`low` must be below `high`: they are {low:g} and {high:g}.")
    return Signal(
        name="user_feedback",
        needs=("feedback",),
        kind="numeric",
        better="higher",
        compute=Feedback(float(low), float(high)),
        unit="-1 to 1",
        cost="about 800,000",
        citation="none: a change of scale",
        configure=configure,
    )


SIGNAL = configure()
