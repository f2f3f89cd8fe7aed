"""Plain data as bytes: compressed JSON with a size limit. No pickle, so reading executes no code."""

from __future__ import annotations

import json
import zlib
from typing import TypeVar

T = TypeVar("T")
LARGEST = 256 * 1024 * 1024
FAST, SMALL = 3, 6
"""Levels of the compression. Fingerprints are of bytes of the first; the second is for what is stored often."""


def pack(data: object, level: int = FAST) -> bytes:
    """Encode as compressed JSON; NaN and infinities, which are not JSON, are rejected.

    Examples
    --------
    >>> unpack(pack({"rows": 3}), dict)
    {'rows': 3}
    """
    return zlib.compress(json.dumps(data, allow_nan=False, separators=(",", ":")).encode(), level)


def unpack(blob: bytes, kind: type[T]) -> T:
    """Decode the output of :func:`pack`, up to 256 MiB; ``kind`` is ``dict`` or ``list``."""
    reader = zlib.decompressobj()
    text = reader.decompress(blob, LARGEST)
    if reader.unconsumed_tail:
        raise ValueError("a stored profile is larger than 256 MiB; it is damaged or was tampered with.")
    data = json.loads(text)
    if not isinstance(data, kind):
        raise ValueError(f"a stored {kind.__name__} has other content; it is damaged or was tampered with.")  # noqa: TRY004
    return data
