"""What the fault tests of this process have tried, for the summary at their end."""

from __future__ import annotations

from collections import Counter

COUNTS: Counter[str] = Counter()
WORST: dict[str, float] = {}


def count(what: str, number: int = 1) -> None:
    """Add to a figure of the summary."""
    COUNTS[what] += number


def note_worst(what: str, seconds: float) -> None:
    """Keep the longest of several times."""
    WORST[what] = max(WORST.get(what, 0.0), seconds)
