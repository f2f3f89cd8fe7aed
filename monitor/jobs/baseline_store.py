"""Load the stored baseline of a monitor, also one of an earlier release."""

from __future__ import annotations

from dataclasses import replace

import structlog

from monitor.baselines import definition_v1
from monitor.baselines.definition import definition
from monitor.checks.baseline import Baseline
from monitor.checks.calibration import Calibration
from monitor.config.models import Monitor
from monitor.sources.protection import Protection
from monitor.store import baselines
from monitor.store.database import Database

LOG = structlog.get_logger(__name__)
Standing = tuple[int, str, str]
"""Id, state and fingerprint of a stored baseline."""


class BaselineStore:
    """Loads the newest baseline of a monitor with the fingerprint of its current settings."""

    def __init__(self, database: Database, monitor: Monitor) -> None:
        self._database = database
        self._monitor = monitor
        self._compared_with_version_1 = False

    @property
    def definition(self) -> str:
        """Return the fingerprint of the settings of the baseline."""
        return definition(self._monitor)

    def find(self) -> Standing | None:
        """Return the identity of the stored baseline; one of an earlier release is converted once."""
        with self._database.read() as connection:
            stored = baselines.newest_id(connection, self._monitor.name, self.definition)
        if stored is None and not self._compared_with_version_1:
            stored = self._take_over()
        return stored

    def load(self) -> Baseline | None:
        """Read the baseline; retire one of an earlier release that has personal data or secrets as categories."""
        with self._database.read() as connection:
            baseline = baselines.newest(connection, self._monitor.name, self.definition)
        column = self._find_unprotected(baseline) if baseline else None
        if column is None:
            return baseline
        with self._database.write() as connection:
            baselines.retire(connection, self._monitor.name)
        detail = "its values had personal data or secrets; a new baseline is learnt, with hashes of them"
        LOG.warning("baseline_retired", monitor=self._monitor.name, column=column, detail=detail)
        return None

    def _find_unprotected(self, baseline: Baseline) -> str | None:
        """Return a column with a category or segment that must not be stored as it is."""
        protection = Protection.of(self._monitor)
        words = [(name, word) for name, layout in baseline.layouts.items() for word in layout.vocabulary]
        words += [(column, value) for column, _, value in (str(one).partition("=") for one in baseline.profiles if one)]
        return next((name for name, word in words if protection.replace(name, word) != word), None)

    def save_fixed_thresholds(self, baseline: Baseline, calibration_definition: str) -> None:
        """Store that a baseline without buckets uses fixed thresholds."""
        with self._database.write() as connection:
            calibration = Calibration(definition=calibration_definition)
            baselines.save_calibration(connection, baseline.id, replace(baseline, calibration=calibration))
        LOG.info("calibrated", monitor=self._monitor.name, reason=calibration.reason)

    def _take_over(self) -> Standing | None:
        """Replace the fingerprint of a baseline of an earlier release, if its settings are the current ones."""
        self._compared_with_version_1 = True
        name = self._monitor.name
        with self._database.read() as connection:
            stored = baselines.version_1_fingerprints(connection, name)
        same = [old for old in stored if definition_v1.recognises(self._monitor, old)]
        if not same:
            if stored:
                LOG.warning(
                    "baseline_not_taken_over",
                    monitor=name,
                    detail="it was learnt with other settings; restore them to use it again",
                )
            return None
        with self._database.write() as connection:
            baselines.redefine(connection, name, same, self.definition)
            LOG.info("baseline_taken_over", monitor=name)
            return baselines.newest_id(connection, name, self.definition)
