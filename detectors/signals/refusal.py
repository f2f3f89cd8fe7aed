"""Whether the answer declines."""

from __future__ import annotations

from collections.abc import Mapping

from detectors.records import Column, Records
from detectors.signals.base import Evidence, Signal, each
from detectors.signals.patterns import phrases, utf8

OPENING = 400
"""Code points in which an answer that declines says so."""
FULL_ANSWER = 160
"""Bytes after a *however* that are an answer after all."""


def compute(records: Records) -> Column:
    """Say of each response whether it declines (1) or not (0): it will not, it cannot, or it does not know.

    Read are the first 400 code points, in fifteen languages. An answer that declines and then complies (*as an AI I
    cannot draw, however here is a table …*) does not count.

    Limits
    ------
    Phrases, not meaning: a letter of excuse that was asked for counts, a refusal in unusual words does not, nor one
    in another language. Whether declining was right is not judged.

    References
    ----------
    Röttger et al., *XSTest: a test suite for identifying exaggerated safety behaviours in large language models*,
    NAACL 2024, for full and partial refusal. The phrases are our own.

    Examples
    --------
    >>> answers = ["I'm sorry, but I can't help with that.", "Das kann ich leider nicht beantworten.", "It can't rain."]
    >>> compute({"response": Column.of(answers)}).values.tolist()
    [1.0, 1.0, 0.0]
    """
    return each(records["response"], lambda text: float(_place(text) is not None))


def evidence(record: Mapping[str, str]) -> list[Evidence]:
    """Return where the response declines, type ``declines`` or ``unknown``."""
    text = record["response"]
    span = _place(text)
    if span is None:
        return []
    kind, start, end = span
    head = utf8(text[:OPENING])
    before, until = (len(head[:place].decode("utf-8", "ignore")) for place in (start, end))
    return [Evidence(kind, before, until, 1.0)]


def _place(text: str) -> tuple[str, int, int] | None:
    """Return what kind of phrase declines, and its bytes in the opening."""
    head = utf8(text[:OPENING])
    for kind in ("declines", "unknown"):
        match = phrases("refusal", kind).search(head)
        if match and head.count(b'"', 0, match.start()) % 2 == 0 and not _complies(text, match.end()):
            return kind, match.start(), match.end()
    return None


def _complies(text: str, start: int) -> bool:
    """Say whether an answer that has declined goes on to do what was asked."""
    rest = utf8(text[: 5 * OPENING])[start:]
    turn = phrases("refusal", "turns").search(rest)
    if turn is None:
        return False
    return len(rest) - turn.end() >= FULL_ANSWER or phrases("refusal", "complies").search(rest) is not None


SIGNAL = Signal(
    name="refusal",
    needs=("response",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="1 or 0",
    cost="about 200,000",
    citation="Röttger et al. 2024",
    evidence=evidence,
)
