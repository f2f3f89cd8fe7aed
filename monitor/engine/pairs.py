"""Shadows: a challenger beside its champion on the same requests, page by page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.experiment import shadow as pairs
from detectors.experiment.tally import Tally
from detectors.layout import words_of
from detectors.records import Records
from monitor.arms import Shadow
from monitor.engine.arms import values_of

MOST_WAITING = 500_000
"""Records that wait for the other side of their request."""
SAME = {"exact": pairs.exact, "numeric": pairs.numeric, "json": pairs.same_json}


@dataclass
class Shadowed:
    """The pairs of a shadow, page by page; the two records of a request may come pages apart."""

    spec: Shadow
    agreement: Tally = field(default_factory=Tally.empty)
    differences: dict[str, Tally] = field(default_factory=dict)
    sides: dict[str, dict[str, Tally]] = field(default_factory=dict)
    disagree: list[tuple[object, float]] = field(default_factory=list)
    given_up: int = 0
    _waiting: dict[str, tuple[str, object, dict[str, float]]] = field(default_factory=dict)

    @property
    def unmatched(self) -> int:
        """Return how many records have no counterpart so far."""
        return len(self._waiting) + self.given_up

    def add(self, records: Records) -> None:
        """Match one page with what waits."""
        spec = self.spec
        whose, keys = words_of(records[spec.arm]), words_of(records[spec.join])
        answers = records[spec.answer]
        values = {name: np.divide(*values_of(records, name, metric)) for name, metric in spec.metrics.items()}
        found: list[tuple[str, tuple[str, object, dict[str, float]], tuple[str, object, dict[str, float]]]] = []
        for row in np.flatnonzero(np.isin(whose, [spec.champion, spec.challenger]) & (keys != "")):
            said = None if answers.missing[row] else answers.values[row]
            one = (str(whose[row]), said, {name: float(column[row]) for name, column in values.items()})
            other = self._waiting.get(str(keys[row]))
            if other is not None and other[0] != one[0]:
                del self._waiting[str(keys[row])]
                found.append((str(keys[row]), *((other, one) if other[0] == spec.champion else (one, other))))
            else:
                self._wait(str(keys[row]), one)
        self._count(found)

    def _wait(self, key: str, one: tuple[str, object, dict[str, float]]) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
            self.given_up += 1
        self._waiting[key] = one

    def _count(self, found: Sequence[tuple[str, Any, Any]]) -> None:
        same = SAME[self.spec.same]
        agree = np.array([same(champion[1], challenger[1]) for _, champion, challenger in found], dtype=np.float64)
        self.agreement += Tally.of(agree)
        gaps = np.zeros(len(found))
        for name, metric in self.spec.metrics.items():
            sides = [
                np.array([side[2][name] for side in column])
                for column in ([f[1] for f in found], [f[2] for f in found])
            ]
            both = np.isfinite(sides[0]) & np.isfinite(sides[1])
            held = self.sides.setdefault(name, {"champion": Tally.empty(), "challenger": Tally.empty()})
            for place, side in enumerate(held):
                held[side] += Tally.of(sides[place][both])
            paired = pairs.paired(*sides)
            self.differences[name] = self.differences.get(name, Tally.empty()) + paired
            scale = max(abs(held["champion"].value), 1e-12)
            worse = (sides[1] - sides[0]) * (1 if metric.better == "lower" else -1) / scale
            gaps = np.fmax(gaps, np.nan_to_num(worse))
        keys = [key for key, _, _ in found]
        graver = pairs.worst(keys, np.where(agree == 1, 0.0, np.maximum(gaps, 1e-9)))
        self.disagree = sorted([*self.disagree, *graver], key=lambda one: -one[1])[:20]

    def told(self) -> dict[str, Any]:
        """Return what the pairs say so far: intervals hold at every look, all of them together."""
        alpha = self.spec.alpha / (1 + len(self.spec.metrics))
        return {
            "pairs": self.agreement.n,
            "unmatched": self.unmatched,
            "agreement": pairs.sequence(self.agreement, alpha)._asdict(),
            "metrics": {
                name: {
                    "champion": self.sides[name]["champion"].value,
                    "challenger": self.sides[name]["challenger"].value,
                    "difference": pairs.sequence(tally, alpha)._asdict(),
                }
                for name, tally in self.differences.items()
            },
            "disagreements": [{"request": key, "severity": severity} for key, severity in self.disagree],
        }
