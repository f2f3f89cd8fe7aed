"""Detectors by the names that are used in `method:` and in findings."""

from __future__ import annotations

import math

from detectors import DETECTORS, LATENCY, PERFORMANCE, RATES, SEQUENTIAL
from detectors.base import Detector, Measurement
from detectors.profile import Profile
from monitor.config.stattests import EXPLAINED_BY, P_VALUES, PREFIX, STATTESTS

METHODS = DETECTORS | SEQUENTIAL | PERFORMANCE | LATENCY | RATES
"""Detectors that run in this process, by name; each is imported on first use."""


def _elsewhere(_baseline: Profile, _window: Profile) -> Measurement:
    raise ValueError("a stattest of Evidently runs in a separate process.")


EVIDENTLY: dict[str, Detector] = {
    f"{PREFIX}{name}": Detector(
        name=f"{PREFIX}{name}",
        check="drift",
        measure=_elsewhere,
        kinds=frozenset(kinds),
        threshold=math.inf,  # returned with each result
        unit="-log10 p" if name in P_VALUES else "1",
        title=f"-log10 p of Evidently's {name}" if name in P_VALUES else f"Evidently's {name}",
        citation="Evidently 0.7",
        explained_by=(*([EXPLAINED_BY[name]] if name in EXPLAINED_BY else []), "kolmogorov_smirnov", "jensen_shannon"),
    )
    for name, kinds in STATTESTS.items()
}
"""Stattests of Evidently. They run in a separate process, are not calibrated, and are not part of replays."""


def find_detector(name: str) -> Detector:
    """Return a detector or a stattest of Evidently by name."""
    return EVIDENTLY.get(name) or METHODS[name]
