"""Hedging of the answer."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from detectors.records import Column, Records
from detectors.scan.base import in_points
from detectors.signals.base import Evidence, Signal, each
from detectors.signals.patterns import compile_linear, phrases, utf8

READ = 20_000
"""Number of code points that are read."""
_ENDS = r"[.!?\x{3002}\x{ff01}\x{ff1f}\x{0964}\x{061f}]+(?:\s|$)|[\x{3002}\x{ff01}\x{ff1f}]|\n+"


def compute(records: Records) -> Column:
    """Return the share of a response's sentences with a hedge.

    Hedges are phrases such as *perhaps*, *it seems*, *I think*, *vielleicht*, in fifteen languages. Reads the first
    20,000 code points. Missing if the response is empty.

    Limits
    ------
    Counts phrases, not doubt: *may* of permission counts, and a model that is wrong need not hedge. A change indicates
    a change of tone.

    References
    ----------
    Hyland, *Metadiscourse*, 2005; Farkas et al., *The CoNLL-2010 shared task: learning to detect hedges*, CoNLL 2010.

    Examples
    --------
    >>> compute({"response": Column.of(["It may rain. It is Monday.", "It rains.", ""])}).values[:2].tolist()
    [0.5, 0.0]
    """
    return each(records["response"], _share)


def evidence(record: Mapping[str, str]) -> list[Evidence]:
    """Return every hedge of the response, type ``hedge``."""
    text = record["response"][:READ]
    data = utf8(text)
    spans = [match.span() for match in phrases("hedging", "hedges").finditer(data)]
    return [Evidence("hedge", start, end, 1.0) for start, end in in_points(spans, text, data)]


def _share(text: str) -> float:
    if not text or text.isspace():
        return float("nan")
    data = utf8(text[:READ])
    hedges = [match.start() for match in phrases("hedging", "hedges").finditer(data)]
    if not hedges:
        return 0.0
    ends = [match.end() for match in compile_linear(_ENDS).finditer(data.rstrip())]
    sentences = len(ends) + (not ends or ends[-1] < len(data.rstrip()))
    return len({bisect_left(ends, place + 1) for place in hedges}) / sentences


SIGNAL = Signal(
    name="hedging",
    needs=("response",),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="share of sentences",
    cost="about 100,000",
    citation="Hyland 2005",
    evidence=evidence,
)
