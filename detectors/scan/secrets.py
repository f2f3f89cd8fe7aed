"""Keys and passwords: formats published by providers, and values next to a word such as `password`."""

from __future__ import annotations

import math
import re
from collections import Counter
from importlib import resources

from detectors.scan.base import PatternRule, RuleSet, Span, Trim, Words
from detectors.scan.hidden import HINTS

_START = r"(?:^|[^A-Za-z0-9_.+/-])"
_PLACEHOLDER = Words(
    r"(?i)x{5}|\*{4}|\.{3}|\[|example$|0{8}|1{8}|1234567890123|abcdefgh|0123456789|your|"
    r"example[_-]|_here|change[_-]?me|placeholder|"
    r"dummy|redacted|insert|replace|sample|<[a-z_ -]+>|^\$|\$[({]|\{\{|%[a-z_]+%|todo|fake|xxx_|put_"
)
_SAID = (
    r"(?i)(?:api[_.-]?key|secret|passw(?:or)?d|pwd|passphrase|token|credentials?|auth|access[_.-]?key|private[_.-]?key|"
    r"client[_.-]?secret|signing[_.-]?key|encryption[_.-]?key|bearer|clave|contraseña|"
    r"mot de passe|passwort|kennwort|senha)"
)
# After one of the words: an optional rest of the name, an assignment sign, and the value.
GENERIC = (
    _SAID
    + r"[A-Za-z0-9_.-]{0,24}[\"'`\])]{0,2}[ \t]{0,3}(?:=>|:=|\?=|:{1,3}=?|=|,|\bis\b|\bist\b|\bes\b|\best\b)[ \t]{0,3}"
    r"(?:[\"'`(\[]{0,2})([A-Za-z0-9_+/=.~!@#$%^&*-]{8,512})"
)
_SHAPELESS = re.compile(
    r"(?:[a-z]+|[A-Z]+|\d+|[A-Z][a-z]+(?:[A-Z][a-z]*)*|[a-z]+(?:[A-Z][a-z0-9]*)+|[\w.-]*\.(?:py|"
    r"js|go|com|org|net|io|yml|"
    r"yaml|json|txt|key|pem|html|jar|md|git)|[a-zA-Z]+(?:[_.:/-][a-zA-Z]+)+\d{0,2}|\d+(?:[.:]\d+)+|[\d.:TZ+-]+)$"
)
_ID_NAME = re.compile(
    r"(?:[_. -]?(?:id|ids|name|type|tag|length|size|count|path|url|uri|file|field|str|chars|"
    r"hash|rev)|keyword|author\w*|csrf[_. -]?token|xsrf[_. -]?token|"
    r"accessib\w*)[\"'`\])]*\s*(?:=>|:=|[:=])",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)


_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[A-Za-z]")


def entropy(text: str) -> float:
    """Return the Shannon entropy of a text's characters, in bits per character.

    References
    ----------
    Shannon, *A mathematical theory of communication*, Bell System Technical Journal 27, 1948.

    Examples
    --------
    >>> entropy("aaaa"), entropy("abcd")
    (0.0, 2.0)
    """
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) + 0.0


def real(least: float = 0.0, *, digit: bool = False) -> Trim:
    """Return a validator that rejects placeholders and values with less than ``least`` bits per character."""

    def trim(text: str, start: int, end: int) -> tuple[int, int] | None:
        candidate = text[start:end]
        if digit and not (_DIGIT.search(candidate) and _LETTER.search(candidate)):
            return None
        if _PLACEHOLDER.found_in(candidate) or (least and entropy(candidate) < least):
            return None
        return start, end

    return trim


def trim_generic(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Validate a value next to a word for a secret: it must look random."""
    if ".." in text[start : end + 2]:
        return None  # deliberately truncated
    while end > start and text[end - 1] in ".,;:!)]'\"":
        end -= 1
    candidate = text[start:end]
    line = max(text.rfind("\n", max(0, start - 80), start) + 1, start - 80)
    if _ID_NAME.search(text, line, start) or _SHAPELESS.match(candidate) or _UUID.match(candidate):
        return None
    if (
        len(candidate) < 8
        or _PLACEHOLDER.found_in(candidate)
        or candidate.startswith(("http", "/", "./", "$", "arn:", "#"))
    ):  # noqa: PLR2004
        return None
    kinds = sum(map(bool, (re.search("[a-z]", candidate), re.search("[A-Z]", candidate), re.search(r"\d", candidate))))
    special = bool(re.search(r"[!@#$%^&*~+=]", candidate))
    if not any(character.isdigit() for character in candidate) and not special:
        return None
    wanted = 2.6 if len(candidate) < 16 else 3.0 if len(candidate) < 24 else 3.4  # noqa: PLR2004
    return (start, end) if kinds + special >= 2 and entropy(candidate) >= wanted else None  # noqa: PLR2004


def trim_password(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Validate a value in the position of a password: reject variables and placeholders."""
    candidate = text[start:end]
    plain = candidate.strip("\"'`{}")
    if (
        len(plain) < 3
        or _PLACEHOLDER.found_in(candidate)
        or "$" in plain[:2]
        or plain.startswith(("<", "[", "%", "$("))
    ):  # noqa: PLR2004
        return None
    return start, end


_LONG = re.compile(r"\{(\d+)(?:,\d*)?\}")


def _few(count: re.Match[str]) -> str:
    """Limit required repeats to six: sufficient for the first pass, with a small automaton."""
    return f"{{{min(6, int(count[1]))},}}"


def _key(kind: str, pattern: str, least: float) -> PatternRule:
    """Return the rule of a self-describing format, which must not be adjacent to word characters."""
    exact = rf"{_START}({pattern})(?:[^A-Za-z0-9_-]|$)"
    return PatternRule(kind, exact, real(least), hint=rf"{_START}(?:{_LONG.sub(_few, pattern)})")


def _beside(kind: str, words: str, pattern: str, least: float) -> PatternRule:
    """Return the rule of a format that requires its provider's name and an assignment sign before it."""
    between = r"[A-Za-z0-9_ .-]{0,30}[\"'`]{0,2}[ \t]{0,3}(?:=>|:{1,3}=|\?=|[:=>,|])?[ \t]{0,3}[\"'`]{0,2}"
    return PatternRule(
        kind,
        rf"(?i)(?:{words}){between}({pattern})(?:[^A-Za-z0-9_-]|$)",
        real(least, digit=True),
        hint=rf"(?i)(?:{words})",
    )


_IN_URL = r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@\"'<>]{1,100}:([^\s/@\"'<>]{3,200})@[\w.-]+"
_CURL_USER = (
    r"curl\b[^\n|;]*(?:\\\n[^\n|;]*)*\s(?:-u|"
    r"--user)(?:[ =]{0,3})([\"'][^\"'\n]{3,200}[\"'](?::[\"'][^\"'\n]{3,200}[\"'])?|[^\s\"'\\-][^\s\\]{2,200})"
)
_HEADER = (
    r"(?i)(?:-H|--header)[ =]{0,2}\\?[\"'](?:Authorization:\s*(?:(?:Bearer|Basic|Token|ApiKey)\s+)?|"
    r"(?:x-)?[a-z-]{0,24}(?:api-?key|token|secret)[a-z-]{0,10}:\s*)([^\s\"'\\]{8,})"
)


def _trim_curl(text: str, start: int, end: int) -> tuple[int, int] | None:
    candidate = text[start:end].strip("\"'")
    user, colon, password = candidate.partition(":")
    user, password = user.strip("\"'{}"), password.strip("\"'{}")
    secret = password or user
    if (
        not colon
        or "$" in candidate[:2]
        or ":$" in candidate
        or password.startswith(("//", "<", "$"))
        or user.startswith("<")
    ):
        return None
    if _PLACEHOLDER.found_in(candidate) or len(secret) < 5 or secret.lower() in ("password", "passwd"):  # noqa: PLR2004
        return None
    return (start, end) if any(c.isdigit() for c in secret) or re.search(r"[^\w]", secret) else None


def _trim_header(text: str, start: int, end: int) -> tuple[int, int] | None:
    candidate = text[start:end]
    if candidate[0] in "<{[$`" or _PLACEHOLDER.found_in(candidate):
        return None
    return (start, end) if entropy(candidate) >= 2.7 else None  # noqa: PLR2004


_DATA = r"\bdata:[ \t]*\n(?:\s*#[^\n]*\n)*\s*[\w.-]+:\s*(?:[|>]\s*)?[\"']?([A-Za-z0-9+/]{8,}={0,3})"
_YAML_KIND = r"kind:[ \t]*[\"']?secret\b"


def _formats() -> list[PatternRule]:
    """Load the providers' formats from the packaged table."""
    table = resources.files("detectors.data").joinpath("secrets.tsv").read_text(encoding="utf-8")
    rules = []
    for line in table.splitlines():
        if line and not line.startswith("#"):
            kind, least, *rest = line.split("\t")
            rules.append(
                _beside(kind, rest[1], rest[2], float(least)) if rest[1:] else _key(kind, rest[0], float(least))
            )
    return rules


RULES = RuleSet(
    (
        PatternRule(
            "private_key",
            r"-----BEGIN[ A-Z0-9_-]{0,60}PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]*?-----END[ A-Z0-9_-]{0,60}-----)?",
            hint="PRIVATE KEY",
        ),
        *_formats(),
        PatternRule("gcp_service_account", r"\"type\"\s*:\s*\"service_account\""),
        PatternRule("slack_token", r"[=\"'](xoxe-[0-9]{8,}-[0-9A-Za-z-]{20,})", real(3.0)),
        PatternRule(
            "slack_webhook", r"(hooks\.slack\.com/(?:services|workflows|triggers)/T[A-Za-z0-9+/]{40,60})", real(3.0)
        ),
        PatternRule("facebook_token", r"(?i)facebook.{0,40}?(\d{12,17}(?:\||%)[\w-]{24,30})", real(3.0)),
        PatternRule("vault_token", _START + r"(s\.[A-Za-z0-9]{24})(?:[^A-Za-z0-9_-]|$)", real(3.5, digit=True)),
        PatternRule(
            "sidekiq_secret", r"BUNDLE_(?:GEMS|ENTERPRISE)__CONTRIBSYS__COM[^\n0-9a-f]{1,8}([0-9a-f]{8}:[0-9a-f]{8})"
        ),
        PatternRule(
            "nuget_password", r"(?i)<add key=\"(?:ClearText)?Password\"\s*value=\"([^\"]{10,200})\"", trim_password
        ),
        PatternRule("url_password", _IN_URL, trim_password, hint=r"://[^\s/:@\"'<>]{1,100}:[^\s/@]{3,200}@"),
        PatternRule("curl_auth", _CURL_USER, _trim_curl, hint=r"curl\b"),
        PatternRule("auth_header", _HEADER, _trim_header, hint=r"(?i)(?:-H|--header)[ =]{0,2}\\?[\"']"),
        PatternRule("kubernetes_secret", rf"(?is){_YAML_KIND}.{{0,400}}?{_DATA}", hint=rf"(?i){_YAML_KIND}"),
        PatternRule("kubernetes_secret", rf"(?is){_DATA}.{{0,400}}?{_YAML_KIND}", hint=rf"(?i){_YAML_KIND}"),
        PatternRule("bearer_token", r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9_.~+/-]{16,}={0,2})", real(3.5, digit=True)),
        PatternRule("generic_secret", GENERIC, trim_generic, hint=_SAID),
    ),
    also=HINTS,
)
TYPES = frozenset(rule.type for rule in RULES.rules)


def scan(text: str) -> list[Span]:
    """Find keys by their provider's published format, and random-looking values next to a word for a secret.

    Limits
    ------
    A password that is an ordinary word is not detected. A key that is truncated or in an unknown format is detected
    only in an assignment to a descriptive name. Keys are not verified with the provider.

    References
    ----------
    The providers' own documentation of their formats; the entropy test: Meli, McNiece, Reaves, *How bad can it
    git?*, NDSS 2019.

    Examples
    --------
    >>> [span.type for span in scan("password: hunter2isNotReal! and token = ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8")]
    ['generic_secret', 'github_token']
    """
    return RULES.scan(text)
