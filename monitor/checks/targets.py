"""What a monitor's checks measure of each column, detector by detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from detectors import Binning, Finding, Profile
from monitor.checks.base import CheckTarget
from monitor.checks.methods import EVIDENTLY
from monitor.checks.quality import RecordQuality
from monitor.checks.registry import make_checks
from monitor.config.models import Monitor


def expand_checks(
    monitor: Monitor, layouts: Mapping[str, Binning], profiles: Mapping[str, Profile] | None = None
) -> Iterator[CheckTarget]:
    """Yield what is measured of the columns in this process: everything but the stattests of Evidently.

    Parameters
    ----------
    profiles
        The baseline's of all rows, by column: their families choose the methods where `method` is auto. Without them
        a column is taken as smooth, or as one of a closed vocabulary.
    """
    targets = _all_targets(monitor, layouts, profiles or {})
    yield from (target for target in targets if target.detector.name not in EVIDENTLY)


def expand_stattests(monitor: Monitor, layouts: Mapping[str, Binning]) -> Iterator[CheckTarget]:
    """Yield the stattests of Evidently that are run on the columns."""
    yield from (target for target in _all_targets(monitor, layouts, {}) if target.detector.name in EVIDENTLY)


def volume_findings(monitor: Monitor) -> Iterator[Finding]:
    """Yield a placeholder for each volume finding without a threshold of its own."""
    for check in make_checks(monitor):
        if isinstance(check, RecordQuality) and check.kind == "volume" and check.config.bound is None:
            yield check.placeholder


def _all_targets(
    monitor: Monitor, layouts: Mapping[str, Binning], profiles: Mapping[str, Profile]
) -> Iterator[CheckTarget]:
    """Yield all targets; of two checks with the same target the later one counts."""
    targets: dict[tuple[str, str, str], CheckTarget] = {}
    for check in make_checks(monitor):
        for target in check.targets(layouts, profiles):
            targets[target.check, target.column, target.detector.name] = target
    yield from targets.values()
