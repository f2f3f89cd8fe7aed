"""Scanners: find unwanted content of a text, one kind per file.

Scanning has two stages: one pass over all rules (an RE2 set) selects those that can match, then these are matched and
validated. Text is normalised to its visible form (:mod:`detectors.scan.unicode_normalization`), and encoded parts are
decoded (:mod:`detectors.scan.encoded`); offsets always refer to the original text.
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
"""Types of findings of every scanner without settings; scanners are imported on first use."""
PUBLIC = frozenset({"url", "date_time"})
"""Types of ``pii`` that are rarely confidential: counted, and acted on only if a rule names them."""

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
    """Scan a text for the types of the given groups.

    Parameters
    ----------
    text
        Original text; offsets are in its code points.
    groups
        Of :data:`GROUPS`, and ``embedded_instruction`` for retrieved documents.
    names
        Model that finds names of people (type ``person``); without one, names are not reported.

    Returns
    -------
    list of Span
        Ordered by group, then by position; spans of one group do not overlap.

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
    """Text that is normalised and decoded once, for several scanners.

    Parameters
    ----------
    text
        Original text.
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
        """Return the alternative readings of the text."""
        return list(deobfuscate(self._plain))

    @cached_property
    def _inner(self) -> list[tuple[int, int, str]]:
        """Return the ranges of encoded parts and their decoded text."""
        return [(start, end, normalize_unicode(decoded).text) for start, end, decoded in encoded.pieces(self._plain)]


def _types_in_disguise(group: str) -> frozenset[str]:
    """Return the types of a group that are also scanned for in alternative readings."""
    return _PERSONAL_IN_DISGUISE if group == "pii" else GROUPS[group] - _NEVER_IN_DISGUISE


def _scan_views(others: list[DeobfuscatedText], group: str) -> list[Span]:
    """Return the findings in alternative readings of a text."""
    rules, types = _RULES[group], _types_in_disguise(group)
    matches = ((span, view) for view in others for span in rules.scan(view.text) if span.type in types)
    return [Span(span.type, *view.original(span.start, span.end)) for span, view in matches]


def _scan_encoded(inner: list[tuple[int, int, str]], group: str) -> list[Span]:
    """Return the findings in encoded parts, each over the whole part."""
    rules, types = _RULES[group], _types_in_disguise(group)
    spans: list[Span] = []
    for start, end, decoded in inner:
        kinds = dict.fromkeys(span.type for span in rules.scan(decoded) if span.type in types)
        spans.extend(Span(kind, start, end) for kind in list(kinds)[:1])
    return spans
