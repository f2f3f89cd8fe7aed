"""Telephone numbers: a shape, then the numbering plan of the country, or a word beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from detectors.scan.base import CONTEXT_AFTER, CONTEXT_BEFORE, Words, digits_of

PHONE = (
    r"(?:\+\d|\(\+?\d|\d)(?:[ \t]?[\d]|[-./()][ \t]?|[ \t][-(/]){4,24}\d(?:[ ]?(?i:x|ext\.?|extension)[ .:]?\d{1,6})?"
)
PHONE_HINT = r"\d(?:[ \t()./-]{0,3}\d){6}"
WORDS = Words(
    r"(?i)(?:\b|_)(?:phone|telephone|tel|mobile|mob|cell|fax|call|calls|calling|called|dial|reach|reached|ring"
    r"|text(?: me)?|sms|whatsapp|telegram|contact|hotline|landline|office|desk|extension|"
    r"answer(?:ing|s)?|voicemail|messages?"
    r"|handy|telefono?|telefon|téléphone|teléfono|móvil|celular|portable|cellulare|telefoon|puhelin|komórka|appel"
    r"|anrufen|rufnummer|llamar|ligar|number is|my number|numbers?)(?:\b|_)"
)
_NOT_PHONE = Words(
    r"(?i)(?:order|invoice|ticket|case|ref(?:erence)?|account|acct|tracking|policy|serial|sku|isbn|issn|doi|version|"
    r"zip|post(?:al)?code|id|no\.?|nr\.?|#|\$|€|£|page|pages|pp\.?|lines?|build|port|ssn|npi|patent|passport|route|"
    r"po box|p\.o\. box|"
    r"licen[cs]e|year|years|between|from)[ :#.]{0,3}$"
)
_DATE = re.compile(
    r"(?:19|20)\d{2}[-./ ]\d{1,2}[-./ ]\d{1,2}(?:[ T]\d.*)?$|\d{1,2}[-./ ]\d{1,2}[-./ ](?:19|20)?\d{2}(?: \d.*)?$|"
    r"(?:19|20)\d{2} ?[-/] ?(?:19|20)\d{2}\b"
)
_EXTENSION = re.compile(r" ?(?:x|ext)", re.IGNORECASE)
_DECIMAL = re.compile(r"\d+\.\d+$|\d{1,3}(?:[ .]000)+$")
_SSN = re.compile(r"\d{3}-\d{2}-\d{4}$")
_US = re.compile(r"(?:\+?1[-. ]?)?(?:\(\d{3}\) ?|\d{3}[-. /])\d{3}[-. ]\d{4}$")
_LABEL_AFTER = re.compile(r"[ ]?[-–(,:]?[ ]?(?:office|fax|mobile|cell|home|work|desk|phone|tel)\b", re.IGNORECASE)
# Regions whose plan is asked for a number that is written the national way: the most spoken of on the web.
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
    """Return the trunk prefix of a region, and a pattern of all its kinds of number."""
    from phonenumbers import PhoneMetadata

    data = PhoneMetadata.metadata_for_region_or_calling_code(1, region)
    if data is None:
        return "", ""
    kinds = (
        "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "voip", "personal_number", "pager", "uan"
    )  # fmt: skip
    described = [getattr(data, kind) for kind in kinds]
    patterns = {kind.national_number_pattern for kind in described if kind and kind.national_number_pattern}
    return data.national_prefix or "", "|".join(sorted(patterns))


def _either(patterns: Iterable[str]) -> Callable[[bytes], object]:
    """Put whole plans into one automaton: a number is asked of all of them at once."""
    import re2

    asked: Callable[[bytes], object] = re2.compile("|".join(f"(?:{p})" for p in patterns if p)).fullmatch
    return asked


@cache
def _abroad(code: str) -> Callable[[bytes], object]:
    """Return what a number after a country's code must match; some write the trunk's zero as well."""
    plans = [_plan(region)[1] for region in _calling_codes()[code] if region != "001"]
    return _either([f"0?(?:{'|'.join(plans)})"])


@cache
def _at_home(regions: tuple[str, ...]) -> Callable[[bytes], object]:
    """Return what a number must match that is dialled inside one of the regions."""
    return _either(f"(?:{trunk})?(?:{pattern})" if trunk else pattern for trunk, pattern in map(_plan, regions))


def is_international(digits: str) -> bool:
    """Say whether digits after ``+`` or ``00`` are a number of some country's plan.

    Examples
    --------
    >>> is_international("442079460958"), is_international("999123")
    (True, False)
    """
    codes = _calling_codes()
    for size in (1, 2, 3):
        code = digits[:size]
        if code in codes:
            return _abroad(code)(digits[size:].encode()) is not None
    return False


def is_national(digits: str, regions: tuple[str, ...] = REGIONS) -> bool:
    """Say whether digits are a number as it is dialled inside one of the regions.

    Examples
    --------
    >>> is_national("02079460958", ("GB",)), is_national("1234567", ("GB",))
    (True, False)
    """
    return _at_home(regions)(digits.encode()) is not None


def trim_phone(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Take a candidate that is a number of some plan, is grouped like one, or stands beside a word for it."""
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if before == "(" and ")" in text[start:end]:
        start -= 1
        before = text[start - 1] if start else " "
    if before.isalnum() or before in "_.=/@&%#$€£-" or after.isalnum() or after in "_@%€$":
        return None
    if text.find("(", start, end) >= 0:
        end = _balanced(text, start, end)
    if end - start < 7:  # noqa: PLR2004
        return None
    found = text[start:end]
    main = found if found[-1].isdigit() and "x" not in found.lower() else _EXTENSION.split(found, maxsplit=1)[0]
    digits = digits_of(main)
    plus = "+" in main[:2]
    if not 7 <= len(digits) <= (16 if plus else 15) or len(set(digits)) == 1:  # noqa: PLR2004
        return None
    said = text[max(0, start - CONTEXT_BEFORE) : start]
    if plus:
        return (start, end) if is_international(digits) or WORDS.found_in(said) else None
    if _DATE.match(main) or _DECIMAL.match(main) or _SSN.match(main):
        return None
    if _NOT_PHONE.found_in(said):
        return None
    if _US.match(main) and digits[-10] >= "2" and digits[-7] >= "2":
        return start, end
    if WORDS.found_in(said) or _LABEL_AFTER.match(text, end, end + CONTEXT_AFTER):
        return start, end
    if digits.startswith("00") and len(digits) >= 10:  # noqa: PLR2004
        return (start, end) if is_international(digits[2:]) else None
    groups = re.findall(r"\d+", main)
    if 3 <= len(groups) <= 6 and len(digits) >= 9 and all(2 <= len(g) <= 5 for g in groups[1:]):  # noqa: PLR2004
        return (start, end) if is_national(digits) else None
    if "(" in main and len(digits) >= 8:  # noqa: PLR2004
        return (start, end) if is_national(digits) else None
    plain = len(groups) <= 2 and len(digits) >= 10  # noqa: PLR2004
    return (start, end) if plain and digits[0] == "0" and is_national(digits) else None


def _balanced(text: str, start: int, end: int) -> int:
    """Cut what follows a bracket that does not close."""
    found = text[start:end]
    if found.count("(") > found.count(")"):
        end = start + found.rfind("(")
        while end > start and not text[end - 1].isdigit():
            end -= 1
    return end
