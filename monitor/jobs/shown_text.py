"""Values of records as people may see them: short, without personal data and secrets."""

from __future__ import annotations

from detectors.policy import redact
from detectors.scan import scan

SCANNED, SHOWN = 5000, 500
"""Characters of a text that are read, and that are shown after the redaction."""
REDACTED = ("pii", "secrets")


def show_value(value: object) -> str:
    """Return a value as text."""
    return hide_personal((f"{value:.6g}" if isinstance(value, float) else str(value))[:SCANNED])


def hide_personal(text: str) -> str:
    """Return the first 500 characters of a text, with personal data and secrets replaced by their types.

    Examples
    --------
    >>> hide_personal("write to jane@example.com")
    'write to [EMAIL_ADDRESS]'
    """
    hidden = redact(text, scan(text, REDACTED))
    return hidden if len(hidden) <= SHOWN else hidden[: SHOWN - 1] + "…"
