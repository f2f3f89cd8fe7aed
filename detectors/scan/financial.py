"""Financial data: payment cards, IBANs, bank accounts, crypto addresses."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from detectors.scan.base import CONTEXT_BEFORE, PatternRule, Words, only_digits, whole

CARD = r"\b\d(?:[ \t\n_./*|-]{0,2}\d){11,}"
_GROUP = re.compile(r"\d+")
_CARD_WORDS = Words(
    r"(?i)\b(?:cards?|cc|ccn|credit|debit|visa|master ?card|amex|american express|maestro|"
    r"discover|diners|jcb|pan|billed|"
    r"karte|kreditkarte|carte|tarjeta|carta|cartão|kort)\b"
)
# Prefixes and numbers of further digits, by the ISO/IEC 7812 issuer ranges that the networks publish.
_BRAND = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})$"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}$"  # Mastercard
    r"|(?:3[47]\d\d|1800|2131)\d{11}$"  # American Express, old JCB
    r"|(?:30[0-5]\d|36\d\d|3[89]\d\d)(?:\d{10}|\d{12})$"  # Diners Club
    r"|(?:6011|64[4-9]\d|65\d\d)(?:\d{12}|\d{15})$"  # Discover
    r"|35\d\d(?:\d{12}|\d{15})$"  # JCB: 3528 to 3589; generators of test numbers use all of 35
    r"|(?:62|81)\d{14,17}$"  # UnionPay
    r"|220[0-4](?:\d{12}|\d{15})$"  # Mir
    r"|(?:50|5[6-8]|60|61|63|6[6-9])(?:\d{14}|\d{16}|\d{17})$"  # Maestro and others
)
_LAYOUTS = ((4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (4, 5, 6), (6, 13), (8, 8), (4, 4, 5))
# Lengths of the IBAN by country, from SWIFT's IBAN registry.
_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 "
    "EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 "
    "KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 "
    "PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 "
    "UA29 VA22 VG24 XK20 YE30"
)
IBAN_LENGTHS = {pair[:2]: int(pair[2:]) for pair in _LENGTHS.split()}
IBAN = rf"(?i)\b(?:{'|'.join(IBAN_LENGTHS)})\d{{2}}[ .-]?[A-Z0-9]"
"""Start of an IBAN; the length depends on the country, as a longer candidate could include the next one."""


_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_ZERO = ord("0")
_SHORTEST, _LONGEST = 13, 19
"""Numbers of digits of a card with grouped digits, and of any card."""
_ONE_ALONE = 60
"""Largest length of a candidate that may be a single card."""
_IN_DIGITS = {sign: str(value) for value, sign in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}


def luhn(digits: str) -> bool:
    """Return whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B).

    Examples
    --------
    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    raw = digits.encode()
    return (sum(raw[-1::-2]) + sum(raw[-2::-2].translate(_DOUBLED)) - _ZERO * len(raw)) % 10 == 0


def is_card(digits: str, *, named: bool = False) -> bool:
    """Return whether digits are a payment card number; ``named`` if a context word is near.

    Examples
    --------
    >>> is_card("378282246310005"), is_card("1234567890123456"), is_card("503802053770", named=True)
    (True, False, True)
    """
    return luhn(digits) and _is_issued(digits, named=named)


def _is_issued(digits: str, *, named: bool) -> bool:
    """Return whether digits with a correct check digit are in an issuer's range."""
    if digits.count(digits[:1]) == len(digits):
        return False
    return _BRAND.match(digits) is not None or (named and 12 <= len(digits) <= _LONGEST and digits[0] in "23456")  # noqa: PLR2004


def each_card(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the cards among groups of digits, which may be next to an expiry date or other numbers."""
    joined = start > 0 and (text[start - 1].isalnum() or text[start - 1] in "+._")
    joins = text[end : end + 1].isalnum()
    if not (joined or joins) and end - start <= _ONE_ALONE:
        total = only_digits(text[start:end])
        if is_card(total) and _card_like(list(map(len, _GROUP.findall(text, start, end)))):
            return [(start, end)]
    groups = [match.span() for match in _GROUP.finditer(text, start, end)]
    groups = groups[joined : len(groups) - joins]
    if not groups:
        return []
    start, end = groups[0][0], groups[-1][1]
    total = only_digits(text[start:end])
    named = _CARD_WORDS.found_in(text[max(0, start - CONTEXT_BEFORE) : start])
    if named and len(total) <= _LONGEST and is_card(total, named=True):
        return [(start, end)]
    return list(_Groups(text, groups, total, named=named).cards())


class _Groups:
    """Groups of digits, of which consecutive ones may form cards.

    Luhn sums of all runs of groups are differences of two cumulative sums.
    """

    def __init__(self, text: str, groups: list[tuple[int, int]], digits: str, *, named: bool) -> None:
        self._text, self._groups, self._digits, self._named = text, groups, digits, named
        raw = digits.encode()
        doubled = raw.translate(_DOUBLED)
        even, odd = bytearray(raw), bytearray(doubled)
        even[1::2], odd[1::2] = doubled[1::2], raw[1::2]
        self._sums = [0, *accumulate(odd)], [0, *accumulate(even)]  # by the parity of the last digit's position
        self._sizes = [stop - begin for begin, stop in groups]
        self._bounds = [0, *accumulate(self._sizes)]

    def cards(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of cards."""
        bounds, sums = self._bounds, self._sums
        reached = 0
        for first, begin in enumerate(bounds[:-1]):
            if first < reached:
                continue
            for last in range(bisect_left(bounds, begin + _SHORTEST, first), len(bounds)):
                stop = bounds[last]
                if stop - begin > _LONGEST:
                    break
                total = sums[stop % 2]
                if (total[stop] - total[begin] - _ZERO * (stop - begin)) % 10 == 0 and self._fits(first, last):
                    yield self._groups[first][0], self._groups[last - 1][1]
                    reached = last
                    break

    def _fits(self, first: int, last: int) -> bool:
        """Return whether groups with a correct check digit have the layout of a card and are not part of a table."""
        digits = self._digits[self._bounds[first] : self._bounds[last]]
        if not (_is_issued(digits, named=self._named) and _card_like(self._sizes[first:last])):
            return False
        if self._named or last - first == 1 or self._sizes[first] != self._sizes[last - 1]:
            return True
        count = last - first
        return (not self._goes_on(last - 1, 1) or self._is_card(last, last + count)) and (
            not self._goes_on(first, -1) or self._is_card(first - count, first)
        )

    def _goes_on(self, place: int, step: int) -> bool:
        """Return whether two more groups of the same size, with the same separators, are adjacent."""
        if not 0 <= place + 2 * step < len(self._groups):
            return False
        near = sorted((place, place + step, place + 2 * step))
        inside = sorted((place, place - step))
        return len({self._sizes[at] for at in near}) == 1 and (
            self._gap(near[0]) == self._gap(near[1]) == self._gap(inside[0])
        )

    def _gap(self, place: int) -> str:
        return self._text[self._groups[place][1] : self._groups[place + 1][0]]

    def _is_card(self, first: int, last: int) -> bool:
        within = first >= 0 and last < len(self._bounds)
        return within and is_card(self._digits[self._bounds[first] : self._bounds[last]])


def _card_like(sizes: list[int]) -> bool:
    """Return whether group sizes are those of a card, or of an obfuscated one: single digits, pairs, one run."""
    if len(sizes) == 1 or tuple(sizes) in _LAYOUTS:
        return True
    return len(sizes) >= 6 and max(sizes[:-1]) == min(sizes[:-1]) <= 3 and sizes[-1] <= sizes[0]  # noqa: PLR2004


def trim_iban(text: str, start: int, _end: int) -> tuple[int, int] | None:
    """Cut a candidate to the length of its country, and check the remainder modulo 97 (ISO 13616)."""
    length = IBAN_LENGTHS[text[start : start + 2].upper()]
    place = start + length
    number = _close_up(text[start:place])
    while len(number) < length and place < len(text) and place - start - len(number) <= length / 2:
        place += length - len(number)
        number = _close_up(text[start:place])
    if len(number) != length or text[place : place + 1].isalnum() or not is_iban(number.upper()):
        return None
    gaps = place - start - length
    return (start, place) if gaps <= length / 2 and (number.isupper() or number.islower()) else None


def _close_up(text: str) -> str:
    return text.replace(" ", "").replace(".", "").replace("-", "")


def is_iban(number: str) -> bool:
    """Return whether the remainder modulo 97 is correct.

    Examples
    --------
    >>> is_iban("GB82WEST12345698765432"), is_iban("GB82WEST12345698765433")
    (True, False)
    """
    if not (number.isascii() and number.isalnum()):
        return False
    return int("".join(map(_IN_DIGITS.__getitem__, number[4:] + number[:4]))) % 97 == 1


def _is_bitcoin(text: str) -> bool:
    from stdnum import bitcoin

    return bool(bitcoin.is_valid(text))


def _is_routing(text: str) -> bool:
    from stdnum.us import rtn

    return bool(rtn.is_valid(text))


RULES: tuple[PatternRule, ...] = (
    PatternRule("iban_code", IBAN, trim_iban),
    PatternRule("crypto", r"\b(?:bc1[ac-hj-np-z02-9]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34})\b", whole(_is_bitcoin)),
    PatternRule("crypto", r"\b0x[0-9a-fA-F]{40}\b"),
    PatternRule("credit_card", CARD, hint=r"\d(?:[ \t\n_./*|-]{0,2}\d){11}", each=each_card),
    PatternRule("us_bank_routing", r"\b\d{9}\b", whole(_is_routing), near=r"routing|aba\b|rtn\b|transit"),
    PatternRule(
        "us_bank_number",
        r"\b\d{8,17}\b",
        near=r"bank account|account (?:number|no|#|num)|acct|checking|savings|debit account|direct deposit",
    ),
    PatternRule(
        "swift_code",
        r"\b[A-Z]{4}(?:AD|AE|AR|AT|AU|BE|BG|BR|CA|CH|CL|CN|CO|CY|CZ|DE|DK|EE|EG|ES|FI|FR|GB|GR|HK|HR|HU|ID|IE|IL|IN|IS|"
        r"IT|JP|KE|KR|LI|LT|LU|LV|MC|MT|MX|MY|NG|NL|NO|NZ|PE|PH|PK|PL|PT|RO|RS|RU|SA|SE|SG|SI|SK|TH|TR|TW|UA|US|VN|ZA)"
        r"[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b",
        near=r"swift|bic\b",
    ),
)
