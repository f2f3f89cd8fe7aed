"""A figure that the benchmark wants, and whether it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """What is wanted, what was measured, and whether that is enough."""

    name: str
    measured: str
    met: bool


def summary(goals: Sequence[Goal]) -> str:
    """Return every goal with what was measured, those that are not met last, and how many are met."""
    ordered = sorted(goals, key=lambda goal: not goal.met)
    lines = [f"{'met    ' if goal.met else 'NOT MET'}  {goal.name} (measured: {goal.measured})" for goal in ordered]
    return "\n".join([*lines, f"{sum(goal.met for goal in goals)} of {len(goals)} goals are met."])
