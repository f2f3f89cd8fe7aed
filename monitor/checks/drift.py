"""Drift: the distribution of each column compared with the baseline's."""

from __future__ import annotations

import math
from typing import ClassVar

from detectors import DETECTORS, SEQUENTIAL
from detectors.base import Detector, Measurement
from detectors.family import classify
from detectors.layout import SUMMED, Kind, Layout
from detectors.profile import Profile
from monitor.checks.base import ColumnCheck, Layouts
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.drift import DriftConfig
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
METHODS = DETECTORS | SEQUENTIAL


class Drift(ColumnCheck[DriftConfig]):
    """Runs the methods that fit each column: those that are named, or those of the column's family."""

    Config: ClassVar[type[CheckConfig]] = DriftConfig

    def columns(self, layouts: Layouts) -> list[str]:
        return list(layouts) if self.config.columns == "auto" else list(self.config.columns)

    def detectors(self, layout: Layout | None, profile: Profile | None) -> list[Detector]:
        kind = layout.kind if layout else "numeric"
        if self.config.method != "auto":
            methods = [EVIDENTLY.get(method) or METHODS[method] for method in self.config.method]
            return [
                method for method in methods if kind in method.kinds or not (kind in SUMMED or method.kinds & {*SUMMED})
            ]
        family = classify(profile) if profile is not None else None
        names = family.methods if family else DEFAULT_METHODS.get(kind, ())
        if kind == "vector" and not (layout and layout.paired):
            names = ("mmd",)  # an embedding: its dimensions are no columns that could hang together
        return [METHODS[method] for method in names]
