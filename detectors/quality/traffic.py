"""Checks of the records as a whole: schema, volume and freshness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from scipy import special

from detectors.base import NULL_TAIL, Finding, Status
from detectors.direction import Preference, infer_direction, is_improvement
from detectors.null_distribution import CalibratedNull

VOLUME_FLOOR = 1.0


@dataclass(frozen=True)
class Traffic:
    """Records of a baseline or a window as a whole.

    Parameters
    ----------
    bucket_rows
        Rows of each bucket, in time order.
    bucket_seconds
        Length of a bucket.
    schema
        Column name to type name, of the columns that are read.
    seconds_since_newest
        Age of the newest row at the end; None if there is none.
    """

    bucket_rows: tuple[int, ...] = ()
    bucket_seconds: float = 300.0
    schema: Mapping[str, str] = field(default_factory=dict)
    seconds_since_newest: float | None = None

    @property
    def rows(self) -> int:
        """Rows of all buckets."""
        return sum(self.bucket_rows)


def schema(baseline: Traffic, window: Traffic, **_: object) -> list[Finding]:
    """Report each column that is missing or has changed its type; new columns are named but are not drift.

    Examples
    --------
    >>> old, new = Traffic(schema={"age": "numeric", "plan": "text"}), Traffic(schema={"age": "text"})
    >>> [(finding.column, finding.status.value) for finding in schema(old, new)]
    [('age', 'drifted'), ('plan', 'drifted')]
    """
    stated = _state("schema", baseline, window)
    if not baseline.schema or not window.schema:
        return [replace(stated, reason="no_schema: no column was read")]
    stated = replace(stated, threshold=1.0)
    findings = []
    for column, kind in sorted(baseline.schema.items()):
        now = window.schema.get(column)
        if now is None:
            reason = f"column {column!r} is missing"
        elif now != kind and "unknown" not in (now, kind):
            reason = f"column {column!r} changed its type from {kind} to {now}"
        else:
            continue
        findings.append(replace(stated, status=Status.DRIFTED, reason=reason, statistic=1.0, column=column))
    new = sorted(set(window.schema) - set(baseline.schema))
    sentence = "no column is missing or has changed its type" + (f"; new: {', '.join(new[:5])}" if new else "")
    return findings or [replace(stated, status=Status.OK, reason=sentence, statistic=0.0)]


def volume(
    baseline: Traffic,
    window: Traffic,
    *,
    threshold: float | None = None,
    calibrated: CalibratedNull | None = None,
    better: Preference | None = "higher",
) -> list[Finding]:
    """Compare the number of rows with the minimum and maximum of all baseline windows of the same length.

    The statistic is the number of doublings outside that range, 0 inside. One doubling alerts, or more if the
    calibration requires it. By default more rows are an improvement.

    Examples
    --------
    >>> old = Traffic(bucket_rows=(100, 120, 90, 110))
    >>> findings = [volume(old, Traffic(bucket_rows=(rows,)))[0] for rows in (95, 20, 400)]
    >>> [(finding.status.value, finding.direction) for finding in findings]
    [('ok', 'worse'), ('drifted', 'worse'), ('drifted', 'better')]
    """
    stated = _state("volume", baseline, window)
    bound, length = (VOLUME_FLOOR if threshold is None else threshold), len(window.bucket_rows)
    if length == 0 or len(baseline.bucket_rows) < 2 * length:
        reason = "too_few: the baseline has fewer than two windows with times"
        return [replace(stated, reason=reason, threshold=bound)]
    if window.rows == 0:
        return [replace(stated, reason="no_rows: the window is empty")]
    low, high = _span(baseline.bucket_rows, length)
    doublings, noise = outside_span(np.array([window.rows]), low, high)
    statistic = float(doublings[0])
    if threshold is None and calibrated is not None:
        bound = max(VOLUME_FLOOR, calibrated.threshold(float(noise[0])))
    status = Status.DRIFTED if statistic >= bound else Status.OK
    reason = f"{window.rows:,} rows in the window, baseline {low:,.0f} to {high:,.0f}"
    direction = infer_direction(better, bool(is_improvement(better, np.float64(window.rows - high))))
    return [replace(stated, status=status, reason=reason, statistic=statistic, threshold=bound, direction=direction)]


@lru_cache(maxsize=64)
def _span(bucket_rows: tuple[int, ...], length: int) -> tuple[float, float]:
    """Return the minimum and maximum of the rows of all windows; cached, as a backtest asks for every bucket."""
    sums = np.convolve(np.array(bucket_rows), np.ones(length), "valid")
    return float(sums.min()), float(sums.max())


def outside_span(rows: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Return by how many doublings counts lie outside a range, and the upper 1/1,000 quantile of Poisson noise.

    Examples
    --------
    >>> outside_span(np.array([99, 24]), 99.0, 120.0)[0].tolist()
    [0.0, 2.0]
    """
    nearest = np.clip(rows, low, high) + 1
    noise = -special.ndtri(NULL_TAIL / 2) / np.log(2) / np.sqrt(nearest)
    return np.abs(np.log2(rows + 1) - np.log2(nearest)), noise


def freshness(baseline: Traffic, window: Traffic, *, threshold: float | None = None, **_: object) -> list[Finding]:
    """Compare the age of the newest row with twice the longest gap of the baseline plus two buckets.

    Parameters
    ----------
    threshold
        Seconds; replaces the learnt limit.

    Examples
    --------
    >>> old = Traffic(bucket_rows=(5, 0, 0, 7, 6, 8))
    >>> freshness(old, Traffic(bucket_rows=(0,), seconds_since_newest=3600.0))[0].reason
    'newest record 60 min old, limit 30 min'
    """
    stated = _state("freshness", baseline, window)
    silence = _longest_silence(baseline.bucket_rows)
    bound = threshold if threshold is not None else window.bucket_seconds * (2 + 2 * silence)
    age = window.seconds_since_newest
    if age is None:
        reason = "no_rows: the source has no rows"
        return [replace(stated, reason=reason, threshold=bound)]
    status = Status.DRIFTED if age >= bound else Status.OK
    reason = f"newest record {age / 60:.3g} min old, limit {bound / 60:.3g} min"
    return [replace(stated, status=status, reason=reason, statistic=age, threshold=bound, unit="s")]


@dataclass(frozen=True)
class Gaps:
    """Normal gaps of a baseline, in buckets, that are too sparse to measure; live gaps of this length are not reported.

    Parameters
    ----------
    silent
        Longest stretch with rows in at most one bucket. Allowing for one bucket makes a longer stretch without rows
        unlikely by chance.
    thin
        Longest run of buckets that are empty, or whose window has too few rows to be measured, plus two windows for the
        same reason. Infinite if it is half of the baseline or more: nothing is measurable.
    """

    silent: float = 0.0
    thin: float = 0.0

    @classmethod
    def of(cls, bucket_rows: Sequence[int], length: int, fewest: int) -> Gaps:
        """Find the gaps of a baseline.

        Parameters
        ----------
        bucket_rows
            Rows of each bucket, in time order.
        length
            Buckets of a window.
        fewest
            Fewest rows of a window that is measured.

        Examples
        --------
        >>> Gaps.of([9, 8, 0, 0, 1, 0, 9, 7, 8, 9, 9, 9], length=2, fewest=9)
        Gaps(silent=4.0, thin=8.0)
        >>> Gaps.of([2, 0, 1, 3, 0, 1], length=2, fewest=100).thin, Gaps.of([], 2, 9)
        (inf, Gaps(silent=0.0, thin=0.0))
        """
        rows = np.asarray(bucket_rows, dtype=np.int64)
        if not len(rows):
            return cls()
        ends = np.concatenate([[-1], np.flatnonzero(rows), [len(rows)]])
        silent = float(np.max(ends[2:] - ends[:-2]) - 1) if rows.any() else float(len(rows))
        sums = np.convolve(rows, np.ones(length), "full")[: len(rows)]
        thin = _longest_run((rows == 0) | (sums < fewest))
        if 2 * thin >= len(rows):
            return cls(silent, math.inf)
        return cls(silent, float(thin + 2 * length) if thin else 0.0)


def _longest_run(marked: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return int(np.max(edges[1::2] - edges[::2], initial=0))


def _longest_silence(rows: tuple[int, ...]) -> int:
    longest = run = 0
    for count in rows:
        run = 0 if count else run + 1
        longest = max(longest, run)
    return longest


def _state(check: str, baseline: Traffic, window: Traffic) -> Finding:
    """Return an inconclusive finding."""
    return Finding(
        check, None, check, None, Status.INCONCLUSIVE, "", n_baseline=baseline.rows, n_window=window.rows, about="pipe"
    )
