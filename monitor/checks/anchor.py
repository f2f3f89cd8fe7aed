"""Anchor of a rolling baseline: report the total change of each column since the first baseline.

A rolling baseline absorbs slow drift, as each daily change is too small to alert. Each renewed baseline therefore
stores the counts of the first one over the same bins, and a large total change since then is a finding until the
baseline is learnt again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from detectors.base import Finding, Status
from detectors.baseline_checks import effect
from detectors.binning import Binning
from detectors.profile import Profile
from monitor.checks.baseline import Baseline
from monitor.checks.baseline_problems import shown_category
from monitor.checks.baseline_review import BASELINE, sentences

ANCHOR = "anchor"
FLOOR = 0.25
"""Smallest total change that is reported, in standard deviations; for shares see :func:`effect`."""
SURE = 4.0
"""Minimum total change in standard errors, which include the autocorrelated noise of the column."""
RANK_OF_A_DEVIATION = 0.5 / math.sqrt(math.pi)
"""Change of P(X < Y) per standard deviation of shift, for small shifts of a normal distribution."""
MOST_FINDINGS = 20


def with_anchor(old: Baseline, new: Baseline) -> dict[str, Any]:
    """Return the anchor of a renewed baseline: that of the previous baseline, or the previous baseline itself."""
    anchor = old.facts.get(ANCHOR) or _make_anchor(old)
    return {ANCHOR: {**anchor, "changes": list(_changes(anchor, new))}}


def _make_anchor(baseline: Baseline) -> dict[str, Any]:
    profiles = baseline.profiles.get(None, {})
    return {
        "from": baseline.start.isoformat() if baseline.start else None,
        "to": baseline.end.isoformat() if baseline.end else None,
        "noise": dict(baseline.review.noise) if baseline.review else {},
        "columns": {
            name: {
                "counts": profile.counts.tolist(),
                "missing": profile.rows - profile.n,
                "mean": profile.mean if baseline.layouts[name].kind == "numeric" and profile.n else None,
            }
            for name, profile in profiles.items()
            if baseline.layouts[name].kind in ("numeric", "categorical")
        },
    }


def _changes(anchor: Mapping[str, Any], new: Baseline) -> Iterator[dict[str, Any]]:
    """Yield the total change of each column and its threshold."""
    noise = new.review.noise if new.review else {}
    for name, kept in anchor["columns"].items():
        profile = new.profiles.get(None, {}).get(name)
        before = np.array(kept["counts"], dtype=np.int64)
        if profile is None or len(before) != len(profile.counts) or not before.sum() or not profile.n:
            continue
        wander = math.hypot(float(anchor["noise"].get(name, 0.0)), float(noise.get(name, 0.0)))
        size, text = max(_measure_changes(name, new.layouts[name], kept, before, profile), key=lambda one: abs(one[0]))
        yield {"column": name, "size": size, "threshold": max(FLOOR, SURE * wander), "text": text}


def _measure_changes(
    name: str, layout: Binning, kept: Mapping[str, Any], before: np.ndarray, now: Profile
) -> Iterator[tuple[float, str]]:
    """Yield the changes of the values and of the missing values of a column, each with a description."""
    old = before / before.sum()
    new = now.counts / now.n
    if layout.kind == "numeric":
        above = float(new @ (np.cumsum(old) - old / 2)) - 0.5
        yield above / RANK_OF_A_DEVIATION, f"mean of {name} {kept['mean']:.4g} → {now.mean:.4g}"
    else:
        sizes = [effect(float(a), float(b)) for a, b in zip(old, new, strict=True)]
        place = int(np.argmax(np.abs(sizes)))
        word = shown_category(layout.vocabulary[place]) if place < len(layout.vocabulary) else "other values"
        yield sizes[place], f"share of {name} {word} {old[place]:.2%} → {new[place]:.2%}"
    missing, rows = kept["missing"], int(before.sum()) + kept["missing"]
    shares = missing / rows, (now.rows - now.n) / now.rows
    yield effect(*shares), f"missing values of {name} {shares[0]:.2%} → {shares[1]:.2%}"


def notes_on(baseline: Baseline) -> list[str]:
    """Return the problems of the range of a baseline, and the total changes since the first one, as sentences."""
    return sentences(baseline.review) + [finding.reason for finding in evaluate_anchor(baseline)]


def evaluate_anchor(baseline: Baseline) -> list[Finding]:
    """Return a finding for each column whose total change exceeds its threshold, largest change first."""
    anchor = baseline.facts.get(ANCHOR)
    if not anchor:
        return []
    far = [each for each in anchor["changes"] if abs(each["size"]) >= each["threshold"]]
    ranked = sorted(far, key=lambda each: -abs(each["size"]) / each["threshold"])
    return [_finding(anchor, each) for each in ranked[:MOST_FINDINGS]]


def _finding(anchor: Mapping[str, Any], change: Mapping[str, Any]) -> Finding:
    first, last = (str(anchor[end] or "")[:10] for end in ("from", "to"))
    reason = (
        f"total change since the first baseline ({first} to {last}): {change['text']} ({change['size']:+.2g} sd), "
        "which the rolling baseline has followed; `driftd baseline relearn` accepts it"
    )
    return Finding(
        check=BASELINE,
        column=change["column"],
        method=ANCHOR,
        segment=None,
        status=Status.DRIFTED,
        reason=reason,
        statistic=abs(change["size"]),
        threshold=change["threshold"],
        unit="sd",
        about="pipe",
        direction="neutral",
    )
