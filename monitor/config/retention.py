"""How long driftd keeps the rows of its own database."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.deprecated import WithReceivers
from monitor.config.sections import Duration, Section

DAY = timedelta(days=1)


class Retention(Section):
    """How long the rows of driftd's own database are kept, by kind."""

    buckets: Duration | None = Field(None, ge=timedelta(hours=1))
    """Profiles and facts of every bucket; then their sums by hour. Default: as long as the windows, the baseline and
    late records of the monitor need them, which is also the minimum."""
    hours: Duration = Field(30 * DAY, ge=DAY)
    """Sums by hour, then by day; also results, row counts and usage of every bucket."""
    days: Duration = Field(730 * DAY, ge=DAY)
    """Sums by day."""
    findings: Duration = Field(365 * DAY, ge=30 * DAY)
    """History of findings: every bucket for 3 days, the highest value of every hour for 30 days, then of every day."""
    incidents: Duration = Field(1825 * DAY, ge=30 * DAY)
    """Resolved incidents with their transitions, first records of versions and categories, deploy events, past
    silences."""
    actions: Duration = Field(400 * DAY, ge=30 * DAY)
    """Messages and effects of resolved incidents, with their deliveries, after they ended."""
    audit: Duration = Field(1825 * DAY, ge=30 * DAY)
    """The audit log."""
    evaluations: Duration = Field(730 * DAY, ge=30 * DAY)
    """Runs of evaluation suites; the newest of each suite, and the newest good one, are kept."""
    labels: Duration = Field(730 * DAY, ge=30 * DAY)
    """Imported labels of records; verdicts of a judge are kept for 100 days at most."""

    @model_validator(mode="after")
    def _longer_with_age(self) -> Retention:
        if self.days < self.hours:
            raise PydanticCustomError("retention", "`days:` must be at least `hours:`, as days are sums of hours")
        if self.buckets is not None and self.hours < self.buckets:
            raise PydanticCustomError("retention", "`hours:` must be at least `buckets:`, as hours are sums of buckets")
        if self.audit < self.incidents or self.incidents < self.actions:
            raise PydanticCustomError(
                "retention", "`audit:` must be at least `incidents:`, and `incidents:` at least `actions:`"
            )
        return self


class WithRetention(WithReceivers):
    """The keys of the file that this module and the receivers define."""

    retention: Retention = Retention()
    """How long the rows of driftd's own database are kept, by kind."""
