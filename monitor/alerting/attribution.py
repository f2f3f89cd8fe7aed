"""Attribution: which change or segment has the rows that a finding is about, or whether all rows have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from detectors import split_attribution
from detectors.base import Finding
from detectors.binning import COUNTED
from detectors.profile import Profile
from detectors.split_attribution import ENOUGH, REJECTED, Scores, Split, measure_score, score_rows, split_since
from monitor.alerting.suspects import change_key
from monitor.checks.baseline import Baseline
from monitor.checks.window import BucketSummary, Window
from monitor.checks.window_comparison import choose_reference
from monitor.config.models import Monitor
from monitor.core.incident import VERSIONS, Change
from monitor.core.payload import Attribution

MOST_FINDINGS = 10


def attribute(
    monitor: Monitor,
    baseline: Baseline | None,
    window: Window | None,
    findings: Sequence[Finding],
    changes: Sequence[Change],
    at: datetime,
) -> list[Finding]:
    """Add to the worst findings what explains them: a version that is new in the window, a segment, or neither.

    Returns
    -------
    list of Finding
        The same findings. For at most ten adverse ones, ``detail["attribution"]`` is an
        :class:`~monitor.core.payload.Attribution`.
    """
    since = at - monitor.window - monitor.bucket
    candidates = [change for change in changes if change.kind in VERSIONS and since <= change.first_seen <= at]
    if baseline is None or window is None or not window.parts:
        return list(findings)
    adverse = [finding for finding in findings if finding.is_adverse and finding.column is not None]
    chosen = {finding.key for finding in sorted(adverse, key=lambda f: -min(f.excess, 1e9))[:MOST_FINDINGS]}
    return [_attribute(monitor, baseline, window, f, candidates) if f.key in chosen else f for f in findings]


@dataclass(frozen=True)
class _Cells:
    """The rows of a column as scores: of all, and of each segment."""

    starts: Sequence[datetime]
    variance: float
    whole: Scores
    segments: Mapping[str, Scores]

    @property
    def everywhere(self) -> Split:
        """Return the split by time alone."""
        return split_since(self.whole, self.whole, self.variance)

    def since(self, segment: str) -> Split:
        """Return the split of the rows of a segment since some bucket."""
        return split_since(self.segments[segment], self.whole, self.variance)

    def gain(self, part: Scores) -> float:
        """Return how well the rows of a part are separated from all others."""
        return split_attribution.gain(*part.since(1), self.whole, self.variance)


def _attribute(
    monitor: Monitor, baseline: Baseline, window: Window, finding: Finding, candidates: Sequence[Change]
) -> Finding:
    cells = _score(monitor, baseline, window, finding)
    if cells is None:
        return finding
    everywhere, splits = cells.everywhere, {name: cells.since(name) for name in cells.segments}
    within = split_attribution.unexplained(max([everywhere.gain, *(one.gain for one in splits.values())]), cells.whole)
    everywhere = everywhere.scaled(1 / within)
    gains = {change_key(change): cells.gain(_rows_of(cells, window, change)) / within for change in candidates}
    others = {name: split.scaled(1 / within) for name, split in splits.items() if name not in gains}
    segment = max(others, key=lambda name: others[name].gain, default=None)
    best = max([everywhere.gain, *gains.values(), *(split.gain for split in others.values())])
    if best <= REJECTED:
        return finding
    attribution: Attribution = {
        "explained": split_attribution.explained({**gains, "": everywhere.gain}, best),
        "contrast": max([best - one for one in gains.values()], default=0.0),
        "segment": None,
        "since": cells.starts[everywhere.first - 1].isoformat(),
    }
    if segment is not None and _is_apart(others[segment], everywhere, max(gains.values(), default=0.0)):
        attribution["segment"] = segment
        attribution["since"] = cells.starts[others[segment].first - 1].isoformat()
    return replace(finding, detail={**finding.detail, "attribution": attribution})


def _is_apart(split: Split, everywhere: Split, version: float) -> bool:
    """Return whether the rows of a segment are affected and others are not, and no new version explains it."""
    return all(split.gain - other > REJECTED and other < ENOUGH * split.gain for other in (everywhere.gain, version))


def _score(monitor: Monitor, baseline: Baseline, window: Window, finding: Finding) -> _Cells | None:
    """Return the rows of a finding's column as scores; None if its profile counts no values."""
    column = str(finding.column)
    before = baseline.within(column, window.starts)
    old = choose_reference(monitor, before, None)
    parts = [(start, part) for start, part in zip(window.starts, window.parts, strict=False) if part.facts.rows]
    profiles = [_profile(part, None, column) for _, part in parts]
    if old is None or not old.n or len(parts) < 2 or None in profiles or old.layout.kind not in COUNTED:
        return None
    counts = [_count(old), *[_count(profile) for profile in profiles if profile is not None]]
    rows = sum(float(part.sum()) for part in counts[1:])
    weights = [rows / max(1.0, float(counts[0].sum())), *[1.0] * len(parts)]
    affected = _affected(finding, before, window, column)
    sides = affected or (counts[0], np.sum(counts[1:], axis=0))
    scores = measure_score(*sides, ordered=old.layout.kind == "numeric")
    segments = {}
    for name in sorted({str(name) for _, part in parts for name in part.profiles if name is not None}):
        cells = [before.get(name), *(_profile(part, name, column) for _, part in parts)]
        segments[name] = score_rows([_count(cell, like=old) for cell in cells], scores, weights)
    variance = split_attribution.variance_of_rows(counts, scores, weights)
    return _Cells([start for start, _ in parts], variance, score_rows(counts, scores, weights), segments)


def _count(profile: Profile | None, like: Profile | None = None) -> np.ndarray:
    """Return the rows of each bin, and those without a usable value as a bin of their own."""
    if profile is None:
        return np.zeros(len(like.counts) + 1) if like is not None else np.zeros(1)
    return np.append(profile.counts, profile.rows - profile.n).astype(np.float64)


def _affected(
    finding: Finding, before: Mapping[str | None, Profile], window: Window, column: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the counts of a finding's own segment in the baseline and in the window; None if it has none."""
    new = window.profiles.get(finding.segment, {}).get(column)
    old = before.get(finding.segment, before.get(None))
    if finding.segment is None or new is None or old is None:
        return None
    return _count(old), _count(new)


def _rows_of(cells: _Cells, window: Window, change: Change) -> Scores:
    """Return the rows of a new version; where it is no segment, as its share of the rows of each bucket."""
    if (known := cells.segments.get(change_key(change))) is not None:
        return known
    shares = np.array([0.0, *(_share(part, change) for part in window.parts if part.facts.rows)])
    return Scores(cells.whole.n * shares, cells.whole.total * shares)


def _profile(part: BucketSummary, segment: str | None, column: str) -> Profile | None:
    columns: Mapping[str, Profile] = part.profiles.get(segment, {})
    return columns.get(column)


def _share(part: BucketSummary, change: Change) -> float:
    rows = part.facts.versions.get(change.kind, {}).get(change.value, [0.0])[0]
    return rows / part.facts.rows
