"""What a baseline is of: the fingerprint that decides whether a stored one is still the one that is asked for. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from detectors.outcome import VERSION as OUTCOME_VERSION
from monitor.config.models import Monitor

VERSION = 2
"""Of the fingerprint; written in front of it. Another one needs a migration, as 0017 was for version 1."""
MEASURED: dict[str, Any] = {
    "source": {
        "table": True,
        "query": True,
        "preset": True,
        "where": True,
        "columns": {"__all__": {"column", "unit", "zone", "format", "chat"}},
        "text_limit": True,
    },
    "bucket": True,
    "baseline": {"start", "end", "file", "rolling"},
    "features": {"include", "exclude", "types", "limit"},
    "segments": True,
    "traffic": {"__all__": {"column", "values"}},
    "signals": True,
}
"""The settings that decide which rows and columns a baseline counts, and how. No other setting enters the fingerprint.

A key that a later release adds here must not be written while it has its default: then no fingerprint changes.
"""


def definition(monitor: Monitor) -> str:
    """Return the fingerprint of what a monitor's baseline measures, as ``VERSION:hash``.

    Which records are marked as no served traffic counts, where any are. Of the checks only those count that add columns
    to a baseline: the performance of the model, and rates that take a judge's verdicts. The address of the database is
    left out: a password is rotated and a database moves, and the log is the same.
    """
    measured = monitor.model_dump(mode="json", include=MEASURED, exclude_none=True)
    measured["segments"].sort()
    measured["features"]["exclude"].sort()
    if check := monitor.performance:
        measured["performance"] = [check.decision, check.positive, OUTCOME_VERSION]
    if not measured["traffic"]:
        del measured["traffic"]  # it is newer than the fingerprint: without it nothing changes
    if monitor.judged:
        measured["judged"] = sorted(monitor.judged)
    text = json.dumps(measured, sort_keys=True)
    return f"{VERSION}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
