"""Report of a calibration as JSON types, for `driftd baseline show`."""

from __future__ import annotations

from typing import Any

from detectors.null_distribution import NullDistribution
from detectors.quality.traffic import VOLUME_FLOOR
from detectors.season import ALL_TIMES
from monitor.checks.calibration import Calibration
from monitor.checks.methods import METHODS
from monitor.checks.sensitivity import list_sensitivity


def describe_calibration(calibration: Calibration) -> dict[str, Any]:
    """Return the thresholds of a baseline as JSON types, sorted by expected alerts, most first."""
    limit = calibration.limit
    checks = [
        _describe_check(calibration, key, null)
        for key, null in sorted(calibration.nulls.items(), key=lambda item: (-item[1].expected, item[0]))
    ]
    whole = limit.to_json() if limit else {}
    return {
        "reason": calibration.reason,
        "budget_per_week": whole.get("budget"),
        "expected_pages_per_week": whole.get("expected"),
        "expected_low": whole.get("low"),
        "expected_high": whole.get("high"),
        "weeks": whole.get("weeks"),
        "extrapolation": whole.get("beyond"),
        "rarity": whole.get("rarity"),
        "seasons": dict(calibration.seasons),
        "set_apart": [check for check in checks if check["own_limit"]],
        "unusual": {column: list(stretches) for column, stretches in calibration.unusual.items()},
        "sensitivity": list_sensitivity(calibration),
        "checks": checks,
    }


def _describe_check(calibration: Calibration, key: str, null: NullDistribution) -> dict[str, Any]:
    check, column, method, segment = calibration.subjects[key]
    floor = METHODS[method].floor if method in METHODS else VOLUME_FLOOR
    calibrated = calibration.calibrated(key)
    return {
        "check": check,
        "column": column,
        "method": method,
        "segment": segment,
        "null_50": null.quantiles[0],
        "null_90": null.quantiles[1],
        "null_99": null.quantiles[2],
        "null_max": null.quantiles[3],
        "threshold": max(floor, calibrated.threshold(null.noise)) if calibrated else None,
        "own_limit": key in calibration.set_apart,
        "expected_pages_per_week": null.expected,
        "season": calibration.seasons.get(column or "", ALL_TIMES),
    }
