"""Fingerprint of a baseline, which decides whether a stored baseline matches the configuration."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from detectors.outcome import VERSION as OUTCOME_VERSION
from monitor.config.models import Monitor

VERSION = 2
"""Version of the fingerprint, and its prefix. A new version needs a migration, as 0017 for version 1."""
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
    "classes": True,
    "traffic": {"__all__": {"column", "values"}},
    "signals": True,
}
"""Settings in the fingerprint: those that determine which rows and columns a baseline counts, and how.

A key that is added later must be omitted while it has its default, so that no fingerprint changes.
"""


def definition(monitor: Monitor) -> str:
    """Return the fingerprint of the baseline settings of a monitor, as ``VERSION:hash``.

    `traffic:` is included if it is set. Checks are included only if they add columns to a baseline: `performance`, and
    `rate` with `labels_from: judge`. The URL of the database is not included, since passwords and hosts change while
    the records stay the same.
    """
    measured = monitor.model_dump(mode="json", include=MEASURED, exclude_none=True)
    measured["segments"].sort()
    measured["features"]["exclude"].sort()
    if check := monitor.performance:
        measured["performance"] = [check.decision, check.positive, OUTCOME_VERSION]
    if not measured["traffic"]:
        del measured["traffic"]  # added later: omitted if it is not set
    if not measured["classes"]:
        del measured["classes"]  # added later, too
    if monitor.judged:
        measured["judged"] = sorted(monitor.judged)
    text = json.dumps(measured, sort_keys=True)
    return f"{VERSION}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
