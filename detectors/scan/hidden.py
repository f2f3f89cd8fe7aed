"""First-pass patterns of hidden content."""

from __future__ import annotations

from detectors.scan.deobfuscation import HINTS as VIEWED
from detectors.scan.encoded import HINTS as ENCODED

HINTS = (*ENCODED, *VIEWED)
"""RE2 patterns, of which at least one matches any text with encoded parts or alternative readings."""
