"""Checks: what a monitor's configuration asks of each column, detector by detector."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from detectors import DETECTORS, LATENCY, PERFORMANCE, RATES, SEQUENTIAL
from detectors.base import Detector, Finding, Measurement, Status
from detectors.direction import ROLES, Preference
from detectors.drift.cusum import DETECTOR as CUSUM
from detectors.drift.rate_cusum import DETECTOR as RATE_CUSUM
from detectors.family import classify
from detectors.joint import JOINT
from detectors.layout import SUMMED, Kind, Layout
from detectors.outcome import OUTCOME
from detectors.performance.rates import LEVEL, RISE
from detectors.profile import Profile
from detectors.quality.percentile import TIMES
from monitor.config.checks import BY_DEFAULT, Check
from monitor.config.models import Monitor
from monitor.config.signals import resolve
from monitor.config.stattests import EXPLAINED_BY, P_VALUES, PREFIX, STATTESTS

DEFAULT_METHODS: dict[Kind, tuple[str, ...]] = {
    "numeric": ("kolmogorov_smirnov", "rank", "spread", "cusum", "rate_cusum"),
    "categorical": ("jensen_shannon", "rate_cusum"),
    "vector": ("correlation", "mmd"),
}


def _elsewhere(_baseline: Profile, _window: Profile) -> Measurement:
    raise ValueError("a stattest of Evidently is measured in a process of its own.")


EVIDENTLY: dict[str, Detector] = {
    f"{PREFIX}{name}": Detector(
        name=f"{PREFIX}{name}",
        check="drift",
        measure=_elsewhere,
        kinds=frozenset(kinds),
        threshold=math.inf,  # it says its own with every answer
        unit="-log10 p" if name in P_VALUES else "1",
        title=f"-log10 p of Evidently's {name}" if name in P_VALUES else f"Evidently's {name}",
        citation="Evidently 0.7",
        explained_by=(*([EXPLAINED_BY[name]] if name in EXPLAINED_BY else []), "kolmogorov_smirnov", "jensen_shannon"),
    )
    for name, kinds in STATTESTS.items()
}
"""Stattests of Evidently: measured in its own process, never calibrated, left out of replays."""
RISING = ("p50_rise", "p95_rise", "p99_rise")
"""What is watched of times when no target is given."""
METHODS = DETECTORS | SEQUENTIAL | PERFORMANCE | LATENCY | RATES
"""Detectors that are measured in this process, by name; each is imported when it is used."""


@dataclass(frozen=True)
class Asked:
    """One detector on one column, as the configuration asks for it.

    ``late`` when it waits for labels; ``better`` is which way the column improves.
    """

    check: str
    detector: Detector
    column: str
    threshold: float | None
    min_samples: int
    segments: bool
    late: bool = False
    better: Preference | None = None

    def finding(self, segment: str | None, reason: str = "") -> Finding:
        """Return the finding of something that could not be measured."""
        return Finding(
            self.check, self.column, self.detector.name, segment, Status.INCONCLUSIVE, reason,
            unit=self.detector.unit, about=self.detector.about,
        )  # fmt: skip


def expand_checks(
    monitor: Monitor, layouts: Mapping[str, Layout], profiles: Mapping[str, Profile] | None = None
) -> Iterator[Asked]:
    """Yield what is asked of the columns and can be measured here, which excepts what is asked of Evidently.

    Parameters
    ----------
    profiles
        The baseline's of all rows, by column: their families choose the methods where `method` is auto. Without them
        a column is taken as smooth, or as one of a closed vocabulary.
    """
    yield from (
        question
        for question in _expand_all(monitor, layouts, profiles or {})
        if question.detector.name not in EVIDENTLY
    )


def expand_stattests(monitor: Monitor, layouts: Mapping[str, Layout]) -> Iterator[Asked]:
    """Yield the stattests of Evidently that are asked of the columns."""
    yield from (question for question in _expand_all(monitor, layouts, {}) if question.detector.name in EVIDENTLY)


def _expand_all(monitor: Monitor, layouts: Mapping[str, Layout], profiles: Mapping[str, Profile]) -> Iterator[Asked]:
    """Yield all that is asked of the columns; of two checks that ask the same the later one counts."""
    wanted: dict[tuple[str, str, str], Asked] = {}
    better = preferences(monitor)
    for check in monitor.checks:
        for kind in kinds(check):
            if kind not in ("drift", "performance", "latency", "rate") and kind not in DETECTORS:
                continue
            for column in _columns(check, kind, layouts):
                for detector in _detectors(check, kind, layouts.get(column), profiles.get(column)):
                    question = Asked(
                        name(check, kind), detector, column, _threshold(check, detector),
                        check.min_samples or monitor.min_samples,
                        check.segments and column != JOINT and detector is not CUSUM,
                        kind == "performance" and detector.counts == "usable" and bool(check.labels_after),
                        better.get(column),
                    )  # fmt: skip
                    wanted[question.check, column, detector.name] = question
    yield from wanted.values()


def preferences(monitor: Monitor) -> dict[str, Preference | None]:
    """Return which way each column improves, where that is known: by its signal, or by its role."""
    of_signals = {signal.name: signal.better for signal in resolve(monitor.signals)}
    return {**ROLES, **of_signals, JOINT: "neutral"}


def kinds(check: Check) -> tuple[str, ...]:
    """Return the analyses that a check stands for."""
    return BY_DEFAULT if check.kind == "quality" else (check.kind,)


def name(check: Check, kind: str) -> str:
    """Return the name under which the findings of a check stand."""
    return check.name or kind


def _threshold(check: Check, detector: Detector) -> float | None:
    """Return the operator's own threshold, if there is one."""
    if detector is LEVEL:
        return check.max
    return check.targets.get(detector.name) or check.threshold or check.max_increase


def _columns(check: Check, kind: str, layouts: Mapping[str, Layout]) -> list[str]:
    if kind == "performance":
        return [OUTCOME] if OUTCOME in layouts else []
    if kind == "rate":
        return [check.signal] if check.signal else []
    if check.columns != "auto":
        return list(check.columns)
    return [name for name in layouts if name in TIMES] if kind == "latency" else list(layouts)


def _detectors(check: Check, kind: str, layout: Layout | None, profile: Profile | None) -> list[Detector]:
    if kind == "rate":
        return [RISE, *([LEVEL] if check.max else []), *_short(check, layout)]
    if kind == "latency":
        return [*(LATENCY[name] for name in check.targets or RISING), *_short(check, layout)]
    if kind == "performance":
        fitting = [d for d in PERFORMANCE.values() if layout is not None and layout.kind in d.kinds]
        return [d for d in fitting if check.method == "auto" or d.name in check.method]
    if kind != "drift":
        detector = DETECTORS[kind]
        return [detector] if layout is None or layout.kind in detector.kinds else []
    kind_of = layout.kind if layout else "numeric"
    if check.method == "auto":
        family = classify(profile) if profile is not None else None
        names = family.methods if family else DEFAULT_METHODS.get(kind_of, ())
        if kind_of == "vector" and not (layout and layout.paired):
            names = ("mmd",)  # an embedding: its dimensions are no columns that could hang together
        return [METHODS[method] for method in names]
    methods = [EVIDENTLY.get(method) or METHODS[method] for method in check.method]
    return [
        method
        for method in methods
        if kind_of in method.kinds or (kind_of not in SUMMED and not method.kinds & set(SUMMED))
    ]


def _short(check: Check, layout: Layout | None) -> list[Detector]:
    """Return what looks at a rate or a time bucket by bucket, unless the operator says what is too much."""
    is_fixed = check.targets or check.threshold or check.max_increase or check.max
    return [RATE_CUSUM] if layout and layout.kind in RATE_CUSUM.kinds and not is_fixed else []
