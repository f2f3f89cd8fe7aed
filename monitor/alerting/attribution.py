"""Attribution: which change or segment has the rows that a finding is about, or whether all rows have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from detectors.base import Finding
from detectors.joint import JOINT
from detectors.outcome import OUTCOME
from detectors.split_attribution import (
    ENOUGH,
    REJECTED,
    Scores,
    Split,
    explained,
    gain,
    measure_beyond,
    measure_score,
    score_rows,
    split_since,
    unexplained,
    variance_of_rows,
)
from monitor.alerting.label_change import LabelChange, find_label_change
from monitor.alerting.row_counts import ColumnCounts
from monitor.checks.baseline import Baseline
from monitor.checks.window import BucketSummary, Window
from monitor.config.models import Monitor
from monitor.config.rules import COMPARED
from monitor.core.incident import VERSIONS, Change
from monitor.core.payload import Attribution

MOST_COLUMNS = 10
MOST_SEGMENTS = 3
LEAST_STRENGTH = 16.0
"""Variances by which the affected rows are told apart: four standard deviations."""
LEAST_ROWS = 10
"""A segment is told apart from all rows by at least this number of other rows."""
SATURATED = 0.9
"""Part of the way from the baseline to the bins that depart most; rows beyond it cannot be seen to depart farther."""
OF_LABELS = (OUTCOME, "score", "prediction")
"""Columns that a change of the class balance changes."""


def attribute(
    monitor: Monitor,
    baseline: Baseline | None,
    window: Window | None,
    findings: Sequence[Finding],
    changes: Sequence[Change],
    at: datetime,
    known: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Add to the worst findings of each column what explains them: a version, a segment, the labels, or none of these.

    A finding over all columns jointly is attributed by the column that departed most, if no column has a finding.

    Parameters
    ----------
    known
        The first affected bucket of each column that an open incident has.

    Returns
    -------
    list of Finding
        The same findings. For the worst one of each check, of at most ten columns, ``detail["attribution"]`` is an
        :class:`~monitor.core.payload.Attribution`.
    """
    if baseline is None or window is None or not window.parts:
        return list(findings)
    since = at - monitor.window - monitor.bucket
    candidates = [change for change in changes if change.kind in VERSIONS and since <= change.first_seen <= at]
    labels = find_label_change(baseline, window)
    chosen = choose_findings(findings)
    rows = {(f.column, f.segment): f for f in findings if f.key in chosen}
    made = {
        key: _attribute(ColumnCounts.of(monitor, baseline, window, finding), window, candidates, labels, known or {})
        for key, finding in rows.items()
    }
    return [
        _add(finding, made[finding.column, finding.segment]) if finding.key in chosen else finding
        for finding in findings
    ]


def choose_findings(findings: Sequence[Finding]) -> set[str]:
    """Return the keys of the worst finding of each check and column of served traffic, of the ten worst columns.

    Each check has one, as a rule may watch only some of the checks.
    """
    worst: dict[str, dict[str, Finding]] = {}
    for finding in sorted(findings, key=lambda f: -min(f.excess, 1e9)):
        if finding.is_adverse and finding.column is not None and finding.check not in COMPARED:
            worst.setdefault(finding.column, {}).setdefault(finding.check, finding)
    if len(worst) > 1:
        worst.pop(JOINT, None)
    return {finding.key for checks in list(worst.values())[:MOST_COLUMNS] for finding in checks.values()}


@dataclass(frozen=True)
class _Cells:
    """The rows of a column as scores: of all, and of each segment."""

    starts: Sequence[datetime]
    variance: float
    whole: Scores
    largest: float
    segments: Mapping[str, Scores]

    @classmethod
    def of(cls, counts: ColumnCounts) -> _Cells:
        """Score the rows of a column by how they depart from the baseline."""
        rows = [counts.baseline, *counts.parts]
        weights = [counts.balance, *[1.0] * len(counts.parts)]
        scores = measure_score(*counts.sides, ordered=counts.ordered)
        segments = {name: score_rows(cells, scores, weights) for name, cells in counts.segments.items()}
        variance = variance_of_rows(rows, scores, weights)
        return cls(counts.starts, variance, score_rows(rows, scores, weights), float(scores.max()), segments)

    @property
    def everywhere(self) -> Split:
        """Return the split by time alone."""
        return split_since(self.whole, self.whole, self.variance)

    def since(self, segment: str) -> Split:
        """Return the split of the rows of a segment since some bucket."""
        return split_since(self.segments[segment], self.whole, self.variance)

    def gain(self, part: Scores) -> float:
        """Return how well the rows of a part are separated from all others."""
        return gain(*part.since(1), self.whole, self.variance)

    def measure_within(
        self, everywhere: Split, splits: Mapping[str, Split], versions: Mapping[str, Scores], gains: Mapping[str, float]
    ) -> float:
        """Return the part of the variance that the best split leaves within its groups."""
        groups = [(everywhere.gain, self.whole.variance_since(everywhere.first))]
        groups += [(one.gain, self.segments[name].variance_since(one.first)) for name, one in splits.items()]
        groups += [(gains[name], part.variance_since(1)) for name, part in versions.items()]
        best, affected = max(groups)
        return unexplained(best, self.whole, affected, self.variance)

    def may_depart_farther(self, first: int) -> bool:
        """Return whether the rows since a bucket are not all in the bins that depart most."""
        rows, total = self.whole.since(first)
        usual = float(self.whole.total[0]) / max(1.0, float(self.whole.n[0]))
        return total / max(1.0, rows) - usual < SATURATED * (self.largest - usual)

    def depart_farther(self, part: Scores, first: int) -> bool:
        """Return whether the rows of a part depart farther than all other rows since a bucket."""
        return measure_beyond(part, self.whole, first) > LEAST_STRENGTH

    def count_others(self, segment: str, first: int) -> float:
        """Return the rows since a bucket that do not belong to a segment."""
        return self.whole.since(first)[0] - self.segments[segment].since(first)[0]

    def find_place(self, start: str | None) -> int | None:
        """Return the place of the first bucket that begins at a time or later; None without one."""
        later = (place for place, one in enumerate(self.starts, 1) if start is not None and one.isoformat() >= start)
        return next(later, None)

    def start(self, place: int) -> str:
        """Return the start of a bucket by its place, the baseline being 0."""
        return self.starts[place - 1].isoformat()


def _add(finding: Finding, attribution: Attribution | None) -> Finding:
    return replace(finding, detail={**finding.detail, "attribution": attribution}) if attribution else finding


def _attribute(
    counts: ColumnCounts | None,
    window: Window,
    candidates: Sequence[Change],
    labels: LabelChange | None,
    known: Mapping[str, str],
) -> Attribution | None:
    """Return what explains a column, by the rows that depart as those of a segment or all; None if nothing is clear."""
    if counts is None:
        return None
    cells = _Cells.of(counts)
    everywhere, splits = cells.everywhere, {name: cells.since(name) for name in cells.segments}
    rows = {change.key: _rows_of(cells, window, change) for change in candidates}
    gains = {name: cells.gain(part) for name, part in rows.items()}
    within = cells.measure_within(everywhere, splits, rows, gains)
    everywhere, gains = everywhere.scaled(1 / within), {name: one / within for name, one in gains.items()}
    others = {
        name: split.scaled(1 / within)
        for name, split in splits.items()
        if name not in gains and cells.count_others(name, 1) >= LEAST_ROWS
    }
    ranked = sorted(others, key=lambda name: -others[name].gain)[:MOST_SEGMENTS]
    best = max([everywhere.gain, *gains.values(), *(others[name].gain for name in ranked)])
    if best <= LEAST_STRENGTH:
        return None
    segment = ranked[0] if ranked else None
    if segment is not None and not (
        cells.count_others(segment, everywhere.first) >= LEAST_ROWS
        and _is_apart(others[segment], everywhere, max(gains.values(), default=0))
    ):
        segment = None
    onset = everywhere if segment is None else others[segment]
    attribution: Attribution = {
        "explained": explained({**gains, "": everywhere.gain}, best),
        "contrast": max([best - one for one in gains.values()], default=0.0),
        "segment": segment,
        "since": cells.start(onset.first),
        "until": cells.start(onset.latest),
        "segments": explained({name: others[name].gain for name in ranked}, best),
        "labels": 0.0,
        "refuted": [name for name, one in gains.items() if everywhere.gain - one > REJECTED],
        "strength": best,
    }
    if (first := cells.find_place(known.get(counts.column))) and cells.may_depart_farther(first):
        attribution["beyond"] = [name for name, part in rows.items() if cells.depart_farther(part, first)]
    if labels is not None and counts.column in OF_LABELS:
        attribution["labels"] = labels.share
        attribution["since"] = labels.since.isoformat() if labels.share >= ENOUGH else attribution["since"]
    return attribution


def _is_apart(split: Split, everywhere: Split, version: float) -> bool:
    """Return whether the rows of a segment are affected and others are not, and no new version explains it."""
    return all(split.gain - other > REJECTED and other < ENOUGH * split.gain for other in (everywhere.gain, version))


def _rows_of(cells: _Cells, window: Window, change: Change) -> Scores:
    """Return the rows of a new version; where it is no segment, as its share of the rows of each bucket."""
    if (known := cells.segments.get(change.key)) is not None:
        return known
    shares = np.array([0.0, *(_share(part, change) for part in window.parts if part.facts.rows)])
    return cells.whole.scaled(shares)


def _share(part: BucketSummary, change: Change) -> float:
    rows = part.facts.versions.get(change.kind, {}).get(change.value, [0.0])[0]
    return rows / part.facts.rows
