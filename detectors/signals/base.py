"""Signal: the contract of a per-record score."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from detectors.binning import Kind
from detectors.direction import Preference
from detectors.records import Column, Records

LONGEST_TEXT = 200_000
"""Code points of a text that are looked at; the rest of a longer one does not count."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Evidence:
    """Where in the response a score comes from; offsets only, never the text.

    Parameters
    ----------
    type
        What stands there, such as ``claim``, ``number`` or ``email``.
    start, end
        Half-open range of code points in the response.
    score
        How bad it is, in the signal's own unit.
    """

    type: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Signal:
    """A named score.

    Parameters
    ----------
    name
        The name of the column that it makes.
    needs
        Roles of the columns that it reads (``response``, ``context``, ``question`` …).
    kind
        Of the column that it makes.
    compute
        Pure function from records to one column; missing where a record lacks what is needed.
    unit, cost, citation
        For the docs table; ``cost`` is the order of records a second on one core.
    evidence
        The places of one response that the score comes from, worst first; None for a score of the whole.
    uses
        Roles that it reads as well where they are logged.
    configure
        Makes the signal from its options, which are the keyword arguments; ValueError for values that cannot be.
    better
        Which way is an improvement; ``neutral`` when neither is good or bad by itself, None when any change is bad.
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
    """Score every present value, as text, on its own; NaN is missing.

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
