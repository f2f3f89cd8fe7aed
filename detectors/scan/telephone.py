"""Telephone numbers: format, then the numbering plan of the country or a context word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from detectors.scan.base import CONTEXT_AFTER, CONTEXT_BEFORE, MEMORY, only_digits
from detectors.scan.matches import Fits, compile_with_memory, fits
from detectors.scan.phone_context import is_other_number_context, is_phone_context

PHONE = (
    r"(?:\+\d|\(\+?\d|\b\d)(?:[ \t]?[\d]|[-./()][ \t]?|[ \t][-(/]){4,24}\d(?:[ ]?(?i:x|ext\.?|extension)[ .:]?\d{1,6})?"
)
FEWEST = 7
"""Fewest digits; shorter numbers are ambiguous."""
PHONE_HINT = r"\d(?:[ \t()./-]{0,3}\d){6}"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"  # or a month: both orders are in use
_DATE = re.compile(
    rf"(?:19|20)\d{{2}}([-./ ]){_DAY}\1{_DAY}(?:[ T]\d.*)?$"
    rf"|{_DAY}([-./ ]){_DAY}\2(?:19|20)?\d{{2}}(?: (?:[01]?\d|2[0-3]))?$"
    r"|(?:19|20)\d{2} ?[-/] ?(?:19|20)\d{2}\b"
)
_UNSPACED = "\u0e00"
"""First code point of the scripts without spaces around numbers: Thai, Chinese, Japanese, Korean."""
_OCTETS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}$")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:([ .])\d{3})(?:\1\d{3})*$")
_EXTENSION = re.compile(r" ?(?:x|ext)", re.IGNORECASE)
_DECIMAL = re.compile(r"\d+\.\d+$|\d{1,3}(?:[ .]000)+$")
_SSN = re.compile(r"\d{3}-\d{2}-\d{4}$")
_US = re.compile(r"(?:\+?1[-. ]?)?(?:\(\d{3}\) ?|\d{3}[-. /])\d{3}[-. ]\d{4}$")
_LABEL_AFTER = re.compile(r"[ ]?[-–(,:]?[ ]?(?:office|fax|mobile|cell|home|work|desk|phone|tel)\b", re.IGNORECASE)
# Regions whose plans validate national numbers: the most frequent ones on the web.
_SPOKEN = (
    "US GB DE FR ES IT NL BE CH AT SE NO DK FI PL CZ SK HU RO PT IE GR RU UA TR IN CN JP KR BR MX AR CL CO AU "
    "NZ ZA IL AE SA EG NG KE PH ID MY SG TH VN PK BD IR HK TW IS EE LV LT SI HR BG RS CY LU MT"
)
REGIONS = tuple(_SPOKEN.split())


@cache
def _calling_codes() -> dict[str, tuple[str, ...]]:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return {str(code): regions for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()}


def _plan(region: str) -> tuple[str, str]:
    """Return the trunk prefix of a region, and a pattern of all its types of numbers."""
    from phonenumbers import PhoneMetadata

    data = PhoneMetadata.metadata_for_region_or_calling_code(1, region)
    if data is None:
        return "", ""
    kinds = (
        "fixed_line",
        "mobile",
        "toll_free",
        "premium_rate",
        "shared_cost",
        "voip",
        "personal_number",
        "pager",
        "uan",
    )
    described = [getattr(data, kind) for kind in kinds]
    patterns = {kind.national_number_pattern for kind in described if kind and kind.national_number_pattern}
    return data.national_prefix or "", "|".join(sorted(patterns))


def _either(patterns: Iterable[str]) -> Fits:
    """Combine plans into one automaton, which tests a number against all of them."""
    return fits(compile_with_memory("|".join(f"(?:{p})" for p in patterns if p), MEMORY))


@cache
def _abroad(code: str) -> Fits:
    """Return the pattern of a number after a country's code, with an optional trunk zero."""
    plans = [_plan(region)[1] for region in _calling_codes()[code] if region != "001"]
    return _either([f"0?(?:{'|'.join(plans)})"])


@cache
def _at_home(regions: tuple[str, ...]) -> Fits:
    """Return the pattern of a number dialled within one of the regions."""
    return _either(f"(?:{trunk})?(?:{pattern})" if trunk else pattern for trunk, pattern in map(_plan, regions))


def is_international(digits: str) -> bool:
    """Return whether digits after ``+`` or ``00`` are valid in a country's numbering plan.

    Examples
    --------
    >>> is_international("442079460958"), is_international("999123")
    (True, False)
    """
    codes = _calling_codes()
    for size in (1, 2, 3):
        code = digits[:size]
        if code in codes:
            return _abroad(code)(digits[size:].encode())
    return False


def is_possible(digits: str) -> bool:
    """Return whether the number of digits after ``+`` is possible in the plan of their country.

    Examples
    --------
    >>> is_possible("498838582156"), is_possible("4912")
    (True, False)
    """
    codes = _calling_codes()
    for size in (1, 2, 3):
        code = digits[:size]
        if code in codes:
            rest = len(digits) - size
            return bool({rest, rest - (digits[size : size + 1] == "0")} & _lengths(code))
    return False


@cache
def _lengths(code: str) -> frozenset[int]:
    from phonenumbers import PhoneMetadata

    plans = [PhoneMetadata.metadata_for_region_or_calling_code(int(code), region) for region in _calling_codes()[code]]
    described = [plan.general_desc for plan in plans if plan is not None]
    return frozenset(n for each in described if each is not None for n in each.possible_length if n >= FEWEST)


def is_national(digits: str, regions: tuple[str, ...] = REGIONS) -> bool:
    """Return whether digits are a number as dialled within one of the regions.

    Examples
    --------
    >>> is_national("02079460958", ("GB",)), is_national("1234567", ("GB",))
    (True, False)
    """
    return _at_home(regions)(digits.encode())


def trim_phone(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Validate a candidate: a number of some plan, grouped like one, or next to a context word."""
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if before == "(" and ")" in text[start:end]:
        start -= 1
        before = text[start - 1] if start else " "
    if _is_joined(before) or before in "_.=/@&%#$€£-" or _is_joined(after) or after in "_@%€$":
        return None
    if text.find("(", start, end) >= 0:
        end = _cut_unbalanced(text, start, end)
    if end - start < FEWEST:
        return None
    number = text[start:end]
    main = number if number[-1].isdigit() and "x" not in number.lower() else _EXTENSION.split(number, maxsplit=1)[0]
    digits = only_digits(main)
    plus = "+" in main[:2]
    if not FEWEST <= len(digits) <= (16 if plus else 15) or digits.count(digits[0]) == len(digits):  # noqa: PLR2004
        return None
    context = text[max(0, start - CONTEXT_BEFORE) : start]
    if plus:
        is_number = is_international(digits) or is_possible(digits) or is_phone_context(context)
        return (start, end) if is_number else None
    return (start, end) if _at_home_or_named(text, main, digits, context, end) else None


def _at_home_or_named(text: str, main: str, digits: str, context: str, end: int) -> bool:
    """Return whether a number without a plus is valid by its format or its context."""
    if _DATE.match(main) or _DECIMAL.match(main) or _SSN.match(main) or _OCTETS.match(main):
        return False
    if is_other_number_context(context):
        return False
    if _US.match(main) and digits[-10] >= "2" and digits[-7] >= "2":
        return True
    if is_phone_context(context) or _LABEL_AFTER.match(text, end, end + CONTEXT_AFTER):
        return True
    if _THOUSANDS.match(main):
        return False
    if digits.startswith("00") and len(digits) >= 10:  # noqa: PLR2004
        return is_possible(digits[2:])
    groups = re.findall(r"\d+", main)
    if 3 <= len(groups) <= 6 and len(digits) >= 9 and all(2 <= len(g) <= 5 for g in groups[1:]):  # noqa: PLR2004
        return is_national(digits)
    if "(" in main and len(digits) >= 8:  # noqa: PLR2004
        return is_national(digits)
    return len(groups) <= 2 and len(digits) >= 10 and digits[0] == "0" and is_national(digits)  # noqa: PLR2004


def _is_joined(character: str) -> bool:
    """Return whether a character would make the number part of a word; false in scripts without spaces."""
    return character.isalnum() and character < _UNSPACED


def _cut_unbalanced(text: str, start: int, end: int) -> int:
    """Cut the candidate at an unbalanced bracket."""
    number = text[start:end]
    if number.count("(") > number.count(")"):
        end = start + number.rfind("(")
        while end > start and not text[end - 1].isdigit():
            end -= 1
    return end
