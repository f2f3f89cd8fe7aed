"""Which findings are one incident: by default all of a monitor that rise together. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from detectors.base import Finding, Status
from monitor.config.models import Monitor, Rule
from monitor.config.rules import OWN_INCIDENT, matches, rule_name
from monitor.core.incident import TRAFFIC

LABELS: Mapping[str, Callable[[Rule, Finding], str]] = {
    "rule": lambda rule, _: rule_name(rule),
    "check": lambda _, finding: finding.check,
    "column": lambda _, finding: finding.column or "",
    "segment": lambda _, finding: finding.segment or "",
}
"""What `group_by` may name."""


@dataclass(frozen=True)
class Group:
    """Findings that belong together, and the rules that watch them, in the order of the configuration."""

    name: str
    rules: Sequence[Rule]
    findings: Sequence[Finding]


def find_group(monitor: Monitor, rule: Rule, finding: Finding) -> str:
    """Return the name of the group of a finding.

    Evaluations, experiments and what concerns the baseline are incidents of their own rule: they are evaluated at other
    times, or stand for weeks.
    """
    if finding.check in OWN_INCIDENT:
        return rule_name(rule)
    return ",".join(f"{label}={LABELS[label](rule, finding)}" for label in monitor.group_by) or TRAFFIC


def group_findings(monitor: Monitor, findings: Sequence[Finding]) -> list[Group]:
    """Return the groups of findings that a rule watches, each with all of its rules."""
    names: dict[str, list[str]] = {}
    members: dict[str, dict[int, Finding]] = {}
    for rule in monitor.rules:
        for finding in findings:
            if not matches(rule, finding):
                continue
            group = find_group(monitor, rule, finding)
            if rule_name(rule) not in names.setdefault(group, []):
                names[group].append(rule_name(rule))
            members.setdefault(group, {})[id(finding)] = finding
    rules = {rule_name(rule): rule for rule in monitor.rules}
    return [Group(group, [rules[name] for name in names[group]], list(members[group].values())) for group in members]


@dataclass(frozen=True)
class GroupFindings:
    """The findings of a group by what they mean for each of its rules.

    Parameters
    ----------
    bad
        By rule, what counts as bad.
    measured
        Rules of which a finding was measured.
    """

    bad: Mapping[str, Sequence[Finding]]
    measured: frozenset[str]

    @classmethod
    def classify(
        cls, rules: Sequence[Rule], findings: Sequence[Finding], is_bad: Callable[[Rule, Finding], bool]
    ) -> GroupFindings:
        """Sort findings by the rules that watch them."""
        watched = {rule_name(rule): [f for f in findings if matches(rule, f)] for rule in rules}
        bad = {rule_name(rule): [f for f in watched[rule_name(rule)] if is_bad(rule, f)] for rule in rules}
        measured = {
            name for name, some in watched.items() if any(f.status in (Status.OK, Status.DRIFTED) for f in some)
        }
        return cls(bad, frozenset(measured))

    @property
    def all_bad(self) -> list[Finding]:
        """Return each bad finding once."""
        return list({id(finding): finding for findings in self.bad.values() for finding in findings}.values())
