"""Canaries: secrets and personal values that are planted in a source, and the search for them in what driftd makes."""

from __future__ import annotations

import base64
import json
import random
import re
import string
import zlib
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import numpy as np

_random = random.Random(20261130)
_LETTERS = string.ascii_letters + string.digits


def _text(size: int, alphabet: str = _LETTERS) -> str:
    return "".join(_random.choice(alphabet) for _ in range(size))


def _capitals(size: int) -> str:
    return _text(size, string.ascii_uppercase)


def _jwt() -> str:
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": _text(12), "iat": 1700000000})
    )
    return f"{head}.{body}.{_text(43)}"


def _key() -> str:
    lines = "\n".join(_text(64) for _ in range(3))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----"


SECRETS: Mapping[str, str] = {  # made here, so that no scanner of this repository takes them for real ones
    "aws access key": "AKIA" + _text(16, string.ascii_uppercase + "234567"),
    "github token": "ghp_" + _text(36),
    "openai key": "sk-proj-" + _text(20) + "T3BlbkFJ" + _text(20),
    "anthropic key": "sk-ant-api03-" + _text(93) + "AA",
    "slack token": f"xoxb-{_text(12, string.digits)}-{_text(12, string.digits)}-{_text(24)}",
    "slack webhook": f"https://hooks.slack.com/services/T{_capitals(8)}/B{_capitals(8)}/{_text(24)}",
    "jwt": _jwt(),
    "private key": _key(),
    "password in a URL": f"postgresql://app:{_text(14)}@db.internal:5432/shop",
    "stripe key": "sk_live_" + _text(24),
    "google key": "AIza" + _text(35),
    "hugging face token": "hf_" + _text(34, string.ascii_letters),
}
PERSONAL: Mapping[str, str] = {
    "e-mail": "jane.roe@example.com",
    "e-mail with tag": "karl.may+shop@mail.example.org",
    "phone": "+1 212 555 0187",
    "phone abroad": "+49 30 901820 44",
    "card": "4111 1111 1111 1111",
    "other card": "5500 0055 5555 5559",
    "IBAN": "GB82 WEST 1234 5698 7654 32",
    "social security number": "536-22-8741",
    "name and address": "Wilma Canary, 1742 Evergreen Terrace, Springfield, IL 62704",
    "IP address": "203.0.113.77",
    "IPv6 address": "2001:db8:85a3::8a2e:370:7334",
    "bitcoin address": "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
}
CANARIES: Mapping[str, str] = {**SECRETS, **PERSONAL}
LEAST = 8
"""Shortest part of a canary that is searched for: parts are what remains of one that is cut or wrapped."""


def spellings(value: str) -> set[str]:
    """Return a value as outputs may contain it: plain, escaped, quoted, in base64 at each offset, and its parts."""
    plain = {value, *(part for part in re.split(r"[\n,@]| (?=\d{4} [A-Z])", value) if len(part.strip()) > LEAST)}
    found = set(plain)
    for text in plain:
        found |= {json.dumps(text)[1:-1], quote(text), quote(text, safe=""), text.replace("+", "&#43;")}
        for offset in range(3):
            encoded = base64.b64encode(b" " * offset + text.encode()).decode()
            found.add(encoded[offset and offset + 1 : -4])
    return {text for text in found if len(text) >= LEAST and text not in HARMLESS}


HARMLESS = {"example.com", "mail.example.org", " Springfield", "-----BEGIN RSA PRIVATE KEY-----"}
"""Parts of canaries that tell nothing."""
_SOUGHT = {name: {text.encode() for text in spellings(value)} for name, value in CANARIES.items()}


def search(data: bytes) -> list[str]:
    """Return the names of the canaries in data, also in its compressed parts."""
    return sorted({name for part in inflate(data) for name, texts in _SOUGHT.items() if any(t in part for t in texts)})


def inflate(data: bytes) -> Iterator[bytes]:
    """Yield data, and what is compressed by zlib in it, such as the packed columns of a store."""
    yield data
    for found in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data):
        reader = zlib.decompressobj()
        try:
            yield reader.decompress(data[found.start() :], 1 << 24)
        except zlib.error:
            continue


def spread(rng: np.random.Generator, usual: list[str], count: int, share: float = 0.2) -> list[str]:
    """Return values of which a share are canaries, every one at least once."""
    values = rng.choice(usual, count).astype(object)
    places = rng.choice(count, max(len(CANARIES), int(count * share)), replace=False)
    values[places] = np.resize(np.array(list(CANARIES.values()), dtype=object), len(places))
    return [str(value) for value in values]
