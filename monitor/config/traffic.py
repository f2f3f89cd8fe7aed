"""Roles of traffic: section `traffic:` of driftd.yaml, and the rules by which the role of a record is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from pydantic import Field

from monitor.config.arms import ArmValue, Experiment, Name, Shadow
from monitor.config.presets import PRESETS
from monitor.config.sections import Section
from monitor.config.source import Source

UnservedRole = Literal["shadow", "experiment", "evaluation", "probe"]
"""Roles of records whose answers are not shown to users: challengers of shadows, unserved arms, evaluations, probes."""
TrafficRole = Literal["served", UnservedRole]
"""Role of a record. An arm of an experiment that users get is served traffic."""
TRAFFIC_ROLES: tuple[TrafficRole, ...] = ("served", *get_args(UnservedRole))
COLUMN = "traffic"
"""Role of the column with the roles of records; other values of it are served traffic."""


class TrafficMark(Section):
    """How to recognise records that are not user traffic."""

    column: Name
    """Column of the source."""
    values: list[ArmValue] = Field(min_length=1)
    """Values of the column that mark such records."""


@dataclass(frozen=True)
class RoleRule:
    """Records with certain values of a column, in a time range, have a role."""

    role: UnservedRole
    column: str
    values: tuple[str, ...]
    start: datetime | None = None
    end: datetime | None = None


def arm_rule(spec: Experiment | Shadow) -> RoleRule:
    """Return the rule for the unserved arms of a comparison."""
    role: UnservedRole = "shadow" if isinstance(spec, Shadow) else "experiment"
    return RoleRule(role, spec.arm, tuple(spec.unserved_arms), spec.start, spec.end)


def mark_rules(source: Source, marks: Mapping[UnservedRole, TrafficMark]) -> list[RoleRule]:
    """Return the rules of the column `traffic`, whose values are roles, and of `traffic:`."""
    has_column = COLUMN in source.columns or (source.preset is not None and PRESETS[source.preset].has_roles)
    by_column = [RoleRule(role, COLUMN, (role,)) for role in get_args(UnservedRole)] if has_column else []
    return [*by_column, *(RoleRule(role, mark.column, tuple(mark.values)) for role, mark in marks.items())]


def role_rules(
    source: Source, comparisons: Sequence[Experiment | Shadow], marks: Mapping[UnservedRole, TrafficMark]
) -> list[RoleRule]:
    """Return all rules; a later one takes precedence, so a probe of a challenger is a probe."""
    return [*(arm_rule(spec) for spec in comparisons if spec.unserved_arms), *mark_rules(source, marks)]
