"""The newest estimate of a monitor's savings, for its web page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from monitor.jobs.what_if_text import describe_retraining, describe_tier
from monitor.web import formatting
from monitor.web.traffic import cell, money, percent


@dataclass(frozen=True)
class Panel:
    """Table of plans, sentences on their quality, and whether retraining pays."""

    first: str
    last: str
    currency: str
    rows: Sequence[tuple[str, Sequence[Markup]]]
    sentences: Sequence[tuple[str, str]]
    retraining: str | None


def make_panel(row: Any) -> Panel | None:
    """Return the panel, or None if nothing has been counted yet."""
    if row is None:
        return None
    summary = row.told
    rows = [
        (
            one["plan"],
            [
                cell(one["requests"], formatting.number),
                cell(one["unpriced"], formatting.number),
                cell(one["now"], money),
                cell(one["then"], money),
                cell(one["saved"], money),
                cell(one["share"], percent),
            ],
        )
        for one in summary["plans"]
    ]
    sentences = [(one["plan"], describe_tier(tier)) for one in summary["plans"] for tier in one["tiers"]]
    retraining = describe_retraining(summary["retraining"], summary["currency"]) if summary["retraining"] else None
    return Panel(summary["from"][:10], summary["to"][:10], summary["currency"], rows, sentences, retraining)
