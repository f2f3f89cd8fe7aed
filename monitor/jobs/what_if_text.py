"""Savings in sentences, for the command line and the page. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe_tier(tier: Mapping[str, Any]) -> str:
    """Say how many requests would go to a model, and what is known of its quality there."""
    quality = tier["quality"]
    said = (
        f"{tier['moved']:,} of {tier['requests']:,} requests would move to {tier['model']}; quality {quality['claim']}"
    )
    if "difference" not in quality:
        return f"{said}: {quality['why']}"
    gap, then = quality["difference"], quality["then"]
    return (
        f"{said}: {then['value']:.1%} ({then['low']:.1%} to {then['high']:.1%}) where it answered comparable requests, "
        f"against {quality['now']:.1%}; difference {100 * gap['value']:+.1f} points "
        f"({100 * gap['low']:+.1f} to {100 * gap['high']:+.1f}); {quality['why']}"
    )


def describe_retraining(told: Mapping[str, Any], currency: str) -> str:
    """Say what the drift has cost, and when a retraining would have paid for itself."""
    if "cost" not in told:
        return f"retraining: {told['verdict']}" + (f", {told['why']}" if "why" in told else "")
    cost, daily = told["cost"], told["daily"]
    pays = (
        "" if told["payback_days"] is None else f", so {told['price']:,.2f} are back in {told['payback_days']:.1f} days"
    )
    return (
        f"retraining: {told['verdict']} within {told['horizon_days']:g} days. The drift has cost {cost['value']:,.2f} "
        f"({cost['low']:,.2f} to {cost['high']:,.2f}) {currency} in {told['days']:.1f} days, now "
        f"{daily['value']:,.2f} a day{pays}."
    )
