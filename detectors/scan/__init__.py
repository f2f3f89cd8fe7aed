"""Scanners: what stands in a text that should not, one kind a file.

Two stages: one pass of all rules at once tells which can match (RE2's set), then those are matched and validated.
A text is read as a person sees it (:mod:`detectors.scan.fold`), and encoded pieces are read too
(:mod:`detectors.scan.encoded`); offsets are always those of the text as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from detectors.scan import encoded, injection, pii, profanity, secrets
from detectors.scan.base import RuleSet, Span, without_overlaps
from detectors.scan.fold import fold
from detectors.scan.pii import NameFinder
from detectors.scan.views import View, views

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
) - {"generic_secret", "curl_auth", "chat_markup"}


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
    found: list[Span] = []
    for group in groups:
        found += reading.find(group, names)
    return found


class Reading:
    """A text that is folded and decoded once, for several scanners.

    Parameters
    ----------
    text
        As it came.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._folded = None if text.isascii() else fold(text)
        self._plain = text if self._folded is None else self._folded.text

    def find(self, group: str, names: NameFinder | None = None) -> list[Span]:
        """Return the findings of one group."""
        plain = self._plain
        rules = _RULES.get(group)
        if rules is None:
            spans = profanity.scan(plain)
        else:
            spans, encoded_too = rules.read(plain)
            if encoded_too and group != injection.EMBEDDED_TYPE:
                decoded = _scan_encoded(self._inner, rules)
                spans = without_overlaps([*decoded, *spans, *_scan_views(self._views, rules)])
            if names is not None and group == "pii":
                spans = pii.with_names(spans, plain, names)
        if self._folded is not None and self._folded.places is not None:
            spans = [Span(span.type, *self._folded.original(span.start, span.end)) for span in spans]
        return spans + injection.hidden(self.text) if group == "injection" else spans

    @cached_property
    def _views(self) -> list[View]:
        """Return the other ways to read the text."""
        return list(views(self._plain))

    @cached_property
    def _inner(self) -> list[tuple[int, int, str]]:
        """Return where encoded pieces stand and what they say."""
        return [(start, end, fold(said).text) for start, end, said in encoded.pieces(self._plain)]


def _scan_views(others: list[View], rules: RuleSet) -> list[Span]:
    """Return what a text says in other ways of reading it."""
    found = ((span, view) for view in others for span in rules.scan(view.text) if span.type in _IN_DISGUISE)
    return [Span(span.type, *view.original(span.start, span.end)) for span, view in found]


def _scan_encoded(inner: list[tuple[int, int, str]], rules: RuleSet) -> list[Span]:
    """Return what stands in encoded pieces, as findings over the whole piece."""
    found: list[Span] = []
    for start, end, said in inner:
        kinds = dict.fromkeys(span.type for span in rules.scan(said) if span.type in _IN_DISGUISE)
        found.extend(Span(kind, start, end) for kind in list(kinds)[:1])
    return found


_RULES: Mapping[str, RuleSet] = {
    "pii": pii.RULES,
    "secrets": secrets.RULES,
    "injection": injection.RULES,
    injection.EMBEDDED_TYPE: injection.INDIRECT,
}
