"""Calibration of a baseline: null distributions of statistics, and the limit that keeps the alert budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from detectors import Finding, Profile
from detectors.calibrate import RarityLimit
from detectors.clusters import Concentration
from detectors.null_distribution import CalibratedNull, NullDistribution
from detectors.performance.interval_calibration import ResidualHistory
from detectors.sensitivity import Sensitivity

SlotProfiles = dict[str, dict[int, dict[str | None, dict[str, Profile]]]]
"""Profiles by season, slot, segment and column; windows are compared with the slots that they touch."""
Subject = tuple[str, str | None, str, str | None]
"""Check, column, method and segment of a finding."""


@dataclass(frozen=True)
class Calibration:
    """Null distributions, thresholds and sensitivity that were learnt from a baseline.

    Parameters
    ----------
    limit
        The rarity above which a finding alerts; None if the baseline is too short.
    nulls, subjects
        Null distribution, and check, column, method and segment, by finding key.
    seasons
        Season by column; columns without a season are omitted.
    records
        Errors of label-free estimates over the windows of the baseline, by metric.
    clients
        Distribution of the rows of a typical window over clients, by column of clients.
    reason
        Why there is no limit, or on how much data it is based.
    definition
        Fingerprint of the settings of the calibration.
    unusual
        Periods (start and end in ISO 8601) that were excluded from learning, by column.
    sensitivity
        Smallest detectable change by column.
    finest
        Best sensitivity of all earlier baselines by column.
    """

    limit: RarityLimit | None = None
    nulls: Mapping[str, NullDistribution] = field(default_factory=dict)
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    seasons: Mapping[str, str] = field(default_factory=dict)
    records: Mapping[str, ResidualHistory] = field(default_factory=dict)
    clients: Mapping[str, Concentration] = field(default_factory=dict)
    reason: str = "not_calibrated: this baseline has no times"
    definition: str = ""
    unusual: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    sensitivity: Mapping[str, Sensitivity] = field(default_factory=dict)
    finest: Mapping[str, Sensitivity] = field(default_factory=dict)

    @property
    def set_apart(self) -> dict[str, NullDistribution]:
        """Return the null distributions of statistics with a higher limit than the others, by finding key."""
        common = self.limit.rarity if self.limit else 0.0
        return {key: null for key, null in self.nulls.items() if null.limit is not None and null.limit > common}

    def of(self, finding: Finding) -> CalibratedNull | None:
        """Return the calibrated null of a finding; for a segment that is not in the baseline, that of all rows."""
        return self.calibrated(finding.key) or self.calibrated(replace(finding, segment=None).key)

    def calibrated(self, key: str) -> CalibratedNull | None:
        """Return the null distribution and the limit of a statistic, by finding key; None if it is not calibrated."""
        null = self.nulls.get(key)
        if null is None or self.limit is None:
            return None
        return CalibratedNull(null, self.limit.rarity if null.limit is None else null.limit)

    def to_json(self) -> dict[str, Any]:
        """Return the calibration as JSON types."""
        return {
            "limit": self.limit.to_json() if self.limit else None,
            "nulls": {key: null.to_json() for key, null in self.nulls.items()},
            "subjects": {key: list(subject) for key, subject in self.subjects.items()},
            "seasons": dict(self.seasons),
            "records": {metric: record.to_json() for metric, record in self.records.items()},
            "clients": {name: asdict(usual) for name, usual in self.clients.items()},
            "reason": self.reason,
            "definition": self.definition,
            "unusual": {column: [list(each) for each in several] for column, several in self.unusual.items()},
            "sensitivity": {column: asdict(sensitivity) for column, sensitivity in self.sensitivity.items()},
            "finest": {column: asdict(sensitivity) for column, sensitivity in self.finest.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Calibration:
        """Return a calibration from the output of :meth:`to_json`; an empty one for None."""
        if not data:
            return cls()
        limit = RarityLimit.from_json(data["limit"]) if data["limit"] else None
        nulls = {key: NullDistribution.from_json(null) for key, null in data["nulls"].items()}
        subjects = {key: tuple(subject) for key, subject in data["subjects"].items()}
        records = {metric: ResidualHistory.from_json(record) for metric, record in data.get("records", {}).items()}
        unusual = {column: [(a, b) for a, b in several] for column, several in data.get("unusual", {}).items()}
        clients = {name: Concentration(**usual) for name, usual in data.get("clients", {}).items()}
        sensitivity, finest = (
            {column: Sensitivity(**stored) for column, stored in data.get(name, {}).items()}
            for name in ("sensitivity", "finest")
        )
        return cls(
            limit=limit,
            nulls=nulls,
            subjects=subjects,
            seasons=data["seasons"],
            records=records,
            clients=clients,
            reason=data["reason"],
            definition=data["definition"],
            unusual=unusual,
            sensitivity=sensitivity,
            finest=finest,
        )
