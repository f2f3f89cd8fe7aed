"""What happens after the swap, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

PAUSE = 0.25


@dataclass(frozen=True)
class Step:
    """Something to wait for.

    Parameters
    ----------
    look
        Returns a detail to print once it has happened, None before that. It may also do something, such as a press.
    after
        Name of the step before which there is no look.
    """

    name: str
    look: Callable[[], str | None]
    after: str = ""


@dataclass
class Timeline:
    """The steps that were seen, by seconds since the first bad record."""

    start: datetime
    limit: float
    seconds: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    conditions: int = 0

    def note(self, name: str, detail: str, at: datetime | None = None) -> None:
        """Print a step."""
        self.seconds[name] = ((at or datetime.now(UTC)) - self.start).total_seconds()
        print(f"{self.seconds[name]:8.1f} s  {name:24} {detail}", flush=True)

    def expect(self, good: bool, problem: str) -> None:
        """Count a condition; keep a problem unless it holds."""
        self.conditions += 1
        if not good:
            self.problems.append(problem)

    def watch(self, steps: Sequence[Step]) -> None:
        """Look for each step until all have happened or the time is over; those that did not are problems."""
        waiting = list(steps)
        self.conditions += len(waiting)
        while waiting and (datetime.now(UTC) - self.start).total_seconds() < self.limit:
            for step in list(waiting):
                if step.after and step.after not in self.seconds:
                    continue
                if detail := step.look():
                    self.note(step.name, detail)
                    waiting.remove(step)
            time.sleep(PAUSE)
        self.problems += [f"did not happen within {self.limit:g} s: {step.name}" for step in waiting]
