"""What one pass over a text tells of everything that may be hidden in it."""

from __future__ import annotations

from detectors.scan import encoded, views

HINTS = (*encoded.HINTS, *views.HINTS)
"""RE2 patterns, one of which matches wherever a text says more when it is decoded or read in another way."""
