"""What one pass over a text tells of everything that may be hidden in it."""

from __future__ import annotations

from detectors.scan.deobfuscation import HINTS as VIEWED
from detectors.scan.encoded import HINTS as ENCODED

HINTS = (*ENCODED, *VIEWED)
"""RE2 patterns, one of which matches wherever a text says more when it is decoded or read in another way."""
