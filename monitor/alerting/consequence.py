"""Consequence: how much a finding harms users. The finding that harms them most leads a message. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from detectors import LATENCY, PERFORMANCE
from detectors.base import About, Direction, Finding, Status
from detectors.direction import TIMES_AND_COSTS
from monitor.core.payload import IncidentFinding

ANSWERS = frozenset(
    [
        *("hallucinated", "groundedness", "weakest_claim", "entailment", "refusal", "truncation", "user_feedback"),
        *("valid_json", "valid_sql", "json_schema", "pii", "secrets", "profanity", "injection"),
    ]
)
ERRORS = frozenset(["failed", "rate_limited", "timed_out"])
COSTS = frozenset(["cost", "price"])
TIMES = frozenset([*TIMES_AND_COSTS, "slow"]) - COSTS
HARMFUL = ANSWERS | ERRORS | TIMES | COSTS
"""Signals and logged columns that measure quality of service."""
LEVELS = ("neutral", "inputs", "cost", "latency", "errors", "performance", "answers")
"""What a deterioration concerns, the least harmful first."""


def classify_consequence(finding: Finding) -> str:
    """Return what a finding harms, one of :data:`LEVELS`.

    Examples
    --------
    >>> from detectors.base import Status
    >>> [classify_consequence(Finding("rate", column, "share", None, Status.DRIFTED, "")) for column in
    ...  ("hallucinated", "failed", "latency", "cost", "amount")]
    ['answers', 'errors', 'latency', 'cost', 'inputs']
    """
    if finding.direction != "worse":
        return "neutral"
    if finding.about == "pipe":
        return "inputs"
    if finding.column in ANSWERS:
        return "answers"
    if finding.method in PERFORMANCE or finding.check == "evaluation":
        return "performance"
    if finding.column in ERRORS or finding.check == "slo":
        return "errors"
    if finding.method in LATENCY or finding.column in TIMES:
        return "latency"
    return "cost" if finding.check == "spend" or finding.column in COSTS else "inputs"


def rank_harm(finding: Finding) -> int:
    """Return the place of the consequence of a finding in :data:`LEVELS`; 0 for neutral changes and improvements."""
    return LEVELS.index(classify_consequence(finding))


def restore_finding(item: IncidentFinding) -> Finding:
    """Return a finding in the evidence of an incident as it was at its worst."""
    return Finding(
        check=item["check"],
        column=item["column"],
        method=item["method"],
        segment=item["segment"],
        status=Status.DRIFTED,
        reason=item["reason"],
        statistic=item["worst"],
        threshold=item["threshold"],
        about=cast("About", item["about"]),
        direction=cast("Direction", item.get("direction", "worse")),
    )


def most_harmful(bad: Sequence[Finding]) -> Finding:
    """Return the finding of the highest rank of harm; among these, the one with the largest ratio to its threshold."""
    return max(bad, key=lambda finding: (rank_harm(finding), min(finding.excess, 1e9)))
