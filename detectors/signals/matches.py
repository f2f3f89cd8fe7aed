"""Match of the answer with a pattern."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from detectors.records import Column, Records
from detectors.signals.base import LONGEST_TEXT, Evidence, Signal, each
from detectors.signals.patterns import compile_linear

ROLES = ("response", "question", "context")


@dataclass(frozen=True)
class Matches:
    r"""Score 1 for a response with a match of the pattern, 0 for any other.

    The syntax is RE2's, which takes linear time for any pattern. ``ignore_case`` ignores case, and ``role`` selects
    another text than the response. Reads the first 200,000 code points.

    Limits
    ------
    No look-around, no back-references; ``\b``, ``\w`` and ``\d`` are ASCII only, ``\pL`` is any letter.

    References
    ----------
    Cox, *Regular expression matching in the wild*, 2010; https://github.com/google/re2/wiki/Syntax.

    Examples
    --------
    >>> ticket = Matches(r"^ID-\d+")
    >>> ticket({"response": Column.of(["ID-17: refunded", "refunded", None])}).values[:2].tolist()
    [1.0, 0.0]
    """

    pattern: str
    ignore_case: bool = False
    role: str = "response"

    def __call__(self, records: Records) -> Column:
        """Return a column of 1 and 0."""
        search = compile_linear(self.pattern, ignore_case=self.ignore_case).search
        return each(
            records[self.role], lambda text: float(search(text[:LONGEST_TEXT].encode("utf-8", "replace")) is not None)
        )

    def evidence(self, record: Mapping[str, str]) -> list[Evidence]:
        """Return the first match in the response, type ``match``."""
        text = record["response"][:LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")
        match = compile_linear(self.pattern, ignore_case=self.ignore_case).search(text)
        return [Evidence("match", match.start(), match.end(), 1.0)] if match and self.role == "response" else []


def configure(*, pattern: str, ignore_case: bool = False, role: str = "response") -> Signal:
    """Set the pattern, in RE2's syntax, and the text to search.

    Examples
    --------
    >>> configure(pattern="(")
    Traceback (most recent call last):
    ...
    ValueError: the pattern '(' is not one of RE2: missing ): (. Look-around and back-references do not exist there.
    """
    if role not in ROLES:
        raise ValueError(f"`role` is one of {', '.join(ROLES)}, not {role!r}.")
    compile_linear(pattern, ignore_case=ignore_case)
    return _signal(Matches(pattern, ignore_case, role))


def _signal(matches: Matches) -> Signal:
    return Signal(
        name="matches",
        needs=(matches.role,),
        kind="numeric",
        compute=matches,
        unit="1 or 0",
        cost="about 700,000",
        citation="Cox 2010",
        evidence=matches.evidence,
        configure=configure,
    )


SIGNAL = _signal(Matches(r"\S"))
