"""Expand the checks of a monitor to targets: each a detector on a column."""

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
    """Yield the targets that are measured in this process: all except the stattests of Evidently.

    Parameters
    ----------
    profiles
        Profiles of all rows of the baseline, by column; their families select the methods if `method` is auto. Without
        profiles, the default methods of the kind of column are used.
    """
    targets = _all_targets(monitor, layouts, profiles or {})
    yield from (target for target in targets if target.detector.name not in EVIDENTLY)


def expand_stattests(monitor: Monitor, layouts: Mapping[str, Binning]) -> Iterator[CheckTarget]:
    """Yield the targets that are stattests of Evidently."""
    yield from (target for target in _all_targets(monitor, layouts, {}) if target.detector.name in EVIDENTLY)


def volume_findings(monitor: Monitor) -> Iterator[Finding]:
    """Yield a placeholder for each volume check without a configured threshold."""
    for check in make_checks(monitor):
        if isinstance(check, RecordQuality) and check.kind == "volume" and check.config.bound is None:
            yield check.placeholder


def _all_targets(
    monitor: Monitor, layouts: Mapping[str, Binning], profiles: Mapping[str, Profile]
) -> Iterator[CheckTarget]:
    """Yield all targets; if two checks have the same target, the later one is used."""
    targets: dict[tuple[str, str, str], CheckTarget] = {}
    for check in make_checks(monitor):
        for target in check.targets(layouts, profiles):
            targets[target.check, target.column, target.detector.name] = target
    yield from targets.values()
