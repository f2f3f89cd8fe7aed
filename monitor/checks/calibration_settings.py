"""Fingerprint of the settings that learnt thresholds depend on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from monitor.config.models import Monitor

VERSION = 7
"""Version of the calibration. One of another version is replaced by a new one, learnt from the stored buckets."""
SETTINGS: dict[str, Any] = {
    "alert_budget": True,
    "min_samples": True,
    "window": True,
    "rules": {"__all__": {"when", "for_", "resolve_for"}},
}
"""Settings in the fingerprint. A key that is added later must have the default None."""
CHECK_SETTINGS = {
    *("kind", "name", "columns", "method", "signal", "segments", "min_samples"),
    *("threshold", "max_increase", "max", "p50", "p90", "p95", "p99"),
    *("labels_after", "labels_from", "positive", "decision"),
}
"""Settings of checks in the fingerprint."""
CHECK_DEFAULTS: dict[str, Any] = {
    "columns": "auto",
    "method": "auto",
    "segments": True,
    "labels_after": "0s",
    "labels_from": "people",
    "decision": 0.5,
}
"""Values in the fingerprint for kinds without these keys, which every kind had in earlier versions."""


def definition(monitor: Monitor) -> str:
    """Return a fingerprint of the settings that thresholds depend on, besides the baseline itself."""
    settings = monitor.model_dump(mode="json", include=SETTINGS, exclude_none=True)
    settings["checks"] = [
        CHECK_DEFAULTS | check.model_dump(mode="json", include=CHECK_SETTINGS, exclude_none=True)
        for check in monitor.checks
    ]
    if monitor.baseline.previous is not None:  # added later: omitted if it is not set
        settings["previous"] = monitor.baseline.previous.total_seconds()
    settings["version"] = VERSION
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
