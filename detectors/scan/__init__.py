"""Scanners: what stands in a text that should not, one kind a file.

Two stages: one pass of all rules at once tells which can match (RE2's set), then those are matched and validated.
A text is read as a person sees it (:mod:`detectors.scan.fold`), and encoded pieces are read too
(:mod:`detectors.scan.encoded`); offsets are always those of the text as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from detectors.scan import encoded, injection, pii, profanity, secrets
from detectors.scan.base import Span, without_overlaps
from detectors.scan.fold import Folded, fold
from detectors.scan.pii import NameFinder

__all__ = ["GROUPS", "PUBLIC", "NameFinder", "Reading", "Span", "scan"]

GROUPS: Mapping[str, frozenset[str]] = {
    "pii": pii.TYPES,
    "secrets": secrets.TYPES,
    "profanity": profanity.TYPES,
    "injection": injection.TYPES,
}
"""The types of findings of every scanner that needs no settings."""
PUBLIC = frozenset({"url", "date_time"})
"""Types of ``pii`` that are rarely anybody's secret: counted, and acted on only where they are named."""

_IN_DISGUISE = (
    GROUPS["secrets"] | GROUPS["injection"] | {"email_address", "credit_card", "iban_code", "us_ssn", "crypto"}
) - {"generic_secret", "curl_auth", "chat_markup", "addressed_to_model"}


def scan(text: str, groups: Iterable[str] = tuple(GROUPS), names: NameFinder | None = None) -> list[Span]:
    """Find what the named groups look for.

    Parameters
    ----------
    text
        As it came; offsets are code points of it.
    groups
        Of :data:`GROUPS`, and ``embedded_instruction`` for retrieved documents.
    names
        A model that finds names of people (type ``person``); without one, none are found.

    Returns
    -------
    list of Span
        Ordered by group, then by place; spans of one group do not overlap.

    Limits
    ------
    Those of each scanner. Linear in the length of the text.

    Examples
    --------
    >>> scan("card ４１１１ 1111 1111 1111, key c2stYW50LWFwaTAz", ["pii"])
    [Span(type='credit_card', start=5, end=24)]
    """
    reading = Reading(text)
    return [span for group in groups for span in reading.find(group, names)]


class Reading:
    """A text that is folded and decoded once, for several scanners.

    Parameters
    ----------
    text
        As it came.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._folded = fold(text)
        self._inner = [(start, end, fold(said).text) for start, end, said in encoded.pieces(self._folded.text)]

    def find(self, group: str, names: NameFinder | None = None) -> list[Span]:
        """Return the findings of one group."""
        finder = _FINDERS[group]
        spans = pii.scan(self._folded.text, names) if group == "pii" else finder(self._folded.text)
        if self._inner and group in ("pii", "secrets", "injection"):
            spans = without_overlaps([*_decoded(self._inner, finder), *spans])
        found = _back(self._folded, spans)
        return found + injection.hidden(self.text) if group == "injection" else found


def _decoded(inner: list[tuple[int, int, str]], finder: Callable[[str], list[Span]]) -> list[Span]:
    """Return what stands in encoded pieces, as findings over the whole piece."""
    found: list[Span] = []
    for start, end, said in inner:
        kinds = dict.fromkeys(span.type for span in finder(said) if span.type in _IN_DISGUISE)
        found.extend(Span(kind, start, end) for kind in list(kinds)[:1])
    return found


def _back(folded: Folded, spans: list[Span]) -> list[Span]:
    if folded.places is None:
        return spans
    return [Span(span.type, *folded.original(span.start, span.end)) for span in spans]


_FINDERS: Mapping[str, Callable[[str], list[Span]]] = {
    "pii": pii.scan,
    "secrets": secrets.scan,
    "profanity": profanity.scan,
    "injection": injection.scan,
    injection.EMBEDDED_TYPE: injection.embedded,
}
