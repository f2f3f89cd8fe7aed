"""Personal data: one set of rules for e-mail, telephone, financial data, national numbers, addresses."""

from __future__ import annotations

from detectors.scan import contact, financial, national, personal
from detectors.scan.base import PERSON, NameFinder, RuleSet, Span, without_overlaps
from detectors.scan.hidden import HINTS

EMAIL_AND_NETWORK = contact.RULES
RULES = RuleSet(
    (
        *EMAIL_AND_NETWORK,
        *financial.RULES,
        *national.RULES,
        *personal.RULES[:2],
        *contact.LATE,
        *personal.RULES[2:],
    ),
    also=HINTS,
)
TYPES = frozenset({rule.type for rule in RULES.rules} | {PERSON})


def scan(text: str, names: NameFinder | None = None) -> list[Span]:
    """Find personal data by format, check digit and context words.

    Parameters
    ----------
    text
        Searched text, normalised by :func:`~detectors.scan.unicode_normalization.normalize_unicode`.
    names
        Model that finds names of people; without one, names are not reported.

    Limits
    ------
    Data without a format are not detected: names, employers, places, illnesses. A number of plain digits counts only
    near a context word in one of the languages of the rules. Spelled digits are not read.

    References
    ----------
    ISO/IEC 7812 (cards), ISO 13616 (IBAN), ITU-T E.164 by way of libphonenumber, and for state numbers the rules
    that python-stdnum documents.

    Examples
    --------
    >>> text = "Mail jane@example.com or pay GB82 WEST 1234 5698 7654 32."
    >>> [(span.type, text[span.start:span.end]) for span in scan(text)]
    [('email_address', 'jane@example.com'), ('iban_code', 'GB82 WEST 1234 5698 7654 32')]
    """
    spans = RULES.scan(text)
    return spans if names is None else with_names(spans, text, names)


def with_names(spans: list[Span], text: str, names: NameFinder) -> list[Span]:
    """Add the names that a model finds where there is no other finding."""
    return without_overlaps([*spans, *(Span(PERSON, start, end) for start, end in names(text))])
