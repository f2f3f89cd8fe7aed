"""Scanners: what stands in a text that should not, one kind a file.

Two stages: one pass of all rules at once tells which can match (RE2's set), then those are matched and validated.
A text is read as a person sees it (:mod:`detectors.scan.unicode_normalization`), and encoded pieces are read too
(:mod:`detectors.scan.encoded`); offsets are always those of the text as it came.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from detectors.registry import Registry
from detectors.scan import encoded
from detectors.scan.base import EMBEDDED_TYPE, NameFinder, RuleSet, Span, without_overlaps
from detectors.scan.deobfuscation import DeobfuscatedText, deobfuscate
from detectors.scan.unicode_normalization import normalize_unicode

__all__ = ["GROUPS", "PUBLIC", "NameFinder", "ScannedText", "Span", "scan"]

GROUPS: Registry[frozenset[str]] = Registry(
    {
        "pii": "detectors.scan.pii:TYPES",
        "secrets": "detectors.scan.secrets:TYPES",
        "profanity": "detectors.scan.profanity:TYPES",
        "injection": "detectors.scan.injection:TYPES",
    }
)
"""The types of findings of every scanner that needs no settings; a scanner is imported when it is used."""
PUBLIC = frozenset({"url", "date_time"})
"""Types of ``pii`` that are rarely anybody's secret: counted, and acted on only where they are named."""

_RULES: Registry[RuleSet] = Registry(
    {
        "pii": "detectors.scan.pii:RULES",
        "secrets": "detectors.scan.secrets:RULES",
        "injection": "detectors.scan.injection:RULES",
        EMBEDDED_TYPE: "detectors.scan.injection:INDIRECT",
    }
)
_PERSONAL_IN_DISGUISE = frozenset({"email_address", "credit_card", "iban_code", "us_ssn", "crypto"})
_NEVER_IN_DISGUISE = frozenset({"generic_secret", "curl_auth", "chat_markup"})


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
    reading = ScannedText(text)
    spans: list[Span] = []
    for group in groups:
        spans += reading.find(group, names)
    return spans


class ScannedText:
    """A text that is folded and decoded once, for several scanners.

    Parameters
    ----------
    text
        As it came.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._folded = None if text.isascii() else normalize_unicode(text)
        self._plain = text if self._folded is None else self._folded.text

    def find(self, group: str, names: NameFinder | None = None) -> list[Span]:
        """Return the findings of one group."""
        plain = self._plain
        if group in _RULES:
            spans, encoded_too = _RULES[group].read(plain)
            if encoded_too and group != EMBEDDED_TYPE:
                decoded = _scan_encoded(self._inner, group)
                spans = without_overlaps([*decoded, *spans, *_scan_views(self._views, group)])
            if names is not None and group == "pii":
                from detectors.scan.pii import with_names

                spans = with_names(spans, plain, names)
        else:
            from detectors.scan.profanity import scan as find_profanity

            spans = find_profanity(plain)
        if self._folded is not None and self._folded.places is not None:
            spans = [Span(span.type, *self._folded.original(span.start, span.end)) for span in spans]
        if group == "injection":
            from detectors.scan.injection import hidden

            spans = spans + hidden(self.text)
        return spans

    @cached_property
    def _views(self) -> list[DeobfuscatedText]:
        """Return the other ways to read the text."""
        return list(deobfuscate(self._plain))

    @cached_property
    def _inner(self) -> list[tuple[int, int, str]]:
        """Return where encoded pieces stand and what they say."""
        return [(start, end, normalize_unicode(decoded).text) for start, end, decoded in encoded.pieces(self._plain)]


def _types_in_disguise(group: str) -> frozenset[str]:
    """Return the types of a group that are also looked for in other ways of reading a text."""
    return _PERSONAL_IN_DISGUISE if group == "pii" else GROUPS[group] - _NEVER_IN_DISGUISE


def _scan_views(others: list[DeobfuscatedText], group: str) -> list[Span]:
    """Return what a text says in other ways of reading it."""
    rules, types = _RULES[group], _types_in_disguise(group)
    matches = ((span, view) for view in others for span in rules.scan(view.text) if span.type in types)
    return [Span(span.type, *view.original(span.start, span.end)) for span, view in matches]


def _scan_encoded(inner: list[tuple[int, int, str]], group: str) -> list[Span]:
    """Return what stands in encoded pieces, as findings over the whole piece."""
    rules, types = _RULES[group], _types_in_disguise(group)
    spans: list[Span] = []
    for start, end, decoded in inner:
        kinds = dict.fromkeys(span.type for span in rules.scan(decoded) if span.type in types)
        spans.extend(Span(kind, start, end) for kind in list(kinds)[:1])
    return spans
