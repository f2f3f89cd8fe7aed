"""Configuration of quality checks: of single columns, of the records as a whole, and of all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from detectors import QUALITY, TRAFFIC_CHECKS
from monitor.config.checks.base import CheckConfig, Columns, IncreaseConfig
from monitor.config.sections import Duration

COLUMN_KINDS = tuple(QUALITY)
RECORD_KINDS = tuple(name for name in TRAFFIC_CHECKS if name != "freshness")


class ColumnQualityConfig(IncreaseConfig):
    """Looks for one defect in each column: values that are missing, of another type, out of range or new."""

    columns: Columns = "auto"
    """`auto`, or columns and signals by name."""


class RecordQualityConfig(CheckConfig):
    """Looks at the records as a whole: how many there are, and which columns they have."""

    threshold: float | None = Field(None, gt=0)
    """Fixed threshold in the unit of the check; wins over the default and the noise floor."""

    @property
    def bound(self) -> float | None:
        """Return the operator's own threshold, if there is one."""
        return self.threshold


class FreshnessConfig(RecordQualityConfig):
    """Looks at the age of the newest row."""

    kind: SkipJsonSchema[str] = "freshness"
    max_age: Duration | None = None
    """The age that the newest row may have."""

    @property
    def bound(self) -> float | None:
        """Return the age in seconds that the newest row may have, if the operator says it."""
        return self.max_age.total_seconds() if self.max_age else self.threshold


class QualityConfig(ColumnQualityConfig):
    """Stands for all quality checks but `freshness`: a log that has fallen silent is the state `no_data`."""

    kind: SkipJsonSchema[str] = "quality"

    def expand(self) -> Sequence[CheckConfig]:
        """Return the checks of columns and of records that it stands for."""
        settings = self.model_dump(exclude={"kind"})
        columns = [ColumnQualityConfig(kind=kind, **settings) for kind in COLUMN_KINDS]
        records = [RecordQualityConfig(kind=kind, name=self.name, threshold=self.threshold) for kind in RECORD_KINDS]
        return [*columns, *records]
