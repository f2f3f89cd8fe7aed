"""Contact data: e-mail, telephone, web and network addresses."""

from __future__ import annotations

import ipaddress
import re

from detectors.scan.base import PatternRule, Trim, only_digits
from detectors.scan.telephone import PHONE, PHONE_HINT, trim_phone

# Top-level domains of bare domains: all of two letters except those that are also the extension of a common
# file or a common abbreviation, and the generic ones that are in wide use (IANA root zone).
_GENERIC = (
    "company|com|org|net|edu|gov|mil|int|info|biz|name|mobi|online|site|store|shop|blog|cloud|live|tech|website|space|"
    "agency|digital|email|media|news|social|solutions|systems|today|travel|world|academy|health|"
    "bank|jobs|museum|tel|asia|eus|berlin|london|nyc|paris|tokyo|xyz|club|app|dev|page|link|pro|top|icu|wiki|art"
)
_COUNTRY = (
    "ac|ad|ae|af|ag|al|ao|aq|ar|at|au|aw|ax|az|ba|bb|bd|be|bf|bg|bh|bi|bj|bm|bo|br|bs|bt|bw|by|bz|ca|cd|cf|cg|ch|ci|"
    "ck|cl|cm|cn|co|cr|cu|cv|cw|cx|cy|cz|de|dj|dk|dm|dz|ec|ee|eg|er|es|et|eu|fi|fj|fk|fm|fo|fr|ga|gd|ge|gf|gg|gh|gi|"
    "gl|gm|gn|gp|gq|gr|gt|gu|gw|gy|hk|hn|hr|ht|hu|ie|il|im|io|iq|ir|it|je|jo|jp|ke|kg|kh|ki|km|kn|kp|kr|kw|"
    "ky|kz|la|lb|lc|li|lk|lr|lt|lu|lv|ly|ma|mc|mg|mh|mk|mm|mn|mo|mp|mq|mr|mt|mu|mv|mw|mx|my|mz|na|nc|ne|nf|ng|ni|"
    "nl|no|np|nr|nu|nz|om|pa|pe|pf|pg|ph|pk|pm|pn|pr|pt|pw|qa|re|ro|ru|rw|sa|sb|sc|sd|se|sg|si|sj|sk|sl|sm|sn|"
    "sr|ss|st|su|sv|sx|sy|sz|tc|td|tf|tg|th|tj|tk|tl|tm|tn|tr|tt|tv|tw|tz|ua|ug|uk|us|uy|uz|va|vc|ve|vg|"
    "vi|vn|vu|wf|ws|ye|yt|za|zm|zw|pl"
)
# Counted repeats of such large classes need megabytes of automata; lengths are checked afterwards.
_DOMAIN = rf"(?:[\pL\pN][\pL\pN-]*\.)+(?:{_GENERIC}|{_COUNTRY})"
EMAIL = r"[\pL\pN._%+'!#$&*/=?^{|}~-]+@(?:[\pL\pN][\pL\pN-]*\.)+(?:xn--[a-z0-9-]+|\pL\pL+)"
EMAIL_IN_WORDS = (
    r"(?i)[a-z0-9._%+-]+\s{0,2}(?:[\[({<]\s?at\s?[\])}>]|[\[({<]\s?@\s?[\])}>]| @ )\s{0,2}"
    r"(?:[a-z0-9-]+(?:\.|\s{0,2}[\[({<]\s?(?:dot|\.)\s?[\])}>]\s{0,2}| dot ))+[a-z]{2,24}"
)
URL = r"(?i)\b(?:(?:https?|ftp|wss?)://|www\.)[^\s<>\"'`{}|\\^]{3,}"
BARE_DOMAIN = rf"(?i)\b{_DOMAIN}(?:/[^\s<>\"'`{{}}|\\^]*)?"
# trim_domain rejects domains after an @, as in e-mail addresses, and those that continue after the ending, too.
BARE_DOMAIN_HINT = r"(?:^|[^\pL\pN@/\\._%;&-])[\pL\pN][\pL\pN-]*(?:\.[\pL\pN-]+)*\.[A-Za-z]{2,}(?:$|[^\pL\pN@(_])"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
IP4 = rf"\b{_OCTET}(?:\.{_OCTET}){{3}}\b"
IP6 = r"(?:[0-9A-Fa-f]{1,4})?(?::{1,2}[0-9A-Fa-f]{1,4}){2,7}(?:::)?(?:(?:\.\d{1,3}){3})?|[0-9A-Fa-f]{1,4}::"
MAC = r"\b[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}\b"

LONGEST_LABEL = 63
"""Largest length of a domain (RFC 1035)."""

_VERSION = re.compile(r"(?<![A-Za-z])(?:version|release|ver\.?|build|v\.?)[ :=]?$", re.IGNORECASE)
_VERSION_ENDS = frozenset("nNeErRdDvV.")
_CODE_FILE = re.compile(
    r"\.(?:py|sh|md|rs|ps|so|js|ts|cs|cc|json|html?|css|txt|csv|ya?ml|toml|xml|java|go|rb|php)$",
    re.IGNORECASE,
)
_WORD_ENDING = re.compile(r"\.(?:in|is|as|to|id|pl)$", re.IGNORECASE)


def trim_email(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Remove punctuation before an address."""
    while start < end and text[start] in ".'!#$&*/=?^{|}~-%+_":
        start += 1
    local, _, domain = text[start:end].partition("@")
    if not local or local.endswith(".") or ".." in local or len(domain) > 253:  # noqa: PLR2004
        return None
    if "=" in local:
        start += local.rfind("=") + 1
    if "/" in local:
        start = start + text[start:end].partition("@")[0].rfind("/") + 1
    return (start, end) if text[start] != "@" else None


def trim_url(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Remove the punctuation of a sentence that ends with the URL, and the rest of an escaped text."""
    unopened = {pair[1]: text.count(pair[1], start, end) - text.count(pair[0], start, end) for pair in ("()", "[]")}
    while end > start:
        last = text[end - 1]
        if unopened.get(last, 0) > 0:
            unopened[last] -= 1
        elif last not in ".,;:!?*_~":
            break
        end -= 1
    host = text[start:end].partition("://")[2] or text[start:end]
    return (start, end) if "." in host or host.startswith("localhost") else None


def trim_domain(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Validate a domain without a scheme: reject parts of other names, file names and abbreviations."""
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if before in "@/\\._-%;&" or before.isalnum() or after in "@(_" or after.isalnum():
        return None
    if after == "." and end + 1 < len(text) and text[end + 1].isalnum():
        return None
    url = trim_url(text, start, end)
    if url is None:
        return None
    name = text[url[0] : url[1]].partition("/")[0]
    labels = name.split(".")
    if _CODE_FILE.search(name) or (len(labels) == 2 and _WORD_ENDING.search(name)):  # noqa: PLR2004
        return None
    if any(label.endswith("-") or len(label) > LONGEST_LABEL for label in labels):
        return None
    if len(labels[-2]) < 2 or labels[-1][0].isupper() != labels[-1].isupper():  # noqa: PLR2004  "end.No", "e.g"
        return None
    if labels[-1].isupper() and not name.isupper():
        return None
    return url


def trim_ip4(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Validate an IPv4 address: reject versions and parts of longer sequences."""
    if (start and text[start - 1] in ".-") or (text[end : end + 1] == "." and text[end + 1 : end + 2].isdigit()):
        return None
    before = text[max(0, start - 10) : start]
    return None if before.rstrip(" :=")[-1:] in _VERSION_ENDS and _VERSION.search(before) else (start, end)


def trim_ip6(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Validate an IPv6 address with the standard library; reject times of day."""
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if before.isalnum() or before in ":." or after.isalnum() or after == ":":
        return None
    try:
        ipaddress.IPv6Address(text[start:end])
    except ValueError:
        return None
    address = text[start:end]
    return (start, end) if len(address) >= 6 and any(c.isdigit() for c in address) else None  # noqa: PLR2004


def _is_mac(text: str, start: int, end: int) -> tuple[int, int] | None:
    address = text[start:end]
    alone = text[end : end + 1] not in (":", "-") and (not start or text[start - 1] not in ":-")
    same = len({address[2], *address[2::3]}) == 1
    return (start, end) if alone and same and len(only_digits(address)) < 12 else None  # noqa: PLR2004


RULES: tuple[PatternRule, ...] = (
    PatternRule("email_address", EMAIL, trim_email, hint=r"[\pL\pN_.%+'-]@[\pL\pN]"),
    PatternRule("email_address", EMAIL_IN_WORDS, hint=r"(?i)[\[({<]\s?(?:at|@)\s?[\])}>]| @ "),
    PatternRule(
        "mac_address", MAC, _is_mac, hint=r"[0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}"
    ),
    PatternRule("url", URL, trim_url, hint=r"(?i)://|www\."),
    PatternRule("ip_address", IP4, trim_ip4),
    PatternRule("ip_address", IP6, trim_ip6, hint=r"[0-9A-Fa-f]::?[0-9A-Fa-f]{1,4}:|::[0-9A-Fa-f]"),
)
LATE: tuple[PatternRule, ...] = (
    PatternRule("phone_number", PHONE, trim_phone, hint=PHONE_HINT),
    PatternRule("url", BARE_DOMAIN, trim_domain, hint=BARE_DOMAIN_HINT),
)
"""Rules with a lower precedence than every other kind of PII."""

__all__ = ["LATE", "RULES", "Trim"]
