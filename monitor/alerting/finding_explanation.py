"""Explain a finding: the segments, values or pairs of columns that contribute most, and the change just before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from detectors import Detector, Finding, Profile
from detectors.contribution import ColumnPair, ValueGroup
from detectors.explanation import explain_difference, explaining_detector
from detectors.joint import JOINT
from detectors.segment_attribution import SegmentContribution, find_contributing_segments, rank
from monitor.alerting.explanation_text import (
    LONGEST_NAME,
    LONGEST_SENTENCE,
    describe_difference,
    describe_finding,
    shorten,
)
from monitor.alerting.incidents import merge_evidence
from monitor.alerting.suspects import choose_suspect
from monitor.checks.methods import find_detector
from monitor.checks.window_comparison import WindowComparison
from monitor.core.incident import Change

MOST_CARRIERS = 3
MOST_PARTS = 5


def explain_finding(comparison: WindowComparison, finding: Finding, changes: Sequence[Change], at: datetime) -> Finding:
    """Return a finding with its explanation, or with the error if the explanation fails."""
    try:
        return _explain(comparison, finding, changes, at)
    except (ArithmeticError, ValueError, LookupError) as error:
        return not_explained(finding, error)


def not_explained(finding: Finding, error: Exception) -> Finding:
    """Return a finding with the error of its explanation in ``detail["not_explained"]``."""
    return replace(finding, detail={**finding.detail, "not_explained": f"{type(error).__name__}: {error}"})


def _explain(comparison: WindowComparison, finding: Finding, changes: Sequence[Change], at: datetime) -> Finding:
    monitor, detector = comparison.monitor, find_detector(finding.method)
    before, now = comparison.before(str(finding.column)), comparison.after(finding)
    old, new = comparison.reference(finding), now.get(finding.segment)
    if old is None or new is None:
        return finding
    carriers: tuple[SegmentContribution, ...] = ()
    if finding.segment is None and finding.column != JOINT:
        carriers = _find_carriers(comparison, explaining_detector(detector, old.layout.kind), before, now)
    explanation = explain_difference(detector, old, new, finding.detail)
    blamed = finding.segment or (carriers[0].segment if carriers else None)
    since = at - monitor.window - monitor.bucket
    change = choose_suspect(changes, since, merge_evidence({}, [replace(finding, segment=blamed)]))
    text = describe_difference(finding, explanation, carriers)
    if not text and change is None:
        return finding
    detail = {
        "sentence": describe_finding(finding, text, change, at),
        "text": shorten(text, LONGEST_SENTENCE),
        "carriers": [_plain(carrier) for carrier in carriers[:MOST_CARRIERS]],
        "values": [_plain(group) for group in explanation.values[:MOST_PARTS]],
        "pairs": [{**_plain(pair), "columns": list(pair.columns)} for pair in explanation.pairs[:MOST_PARTS]],
        "change": change,
    }
    return replace(finding, detail={**finding.detail, "explanation": detail})


def _find_carriers(
    comparison: WindowComparison,
    detector: Detector,
    before: Mapping[str | None, Profile],
    now: Mapping[str | None, Profile],
) -> tuple[SegmentContribution, ...]:
    """Return the segments, of all segment columns, that contribute most, largest contribution first."""
    monitor, carriers = comparison.monitor, list[SegmentContribution]()
    for name in monitor.segments:
        present = sorted({s for s in (*before, *now) if s is not None and s.startswith(f"{name}=")})
        sides = {segment: (before.get(segment), now.get(segment)) for segment in present}
        carriers += find_contributing_segments(detector, before[None], now[None], sides, monitor.min_samples)
    return rank(carriers)


def _plain(part: SegmentContribution | ValueGroup | ColumnPair) -> dict[str, object]:
    return {name: shorten(item, LONGEST_NAME) if isinstance(item, str) else item for name, item in asdict(part).items()}
