"""Result of a bucket: whether any check was conclusive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from detectors import TRAFFIC_CHECKS, Finding, Status
from monitor.checks.baseline import Baseline
from monitor.checks.left_out import LEFT_OUT
from monitor.profiling.profile import Profiled

Result = Literal["done", "inconclusive"]


def conclude(
    baseline: Baseline | None, without: str, profiled: Profiled, findings: Sequence[Finding]
) -> tuple[Result, str | None]:
    """Return the result of a bucket, and the reason if no check was conclusive."""
    if baseline is None:
        return "inconclusive", without
    if profiled.facts.rows == 0 and profiled.facts.invalid_weights:
        return "inconclusive", f"invalid_weights: all {profiled.facts.invalid_weights} rows {LEFT_OUT}"
    if profiled.facts.rows == 0:
        return "inconclusive", "no_rows: no records were logged"
    if not findings:
        return "done", "part of the baseline"
    of_columns = [finding for finding in findings if finding.check not in TRAFFIC_CHECKS] or list(findings)
    if not any(finding.status in (Status.OK, Status.DRIFTED) for finding in of_columns):
        return "inconclusive", min(of_columns, key=lambda f: not f.reason.startswith("too_few")).reason
    return "done", None
