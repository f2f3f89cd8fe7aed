"""Topics that are not to be talked about."""

from __future__ import annotations

from detectors.scan.patterns import Topics

__all__ = ["Topics"]
