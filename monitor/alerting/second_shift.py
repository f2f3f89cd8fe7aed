"""Compare a window with the plateaus of the firing incidents of its monitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from detectors import Finding
from detectors.binning import COUNTED
from detectors.explanation import explain_difference
from monitor.alerting.change_point import Plateau, Plateaus, second_shift
from monitor.alerting.explanation_text import describe_difference
from monitor.alerting.finding_explanation import not_explained
from monitor.alerting.news import MOST_FINDINGS
from monitor.checks.baseline import Baseline
from monitor.checks.methods import find_detector
from monitor.checks.window import Window
from monitor.config.models import Monitor
from monitor.core.incident import Incident


def plateau_starts(monitor: Monitor, incidents: Mapping[str, Incident], end: datetime) -> dict[str, datetime]:
    """Return the time of the last announcement by group, for incidents where a whole window has passed since."""
    announced = {i.group: i.announced_at for i in incidents.values() if i.state == "firing" and i.evidence}
    return {group: at for group, at in announced.items() if at and end - at > monitor.window}


def compare_with_plateaus(
    monitor: Monitor,
    baseline: Baseline | None,
    incidents: Mapping[str, Incident],
    plateaus: Plateaus,
    window: Window | None,
) -> dict[str, list[Finding]]:
    """Return the differences of a window from the plateau of the firing incident, with explanations, by group.

    ``plateaus`` are by the id of the bins of the baseline and by start.
    """
    if baseline is None or window is None or window.end is None:
        return {}
    shifts = {}
    for group, start in plateau_starts(monitor, incidents, window.end).items():
        plateau = plateaus[baseline.layout, start]
        shifts[group] = explain_moves(plateau, window, second_shift(monitor, baseline, plateau, window))
    return shifts


def explain_moves(plateau: Plateau, window: Window, moved: Sequence[Finding]) -> list[Finding]:
    """Add explanations to the worst findings, at most ten, about differences from a plateau."""
    chosen = {finding.key for finding in sorted(moved, key=lambda f: -f.excess)[:MOST_FINDINGS]}
    return [_explain_move(plateau, window, finding) if finding.key in chosen else finding for finding in moved]


def _explain_move(plateau: Plateau, window: Window, finding: Finding) -> Finding:
    old, new = (side.get(finding.segment, {}).get(str(finding.column)) for side in (plateau.profiles, window.profiles))
    if old is None or new is None or old.layout.kind not in COUNTED:
        return finding
    try:
        explanation = explain_difference(find_detector(finding.method), old, new, finding.detail)
    except (ArithmeticError, ValueError, LookupError) as error:
        return not_explained(finding, error)
    text = describe_difference(finding, explanation)
    return replace(finding, detail={**finding.detail, "explanation": {"text": text}}) if text else finding
