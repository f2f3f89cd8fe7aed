"""Format savings as sentences, for the command line and the web pages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe_tier(tier: Mapping[str, Any]) -> str:
    """Return how many requests would move to a model, and the estimate of its quality on them."""
    quality = tier["quality"]
    condition = (
        f"{tier['moved']:,} of {tier['requests']:,} requests would move to {tier['model']}; quality {quality['claim']}"
    )
    if "difference" not in quality:
        return f"{condition}: {quality['why']}"
    gap, then = quality["difference"], quality["then"]
    return (
        f"{condition}: {then['value']:.1%} ({then['low']:.1%} to {then['high']:.1%}) on comparable "
        f"requests, compared with {quality['now']:.1%}; difference {100 * gap['value']:+.1f} points "
        f"({100 * gap['low']:+.1f} to {100 * gap['high']:+.1f}); {quality['why']}"
    )


def describe_retraining(report: Mapping[str, Any], currency: str) -> str:
    """Return the cost of the drift, and the payback time of a retraining."""
    if "cost" not in report:
        return f"retraining: {report['verdict']}" + (f", {report['why']}" if "why" in report else "")
    cost, daily = report["cost"], report["daily"]
    pays = (
        ""
        if report["payback_days"] is None
        else f", so {report['price']:,.2f} are back in {report['payback_days']:.1f} days"
    )
    return (
        f"retraining: {report['verdict']} within {report['horizon_days']:g} days. "
        f"The drift has cost {cost['value']:,.2f} ({cost['low']:,.2f} to {cost['high']:,.2f}) "
        f"{currency} in {report['days']:.1f} days, now {daily['value']:,.2f} a day{pays}."
    )
