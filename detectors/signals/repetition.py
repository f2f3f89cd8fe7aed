"""Whether the answer repeats itself: the mark of a degenerate generation."""

from __future__ import annotations

import re
from collections.abc import Mapping

from detectors.records import Column, Records
from detectors.signals.base import LONGEST_TEXT, Evidence, Signal, each

GRAM = 4
FEWEST = 3
"""Times that the last piece of a text must stand there in a row to be a loop."""
LONGEST_LOOP = 2_000
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def compute(records: Records) -> Column:
    """Return the larger of two shares of each response: repeated four-grams, and the loop in which it ends.

    A four-gram is four words, or four characters of a script without spaces. A loop is a piece of at most 2,000 code
    points that stands at the end three times or more in a row, through to the last code point. Missing where the
    response is empty; the first 200,000 code points are read.

    Limits
    ------
    A table, a poem with a refrain or a form repeats itself by right: compare with the baseline, not with zero. Loops
    whose turns differ in a number are seen by their four-grams only.

    References
    ----------
    Welleck et al., *Neural text generation with unlikelihood training*, ICLR 2020 (seq-rep-4); Holtzman et al., *The
    curious case of neural text degeneration*, ICLR 2020.

    Examples
    --------
    >>> said = ["one two three four five", "well, no, no, no, no, no, no, no, no, no, no", "ha" * 50]
    >>> compute({"response": Column.of(said)}).values.round(2).tolist()
    [0.0, 0.91, 1.0]
    """
    return each(records["response"], _score)


def evidence(record: Mapping[str, str]) -> list[Evidence]:
    """Return the loop at the end of the response, if there is one."""
    text = record["response"][:LONGEST_TEXT]
    start = _loop(text.rstrip())
    return [] if start == len(text.rstrip()) else [Evidence("loop", start, len(text.rstrip()), repetition_share(text))]


def repetition_share(text: str) -> float:
    """Return the share of four-grams of a text that stood there before; 0 below four words."""
    tokens = _TOKEN.findall(text.casefold())
    count = len(tokens) - GRAM + 1
    if count < 1:
        return 0.0
    return 1 - len(set(zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False))) / count


def _score(text: str) -> float:
    text = text[:LONGEST_TEXT].rstrip()
    return max(repetition_share(text), 1 - _loop(text) / len(text)) if text else float("nan")


def _loop(text: str) -> int:
    """Return where the loop at the end of a text begins, the text's length where there is none."""
    size = len(text)
    for piece in (32, 8):  # a short piece alone would take the distance between two of its own letters
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
    """Return how far before its last code points the same ones stood last."""
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
