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
    """Return how many goals are met, and each that is not."""
    missed = [goal for goal in goals if not goal.met]
    lines = [f"{len(goals) - len(missed)} of {len(goals)} goals are met."]
    return "\n".join([*lines, *(f"NOT MET  {goal.name} (measured: {goal.measured})" for goal in missed)])
