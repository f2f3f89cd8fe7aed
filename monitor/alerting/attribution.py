"""Attribution: correlate the effect size of a finding over buckets with the traffic share of each new version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from detectors.base import Finding
from detectors.profile import Profile
from monitor.alerting.incidents import change_key
from monitor.checks.baseline import Baseline
from monitor.checks.window import BucketSummary, Window
from monitor.checks.window_comparison import choose_reference
from monitor.config.models import Monitor
from monitor.core.incident import VERSIONS, Change

MOST_FINDINGS = 10


def attribute(
    monitor: Monitor,
    baseline: Baseline | None,
    window: Window | None,
    findings: Sequence[Finding],
    changes: Sequence[Change],
    at: datetime,
) -> list[Finding]:
    """Add to the worst findings the part of the effect that each version explains that first occurred in the window.

    This distinguishes versions that appear a minute apart: the effect follows the share of one of them.

    Returns
    -------
    list of Finding
        The same findings. For at most ten adverse ones, ``detail["explained"]`` maps each version to the squared
        correlation of its share of the rows with the effect size over buckets, from 0 to 1.
    """
    since = at - monitor.window - monitor.bucket
    candidates = [change for change in changes if change.kind in VERSIONS and since <= change.first_seen <= at]
    if baseline is None or window is None or len(candidates) < 2:
        return list(findings)
    adverse = [finding for finding in findings if finding.is_adverse and finding.column is not None]
    chosen = {finding.key for finding in sorted(adverse, key=lambda f: -min(f.excess, 1e9))[:MOST_FINDINGS]}
    return [_attribute(monitor, baseline, window, f, candidates) if f.key in chosen else f for f in findings]


def _attribute(
    monitor: Monitor, baseline: Baseline, window: Window, finding: Finding, candidates: Sequence[Change]
) -> Finding:
    column = str(finding.column)
    segment = None if _is_version(finding.segment) else finding.segment
    old = choose_reference(monitor, baseline.within(column, window.starts), segment)
    parts = [part for part in window.parts if part.facts.rows and _profile(part, segment, column) is not None]
    if old is None or not old.n or len(parts) < 2:
        return finding
    effect, weights = effect_by_bucket(old, [_profile(part, segment, column) for part in parts])
    explained = {
        change_key(change): share_explained(np.array([_share(part, change) for part in parts]), effect, weights)
        for change in candidates
    }
    return replace(finding, detail={**finding.detail, "explained": explained})


def effect_by_bucket(old: Profile, buckets: Sequence[Profile | None]) -> tuple[np.ndarray, np.ndarray]:
    """Return the effect size of each bucket and its number of rows.

    The effect size is the projection of the bin shares of a bucket on the difference between the shares of all buckets
    and those of the baseline.

    Returns
    -------
    effect, weights
        float64, shape (buckets,).
    """
    counts = np.array([np.zeros(old.layout.bins) if one is None else one.counts for one in buckets], dtype=np.float64)
    sizes = np.array([0.0 if one is None else one.n for one in buckets])
    shares = counts / np.maximum(1.0, sizes)[:, None]
    away = counts.sum(axis=0) / max(1.0, sizes.sum()) - old.counts / max(1, old.n)
    return shares @ away, sizes


def share_explained(shares: np.ndarray, effect: np.ndarray, weights: np.ndarray) -> float:
    """Return the part of the variance of an effect over buckets that the traffic share of a version explains.

    Parameters
    ----------
    shares, effect, weights
        float64, shape (buckets,): share of the rows of the version, effect size, and number of rows.

    Returns
    -------
    float
        The squared weighted correlation; 0 if the correlation is negative, or either is constant.

    Examples
    --------
    >>> effect, even = np.array([0.0, 0.0, 0.4, 1.0, 1.0]), np.ones(5)
    >>> guilty, early = np.array([0.0, 0.0, 0.4, 1.0, 1.0]), np.array([0.0, 0.7, 1.0, 1.0, 1.0])
    >>> round(share_explained(guilty, effect, even), 2), round(share_explained(early, effect, even), 2)
    (1.0, 0.51)
    """
    total = weights.sum()
    if not total:
        return 0.0
    x, y = shares - shares @ weights / total, effect - effect @ weights / total
    covariance, norm = float((weights * x) @ y), float(((weights * x) @ x) * ((weights * y) @ y))
    return min(1.0, covariance**2 / norm) if covariance > 0 and norm > 0 else 0.0


def _is_version(segment: str | None) -> bool:
    return segment is not None and segment.partition("=")[0] in VERSIONS


def _profile(part: BucketSummary, segment: str | None, column: str) -> Profile | None:
    columns: Mapping[str, Profile] = part.profiles.get(segment, {})
    return columns.get(column)


def _share(part: BucketSummary, change: Change) -> float:
    rows = part.facts.versions.get(change.kind, {}).get(change.value, [0.0])[0]
    return rows / part.facts.rows
