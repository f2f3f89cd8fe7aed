"""Format numbers for people: shares in percent, seconds, factors, and the units of statistics."""

from __future__ import annotations

import math

UNITS = {
    "baseline sd": " baseline standard deviations",
    "standard deviations": " standard deviations",
    "baseline 5-95 % range": " of the baseline's 5–95 % range",
    "percentage points": " percentage points",
    "s": " s",
}
"""Text after the number of a statistic, by the unit of its detector."""


def format_number(value: float) -> str:
    """Format a number with four significant digits, or as a whole number of thousands.

    Examples
    --------
    >>> [format_number(value) for value in (31.0829, 0.00012345, 12345.6)]
    ['31.08', '0.0001234', '12,346']
    """
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"


def format_share(share: float) -> str:
    """Format a share in percent, with one decimal, or with two digits below 0.1 %.

    Examples
    --------
    >>> [format_share(share) for share in (0.54, 0.0, 0.00012)]
    ['54.0 %', '0 %', '0.012 %']
    """
    percent = 100 * share
    return "0 %" if percent == 0 else f"{percent:.1f} %" if abs(percent) >= 0.1 else f"{percent:.2g} %"


def format_statistic(value: float, unit: str) -> str:
    """Format a statistic with its unit.

    Examples
    --------
    >>> [format_statistic(value, unit) for value, unit in ((0.293, "points"), (0.7, "log ratio"), (0.5, "baseline sd"))]
    ['29.3 percentage points', 'a factor of 2.01', '0.5 baseline standard deviations']
    """
    if unit == "log ratio":
        return f"a factor of {math.exp(min(value, 700.0)):.3g}"
    if unit == "points":
        return f"{100 * value:.3g} percentage points"
    return format_share(value) if unit.startswith("share of") else f"{value:.3g}{UNITS.get(unit, '')}"


def compare_statistic(title: str, value: float, threshold: float, unit: str) -> str:
    """Format a statistic with its threshold.

    Examples
    --------
    >>> compare_statistic("rise of the p95", 0.7, 0.4, "log ratio")
    'rise of the p95 by a factor of 2.01, threshold 1.49'
    >>> compare_statistic("shift of the mean", 0.52, 0.1, "baseline sd")
    'shift of the mean 0.52 baseline standard deviations, threshold 0.1'
    """
    by = " by" if unit == "log ratio" else ""
    limit = format_statistic(threshold, unit)
    if not unit.startswith("share of"):
        limit = f"{_bare(threshold, unit):.3g}"
    return f"{title}{by} {format_statistic(value, unit)}, threshold {limit}"


def _bare(value: float, unit: str) -> float:
    return math.exp(min(value, 700.0)) if unit == "log ratio" else 100 * value if unit == "points" else value
