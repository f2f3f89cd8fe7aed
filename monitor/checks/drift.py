"""Drift checks: compare the distribution of each column with that of the baseline."""

from __future__ import annotations

from typing import ClassVar

from detectors.base import Detector
from detectors.binning import SUMMED, Binning, Kind
from detectors.family import classify
from detectors.profile import Profile
from monitor.checks.base import ColumnCheck, Layouts
from monitor.checks.methods import find_detector
from monitor.config.checks.base import CheckConfig
from monitor.config.checks.drift import DriftConfig

DEFAULT_METHODS: dict[Kind, tuple[str, ...]] = {
    "numeric": ("kolmogorov_smirnov", "rank", "spread", "cusum", "rate_cusum"),
    "categorical": ("jensen_shannon", "rate_cusum"),
    "vector": ("correlation", "mmd"),
}


class Drift(ColumnCheck[DriftConfig]):
    """Runs the configured methods on each column of a suitable kind, or the methods of the column's family."""

    Config: ClassVar[type[CheckConfig]] = DriftConfig

    def columns(self, layouts: Layouts) -> list[str]:
        return list(layouts) if self.config.columns == "auto" else list(self.config.columns)

    def detectors(self, layout: Binning | None, profile: Profile | None) -> list[Detector]:
        kind = layout.kind if layout else "numeric"
        if self.config.method != "auto":
            methods = [find_detector(method) for method in self.config.method]
            return [
                method for method in methods if kind in method.kinds or not (kind in SUMMED or method.kinds & {*SUMMED})
            ]
        family = classify(profile) if profile is not None else None
        names = family.methods if family else DEFAULT_METHODS.get(kind, ())
        if kind == "vector" and not (layout and layout.paired):
            names = ("mmd",)  # an embedding: its dimensions are not columns, so correlations have no meaning
        return [find_detector(method) for method in names]
