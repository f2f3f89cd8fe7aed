"""What a baseline says about its own noise: null distributions, and the limit that keeps an alert budget."""

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
"""Season to slot to segment to column: what windows of a season are compared with."""
Subject = tuple[str, str | None, str, str | None]
"""Check, column, method and segment of a finding."""


@dataclass(frozen=True)
class Calibration:
    """What the baseline says about its own noise.

    Parameters
    ----------
    limit
        The rarity that pages; None when the baseline is too short to tell.
    nulls, subjects
        Finding key to the null of its statistic, and to check, column, method and segment.
    seasons
        Column to the season that it is compared within, for those that have one.
    records
        Metric that is estimated without labels to the record of its estimates over the baseline's windows.
    clients
        Column of clients to how the rows of a typical window spread over them.
    reason
        Why there is no limit, or how sure it is.
    definition
        Fingerprint of the settings that it was made for.
    unusual
        Column to the stretches of the baseline, start and end in ISO 8601, that its thresholds were not learnt from.
    sensitivity
        Column to the smallest change that is found.
    finest
        The same of the best of all baselines since the first, for columns that were measured before.
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
        """Return the statistics that the monitor's limit does not hold for, by finding key."""
        return {key: null for key, null in self.nulls.items() if null.limit is not None}

    def of(self, finding: Finding) -> CalibratedNull | None:
        """Return the null of a finding; a segment that the baseline did not know borrows that of all rows."""
        return self.calibrated(finding.key) or self.calibrated(replace(finding, segment=None).key)

    def calibrated(self, key: str) -> CalibratedNull | None:
        """Return the null of a statistic and the limit that holds for it, by finding key."""
        null = self.nulls.get(key)
        if null is None or self.limit is None:
            return None
        return CalibratedNull(null, self.limit.rarity if null.limit is None else null.limit)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
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
        """Read what :meth:`to_json` wrote; nothing means not calibrated."""
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
