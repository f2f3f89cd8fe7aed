"""Pseudonyms: keyed hashes that stand for values which must not be stored, such as the e-mail address of a tenant."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable

HashKey = Callable[[], bytes]
"""Returns the key of the hashes; it is called when a value is replaced for the first time."""
PREFIX = "id:"
DIGITS = 12
_FORM = re.compile(rf"{PREFIX}[0-9a-f]{{{DIGITS}}}")
_KEY_OF_PROCESS = secrets.token_bytes(32)


def key_of_process() -> bytes:
    """Return a random key that lasts as long as the process, for use without a store."""
    return _KEY_OF_PROCESS


def pseudonym(key: bytes, value: str) -> str:
    """Return the pseudonym of a value: ``id:`` and 12 hexadecimal digits of HMAC-SHA256.

    Examples
    --------
    >>> pseudonym(b"key", "jane@example.com")
    'id:43c915a5fb2a'
    """
    return f"{PREFIX}{hmac.digest(key, value.encode('utf-8', 'surrogatepass'), hashlib.sha256).hex()[:DIGITS]}"


def is_pseudonym(text: str) -> bool:
    """Return whether a text has the form of a pseudonym.

    Examples
    --------
    >>> is_pseudonym("id:43c915a5fb2a"), is_pseudonym("jane@example.com")
    (True, False)
    """
    return _FORM.fullmatch(text) is not None
