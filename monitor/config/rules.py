"""Names of rules, and which findings a rule matches."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.base import Finding
from monitor.config.models import Rule

COMPARED = ("experiment", "shadow")
"""Checks that compare arms with each other, not with a baseline."""
STANDING_CHECKS = (*COMPARED, "baseline")
"""Checks whose findings persist for long. `*` does not match them, since they would keep its incident open."""

OWN_INCIDENT = (*STANDING_CHECKS, "evaluation")
"""Checks whose findings are an incident of their own rule: they are evaluated at other times, or stand for long."""
SEVERITIES = ("critical", "warning", "info")
"""The most severe first."""


def is_more_severe(severity: str, other: str | None) -> bool:
    """Say whether a severity is higher than another, if there is another."""
    return other in SEVERITIES and SEVERITIES.index(severity) < SEVERITIES.index(other)


UNMEASURED = "unmeasured."
"""Prefix of the name of a rule in the incident about what it could not measure."""


def find_rule(rules: Iterable[Rule], name: str) -> Rule | None:
    """Return the rule of an incident by its name, also where it could not be measured."""
    plain = name.removeprefix(UNMEASURED)
    return next((rule for rule in rules if rule_name(rule) == plain), None)


def rule_name(rule: Rule) -> str:
    """Return the name of a rule, by default derived from `when:`."""
    return rule.name or "+".join(rule.when)


def matches(rule: Rule, finding: Finding) -> bool:
    """Return whether a rule matches a finding by ``check``, ``check.column``, ``quality``, or ``*``.

    Findings of experiments, shadows and the baseline match by name only: a lost experiment is reported for as long as
    it runs, and a problem of the baseline until the baseline is replaced.
    """
    return covers(rule, finding.check, finding.column, finding.about)


def covers(rule: Rule, check: str, column: str | None, about: str) -> bool:
    """Return whether a rule matches the findings of a check about a column."""
    names = {check, f"{check}.{column}"}
    if check in STANDING_CHECKS:
        return not names.isdisjoint(rule.when)
    names.add("*")
    if about == "pipe" or check in ("range", "unseen"):
        names.add("quality")
    return not names.isdisjoint(rule.when)
