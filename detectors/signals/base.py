"""Signal: interface of a score of single records."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from detectors.binning import Kind
from detectors.direction import Preference
from detectors.records import Column, Records

LONGEST_TEXT = 200_000
"""Number of code points that are read; the rest of a longer text is ignored."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Evidence:
    """Location in the response behind a score; offsets only, never the text.

    Parameters
    ----------
    type
        Type, such as ``claim``, ``number`` or ``email``.
    start, end
        Half-open range of code points in the response.
    score
        Severity, in the signal's unit.
    """

    type: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Signal:
    """Named score.

    Parameters
    ----------
    name
        Name of the resulting column.
    needs
        Roles of the required columns (``response``, ``context``, ``question`` …).
    kind
        Of the resulting column.
    compute
        Pure function from records to one column; missing if a required value is missing.
    unit, cost, citation
        For the table of the documentation; ``cost`` is the approximate number of records per second on one core.
    evidence
        Locations in one response behind the score, worst first; None for a score of the whole.
    uses
        Optional roles, used if they are logged.
    configure
        Creates the signal from its options, which are the keyword arguments; ValueError for invalid values.
    better
        Direction of an improvement; ``neutral`` if neither is good or bad by itself, None if any change is bad.
    """

    name: str
    needs: tuple[str, ...]
    kind: Kind
    compute: Callable[[Records], Column]
    unit: str
    cost: str
    citation: str
    evidence: Callable[[Mapping[str, str]], list[Evidence]] | None = None
    uses: tuple[str, ...] = ()
    configure: Callable[..., Signal] | None = None
    better: Preference | None = None


def each(texts: Column, score: Callable[[str], float]) -> Column:
    """Score every present value, as text, separately; NaN is missing.

    Examples
    --------
    >>> each(Column.of(["ab", None, ""]), lambda text: len(text) or float("nan")).missing.tolist()
    [False, True, True]
    """
    scores = np.full(len(texts), np.nan)
    present = ~texts.missing
    scores[present] = [score(str(text)) for text in texts.values[present].tolist()]
    return Column(scores, np.isnan(scores))


def words(text: str) -> list[str]:
    """Return the lower-case words and numbers of the first 200,000 code points of a text.

    Examples
    --------
    >>> words("It's 3.5 kg, déjà vu.")
    ['it', 's', '3', '5', 'kg', 'déjà', 'vu']
    """
    return _WORD.findall(text[:LONGEST_TEXT].casefold())
