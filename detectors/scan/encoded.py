"""Encoded text: base64, hexadecimal, percent encoding, character references and escapes, decoded once."""

from __future__ import annotations

import base64
import binascii
import html
import re
from urllib.parse import unquote

MOST_PIECES = 24
LONGEST_PIECE = 16_384
LAYERS = 2

HINTS: tuple[str, ...] = (r"[A-Za-z0-9+/_-]{24}", r"%[0-9A-Fa-f]{2}|\\u00[0-9A-Fa-f]{2}|\\x[0-9A-Fa-f]{2}|&#")
"""RE2 patterns, of which at least one matches any text with encoded parts."""
_RUN = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_TOKEN = re.compile(r"[^\s\"'<>]+")
_MARK = re.compile(r"%[0-9A-Fa-f]{2}|\\u00[0-9A-Fa-f]{2}|\\x[0-9A-Fa-f]{2}|&#x?\w{2,6};")
_ESCAPE = re.compile(r"\\u00([0-9A-Fa-f]{2})|\\x([0-9A-Fa-f]{2})")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+$")


def pieces(text: str, layers: int = LAYERS) -> list[tuple[int, int, str]]:
    """Return the ranges of encoded parts and their decoded text, for at most 24 parts.

    Limits
    ------
    Up to two layers of encoding; compressed or encrypted text is not decoded.

    Examples
    --------
    >>> pieces("see amFuZS5kb2VAZXhhbXBsZS5jb20=")
    [(4, 32, 'jane.doe@example.com')]
    """
    decoded = _once(text)
    if layers > 1:
        for start, end, plain in decoded[:MOST_PIECES]:
            decoded += [(start, end, inner) for _, _, inner in pieces(plain, layers - 1) if inner != plain]
    return decoded[:MOST_PIECES]


def _once(text: str) -> list[tuple[int, int, str]]:
    decoded: list[tuple[int, int, str]] = []
    for match in _RUN.finditer(text):
        plain = _decode(match.group()[:LONGEST_PIECE])
        if plain:
            decoded.append((*match.span(), plain))
        if len(decoded) >= MOST_PIECES:
            return decoded
    for match in _TOKEN.finditer(text) if _MARK.search(text) else ():
        token = match.group()[:LONGEST_PIECE]
        if _MARK.search(token):
            plain = html.unescape(unquote(_ESCAPE.sub(lambda m: chr(int(m[1] or m[2], 16)), token)))
            decoded.append((*match.span(), plain))
        if len(decoded) >= MOST_PIECES:
            break
    return decoded


def _decode(run: str) -> str | None:
    body = run.rstrip("=")
    if _HEX.match(body) and len(body) % 2 == 0:
        plain = _readable(bytes.fromhex(body))
        if plain:
            return plain
    if len(body) % 4 == 1:
        return None
    try:
        raw = base64.b64decode(body.translate(_STANDARD) + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return _readable(raw)


_STANDARD = str.maketrans("-_", "+/")


def _readable(raw: bytes) -> str | None:
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    plain = sum(" " <= character <= "~" or character in "\n\t" for character in decoded)
    return decoded if len(decoded) >= 8 and plain >= 0.85 * len(decoded) else None  # noqa: PLR2004
