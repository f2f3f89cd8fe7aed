"""Configuration of quality checks: of columns, of the records as a whole, and the group `quality` of all of them."""

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
    """Looks for one defect in each column: missing values, wrong types, values out of range or new categories."""

    columns: Columns = "auto"
    """`auto`, or a list of columns and signals."""


class RecordQualityConfig(CheckConfig):
    """Checks the number of records (`volume`), or their columns and types (`schema`)."""

    threshold: float | None = Field(None, gt=0)
    """Fixed threshold in the unit of the check; replaces the learnt one."""

    @property
    def bound(self) -> float | None:
        """Return the configured threshold, if any."""
        return self.threshold


class FreshnessConfig(RecordQualityConfig):
    """Checks the age of the newest row."""

    kind: SkipJsonSchema[str] = "freshness"
    max_age: Duration | None = None
    """Maximum age of the newest row."""

    @property
    def bound(self) -> float | None:
        """Return the configured maximum age of the newest row in seconds, if any."""
        return self.max_age.total_seconds() if self.max_age else self.threshold


class QualityConfig(ColumnQualityConfig):
    """All data quality checks except `freshness`; a source without new rows is covered by `no_data`."""

    kind: SkipJsonSchema[str] = "quality"

    def expand(self) -> Sequence[CheckConfig]:
        """Return the checks of columns and of records that the group consists of."""
        settings = self.model_dump(exclude={"kind"})
        columns = [ColumnQualityConfig(kind=kind, **settings) for kind in COLUMN_KINDS]
        records = [RecordQualityConfig(kind=kind, name=self.name, threshold=self.threshold) for kind in RECORD_KINDS]
        return [*columns, *records]
