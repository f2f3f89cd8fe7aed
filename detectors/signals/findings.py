"""Scanner findings in a response: number and locations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from detectors.records import Column, Records
from detectors.scan import Span
from detectors.signals.base import Evidence, each

Find = Callable[[str], Sequence[Span]]


def count_findings(records: Records, find: Find) -> Column:
    """Count the findings of each response; missing without a response.

    Examples
    --------
    >>> records = {"response": Column.of(["a b", None])}
    >>> count_findings(records, lambda text: [Span("letter", 0, 1)]).missing.tolist()
    [False, True]
    """
    return each(records["response"], lambda text: float(len(find(text))))


def make_evidence(find: Find) -> Callable[[Mapping[str, str]], list[Evidence]]:
    """Return a function for the locations of findings, in the order of the text; each counts 1."""

    def evidence(record: Mapping[str, str]) -> list[Evidence]:
        return [Evidence(span.type, span.start, span.end, 1.0) for span in find(record["response"])]

    return evidence
