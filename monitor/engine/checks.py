"""Checks: what a monitor's configuration asks of each column, detector by detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from detectors import DETECTORS, SEQUENTIAL
from detectors.base import Detector, Finding, Status
from detectors.joint import JOINT
from detectors.layout import Kind, Layout
from monitor.config import BY_DEFAULT, Check, Monitor

DEFAULT_METHODS: dict[Kind, tuple[str, ...]] = {
    "numeric": ("kolmogorov_smirnov", "rank", "spread", "cusum"),
    "categorical": ("jensen_shannon",),
    "vector": ("correlation", "mmd"),
}
METHODS = {**DETECTORS, **SEQUENTIAL}


@dataclass(frozen=True)
class Asked:
    """One detector on one column, as the configuration asks for it."""

    check: str
    detector: Detector
    column: str
    threshold: float | None
    min_samples: int
    segments: bool

    def finding(self, segment: str | None, reason: str = "") -> Finding:
        """Return the finding of something that could not be measured."""
        return Finding(
            self.check, self.column, self.detector.name, segment, Status.INCONCLUSIVE, reason,
            unit=self.detector.unit, about=self.detector.about,
        )  # fmt: skip


def asked(monitor: Monitor, layouts: Mapping[str, Layout]) -> Iterator[Asked]:
    """Yield what is asked of the columns; of two checks that ask the same the later one counts."""
    wanted: dict[tuple[str, str, str], Asked] = {}
    for check in monitor.checks:
        for kind in kinds(check):
            if kind != "drift" and kind not in DETECTORS:
                continue
            for column in layouts if check.columns == "auto" else check.columns:
                for detector in _detectors(check, kind, layouts.get(column)):
                    question = Asked(
                        name(check, kind), detector, column, check.threshold or check.max_increase,
                        check.min_samples or monitor.min_samples,
                        check.segments and column != JOINT and detector.name not in SEQUENTIAL,
                    )  # fmt: skip
                    wanted[question.check, column, detector.name] = question
    yield from wanted.values()


def kinds(check: Check) -> tuple[str, ...]:
    """Return the analyses that a check stands for."""
    return BY_DEFAULT if check.kind == "quality" else (check.kind,)


def name(check: Check, kind: str) -> str:
    """Return the name under which the findings of a check stand."""
    return check.name or kind


def _detectors(check: Check, kind: str, layout: Layout | None) -> list[Detector]:
    if kind != "drift":
        detector = DETECTORS[kind]
        return [detector] if layout is None or layout.kind in detector.kinds else []
    kind_of = layout.kind if layout else "numeric"
    if check.method == "auto":
        return [METHODS[method] for method in DEFAULT_METHODS[kind_of]]
    methods = [METHODS[method] for method in check.method]
    return [method for method in methods if (kind_of == "vector") == (method.kinds == {"vector"})]
