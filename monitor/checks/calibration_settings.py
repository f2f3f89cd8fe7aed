"""The settings that thresholds depend on, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from monitor.config.models import Monitor

VERSION = 5
"""Of what is learnt: a calibration of another version is made again, from the buckets that are stored."""
SETTINGS: dict[str, Any] = {
    "alert_budget": True,
    "min_samples": True,
    "window": True,
    "rules": {"__all__": {"when", "for_", "resolve_for"}},
}
"""The settings that thresholds depend on. A key that a later release adds must have the default None here."""
CHECK_SETTINGS = {
    *("kind", "name", "columns", "method", "signal", "segments", "min_samples"),
    *("threshold", "max_increase", "max", "p50", "p90", "p95", "p99"),
    *("labels_after", "labels_from", "positive", "decision"),
}
"""The same of each check."""
CHECK_DEFAULTS: dict[str, Any] = {
    "columns": "auto",
    "method": "auto",
    "segments": True,
    "labels_after": "0s",
    "labels_from": "people",
    "decision": 0.5,
}
"""What the fingerprint holds of a check whose kind does not have these keys: every kind had them once."""


def definition(monitor: Monitor) -> str:
    """Return a fingerprint of the settings that thresholds depend on, besides the baseline itself."""
    settings = monitor.model_dump(mode="json", include=SETTINGS, exclude_none=True)
    settings["checks"] = [
        CHECK_DEFAULTS | check.model_dump(mode="json", include=CHECK_SETTINGS, exclude_none=True)
        for check in monitor.checks
    ]
    if monitor.baseline.previous is not None:  # it is newer than the fingerprint: without it nothing changes
        settings["previous"] = monitor.baseline.previous.total_seconds()
    settings["version"] = VERSION
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
