"""Repetition in the answer, a sign of degenerate generation."""

from __future__ import annotations

import re
from collections.abc import Mapping

from detectors.records import Column, Records
from detectors.signals.base import LONGEST_TEXT, Evidence, Signal, each

GRAM = 4
FEWEST = 3
"""Fewest consecutive repetitions of the last piece of a text that are a loop."""
LONGEST_LOOP = 2_000
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def compute(records: Records) -> Column:
    """Return the larger of two shares of each response: repeated four-grams, and a loop at its end.

    A four-gram is four words, or four characters in a script without spaces. A loop is a piece of at most 2,000 code
    points that is repeated three times or more up to the last code point. Missing if the response is empty. Reads the
    first 200,000 code points.

    Limits
    ------
    Tables, poems with a refrain and forms repeat legitimately: compare with the baseline, not with zero. Loops whose
    repetitions differ in a number are detected by their four-grams only.

    References
    ----------
    Welleck et al., *Neural text generation with unlikelihood training*, ICLR 2020 (seq-rep-4); Holtzman et al., *The
    curious case of neural text degeneration*, ICLR 2020.

    Examples
    --------
    >>> texts = ["one two three four five", "well, no, no, no, no, no, no, no, no, no, no", "ha" * 50]
    >>> compute({"response": Column.of(texts)}).values.round(2).tolist()
    [0.0, 0.91, 1.0]
    """
    return each(records["response"], _score)


def evidence(record: Mapping[str, str]) -> list[Evidence]:
    """Return the loop at the end of the response, if any."""
    text = record["response"][:LONGEST_TEXT]
    start = _loop(text.rstrip())
    return [] if start == len(text.rstrip()) else [Evidence("loop", start, len(text.rstrip()), repetition_share(text))]


def repetition_share(text: str) -> float:
    """Return the share of four-grams that occurred before in the text; 0 below four words."""
    tokens = _TOKEN.findall(text.casefold())
    count = len(tokens) - GRAM + 1
    if count < 1:
        return 0.0
    return 1 - len(set(zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False))) / count


def _score(text: str) -> float:
    text = text[:LONGEST_TEXT].rstrip()
    return max(repetition_share(text), 1 - _loop(text) / len(text)) if text else float("nan")


def _loop(text: str) -> int:
    """Return the start of the loop at the end of a text; the text's length if there is none."""
    size = len(text)
    for piece in (32, 8):  # a short piece may match itself
        period = _period(text, piece)
        if period:
            break
    else:
        return size
    unit = text[size - period :]
    start = size - period
    while text.startswith(unit, start - period) and start >= period:
        start -= period
    while start > 0 and text[start - 1] == text[start - 1 + period]:
        start -= 1
    looped = size - start
    if looped < max(FEWEST * period, 24) or not any(letter.isalnum() for letter in unit):
        return size
    return start


def _period(text: str, piece: int) -> int:
    """Return the distance of the last piece to its previous occurrence."""
    end = text[-piece:]
    if len(text) < 2 * piece:
        return 0
    previous = text.rfind(end, max(0, len(text) - piece - LONGEST_LOOP), len(text) - 1)
    return 0 if previous < 0 else len(text) - piece - previous


SIGNAL = Signal(
    name="repetition",
    needs=("response",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="share of the text",
    cost="about 25,000",
    citation="Welleck et al. 2020",
    evidence=evidence,
)
