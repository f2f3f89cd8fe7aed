"""Truncated answers."""

from __future__ import annotations

import re

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import LONGEST_TEXT, Signal

CUT = frozenset(
    {
        "length",
        "max_tokens",
        "max_output_tokens",
        "max_length",
        "model_length",
        "token_limit",
        "incomplete",
    }
)
WHOLE = frozenset(
    {
        "stop",
        "end_turn",
        "stop_sequence",
        "eos",
        "eos_token",
        "complete",
        "completed",
        "finish",
        "finished",
        "tool_calls",
        "tool_use",
        "function_call",
        "tool_call",
        "content_filter",
        "safety",
        "refusal",
    }
)
INSIDE = (",", ";", "(", "[", "{", "\u3001", "\uff0c")
FEWEST_WORDS = 12
"""Fewest words of an answer that must end with a sentence; shorter ones may be a name, a number, a title."""
TAIL = 2_000
_REASON = re.compile(r"[a-z_]+")
_LETTER = re.compile(r"[^\W\d_]")
_WORD_INSIDE = re.compile(r"\b(?:a|an|the|and|or|of|to|in|with|for|by|is|are|that|und|der|die|et|de|y|e|la)$")
_SENTENCE = re.compile(r"[.!?]\s+\S|[\u3002\uff01\uff1f]")
_LIST = re.compile(r"\s*(?:[-*\u2022#>|]|\d{1,3}[.)]|\w\)|[\w ]{1,40}:)")


def compute(records: Records) -> Column:
    """Score 1 for a response that was truncated, 0 for any other.

    Uses the logged ``finish_reason`` if it is known (``length``, ``max_tokens`` …), otherwise the text: an open code
    block, a last line of prose without end punctuation in a text whose sentences have it, or a last word that cannot
    end a sentence. Missing without a known reason and without a response, and for responses of 200,000 code points,
    which may be truncated on reading.

    Limits
    ------
    From the text alone, a cut at the end of a sentence is not detected, nor one inside a list, a table, or an answer of
    fewer than twelve words. End punctuation is required only in texts that use it.

    References
    ----------
    Finish reasons as in the APIs of OpenAI, Anthropic and Google. The rule for texts is driftd's own.

    Examples
    --------
    >>> long = "The parcel left on Monday. It should arrive by the end of the week, unless the weather in "
    >>> records = {"response": Column.of([long, long + "May is bad.", "Paris"]),
    ...            "finish_reason": Column.of([None, None, '["length"]'])}
    >>> compute(records).values.tolist()
    [1.0, 0.0, 1.0]
    """
    responses, reasons = records["response"], records.get("finish_reason")
    scores = np.full(len(responses), np.nan)
    for row in range(len(responses)):
        if reasons is not None and not reasons.missing[row]:
            scores[row] = _by_reason(str(reasons.values[row]))
        if np.isnan(scores[row]) and not responses.missing[row]:
            scores[row] = _by_text(str(responses.values[row]))
    return Column(scores, np.isnan(scores))


def _by_reason(reason: str) -> float:
    words = set(_REASON.findall(reason[:200].lower()))
    return 1.0 if words & CUT else 0.0 if words & WHOLE else float("nan")


def _by_text(text: str) -> float:
    if len(text) >= LONGEST_TEXT:
        return float("nan")
    text = text.rstrip()
    if text.count("```") % 2:
        return 1.0
    tail = text[-TAIL:]
    line = tail.rsplit("\n", 1)[-1]
    if len(tail.split(None, FEWEST_WORDS)) < FEWEST_WORDS and not _SENTENCE.search(tail):
        return 0.0
    if line.endswith(INSIDE):
        return 1.0
    last = line.rsplit(None, 1)[-1] if line else ""
    prose = not _LIST.match(line) and len(line.split(None, 4)) > 3 and not last.startswith(("#", "@", "http"))
    open_ended = _WORD_INSIDE.search(line[-40:].lower()) is not None
    open_ended = open_ended or (bool(_LETTER.match(tail[-1])) and _SENTENCE.search(tail) is not None)
    return float(prose and open_ended)


SIGNAL = Signal(
    name="truncation",
    needs=("response",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="1 or 0",
    cost="about 190,000",
    citation="none: a rule",
    uses=("finish_reason",),
)
