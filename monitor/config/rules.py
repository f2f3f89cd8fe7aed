"""What a rule is called and which findings it watches."""

from __future__ import annotations

from detectors.base import Finding
from monitor.config.models import Rule

COMPARED = ("experiment", "shadow")
"""Checks of arms that are compared with one another, not with a baseline."""
STANDING_CHECKS = (*COMPARED, "baseline")
"""Checks whose findings stand for long: `*` does not watch them, for they would hide what comes meanwhile."""

OWN_INCIDENT = (*STANDING_CHECKS, "evaluation")
"""Checks whose findings are an incident of their own rule: they are evaluated at other times, or stand for long."""
SEVERITIES = ("critical", "warning", "info")
"""The most severe first."""


def is_more_severe(severity: str, other: str | None) -> bool:
    """Say whether a severity is higher than another, if there is another."""
    return other in SEVERITIES and SEVERITIES.index(severity) < SEVERITIES.index(other)


def rule_name(rule: Rule) -> str:
    """Return the name of a rule, by default what it watches."""
    return rule.name or "+".join(rule.when)


def matches(rule: Rule, finding: Finding) -> bool:
    """Say whether a rule watches a finding: ``check``, ``check.column``, ``quality``, or ``*``.

    What experiments say must be asked for by name: a loss stands for as long as the experiment runs. What is said of
    the baseline stands until there is another one, and has a rule of its own.
    """
    names = {finding.check, f"{finding.check}.{finding.column}"}
    if finding.check in STANDING_CHECKS:
        return not names.isdisjoint(rule.when)
    names.add("*")
    if finding.about == "pipe" or finding.check in ("range", "unseen"):
        names.add("quality")
    return not names.isdisjoint(rule.when)
