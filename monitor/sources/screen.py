"""Decide by its values whether a column is suitable as a feature.

The distribution of a feature must be stable while the application does not change. Identifiers, counters and times
always have new values, so they would always drift. Free text and personal data must not be stored and sent in
messages, as categories are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

import numpy as np

from detectors.binning import LONGEST_CATEGORY
from detectors.policy import redact
from detectors.scan import PUBLIC, Span, scan

NEARLY_ALL = 0.95
ENOUGH = 50
"""Minimum number of values for rules about their order."""
MANY_WORDS = 6
"""Texts with more words are free text."""
FEW_SENTENCES = 5
"""Maximum number of distinct texts of many words that may be long names of categories."""
FEW_VALUES = 20
"""Maximum number of distinct values that may be in order of time because of configuration changes."""
IN_ORDER = 0.98
"""Minimum rank correlation with time for integers and texts to count as numbered in order of time."""
NEW_VALUES = 0.1
"""Minimum share of new values in the newer half for values to count as changing constantly."""
LARGEST_MEASURE = 2.0**53
"""Larger integers are not exact in a float64; they are hashes or identifiers."""
NEAR = 5 * 365.25 * 86400.0
"""Maximum difference, in seconds, between an event and a time that is logged with it, such as an expiry."""
UNITS = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}
PARSED = 100
"""Number of texts that are parsed as JSON."""
ID_WORDS = frozenset(("id", "ids", "uuid", "guid", "key", "hash", "number", "no", "nr", "seq", "sequence", "serial"))
PROTECTED = ("pii", "secrets")
"""Groups of what must not be stored."""
_DATE = re.compile(
    r"\s*(?:(?:19|20)\d\d([-/.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])|\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)\d\d)"
    r"(?:[T ]\d.*)?"
)
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Letters of scripts without spaces between words; about two letters are a word."""


def unfit_numbers(name: str, values: Sequence[float], middle: float | None) -> str | None:
    """Return why numbers, in order of time, are not suitable as a feature; None if they are.

    Parameters
    ----------
    name
        Name of the column.
    values
        Numbers, finite or not.
    middle
        Median event time in seconds since 1970, None if unknown.

    Examples
    --------
    >>> unfit_numbers("order_number", list(range(1000, 1100)), None)
    'numbered in the order of time'
    >>> unfit_numbers("amount", [20.0, 10.0, 40.0, 30.0] * 30, None)
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) < ENOUGH:
        return None
    distinct = len(np.unique(numbers))
    whole = bool(np.all(numbers == np.floor(numbers)))
    unit = _unit(numbers, middle)
    if unit is not None:
        return f"a time: {unit} since 1970"
    if whole and _mostly(bool(_DATE.fullmatch(f"{value:.0f}")) for value in numbers):
        return "a time: a date as a number"
    if distinct > FEW_VALUES:
        steps = np.diff(numbers)
        if np.all(steps >= 0) or np.all(steps <= 0) or (whole and _follows_time(numbers)):
            return "numbered in the order of time"
    if whole and np.median(np.abs(numbers)) > LARGEST_MEASURE:
        return "an identifier: whole numbers too large to be measured"
    if whole and distinct > max(FEW_VALUES, len(numbers) / 2) and _is_named_as_id(name):
        return "an identifier by its name, and over half of the values are distinct"
    return None


def unfit_texts(values: Sequence[str]) -> str | None:
    """Return why texts, in order of time, are not suitable as a feature; None if they are.

    Examples
    --------
    >>> unfit_texts(["pay as you go", "flat rate"] * 100)
    >>> unfit_texts(["flat rate", "write to jane@example.com"] * 100)
    'personal data (email_address)'
    """
    if not values:
        return None
    if _mostly(_is_json(text) for text in values[:PARSED]):
        return "JSON"
    cut = [text[:LONGEST_CATEGORY] for text in values]
    if _mostly(bool(_DATE.fullmatch(text)) for text in cut):
        return "a time written as text"
    return unfit_words(cut) or _unfit_order(cut)


def unfit_words(values: Iterable[str]) -> str | None:
    """Return why texts, in any order, must not be stored as categories; None if they may."""
    listed = list(values)
    sentences = {text for text in listed if count_words(text) > MANY_WORDS}
    if len(sentences) > FEW_SENTENCES:
        return "free text: many words"
    types = personal_types(listed)
    return f"personal data ({', '.join(types)})" if types else None


def personal_types(values: Iterable[str]) -> list[str]:
    """Return the types of personal data and secrets in texts, sorted."""
    return sorted({span.type for text in set(values) for span in _personal(text)})


def without_personal(text: str) -> str:
    """Return a text with personal data and secrets replaced by their type.

    Examples
    --------
    >>> without_personal("jane@example.com")
    '[EMAIL_ADDRESS]'
    """
    return redact(text, _personal(text))


def count_words(text: str) -> int:
    """Return the approximate number of words of a text, in any script.

    Examples
    --------
    >>> count_words("pay as you go"), count_words("我想取消我的订阅并退款")
    (4, 6)
    """
    return len(text.split()) + len(_WITHOUT_SPACES.findall(text)) // 2


def _personal(text: str) -> list[Span]:
    return [span for span in scan(text, PROTECTED) if span.type not in PUBLIC]


def _unfit_order(values: Sequence[str]) -> str | None:
    distinct = len(set(values))
    if len(values) < ENOUGH or distinct <= FEW_VALUES:
        return None
    places = {text: place for place, text in enumerate(sorted(set(values), key=_natural))}
    if _follows_time(np.array([places[text] for text in values], dtype=np.float64)):
        return "numbered in the order of time"
    if distinct > len(values) / 2:
        return "an identifier or free text: over half of the values are distinct"
    half = len(values) // 2
    first_half = set(values[:half])
    if half >= 2 * ENOUGH and np.mean([text not in first_half for text in values[half:]]) > NEW_VALUES:
        return "an identifier or free text: new values keep coming"
    return None


def _mostly(answers: Iterable[bool]) -> bool:
    return float(np.mean(list(answers))) >= NEARLY_ALL


def _unit(values: np.ndarray, middle: float | None) -> str | None:
    """Return the unit of numbers that are times near their events, if they are."""
    if middle is None:
        return None
    near = (name for name, unit in UNITS.items() if np.mean(np.abs(values / unit - middle) < NEAR) >= NEARLY_ALL)
    return next(near, None)


def _follows_time(values: np.ndarray) -> bool:
    """Return whether values increase or decrease with their index, by Spearman's rank correlation."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return abs(float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])) >= IN_ORDER


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key by which A-9 comes before A-10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_named_as_id(name: str) -> bool:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return bool(words) and words[-1].lower() in ID_WORDS
