"""Estimate savings: count day by day the cost of the same requests under other plans, and store the report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from detectors.cost.savings import Plan
from monitor.config.models import ConfigError, Monitor
from monitor.jobs.count_savings import count
from monitor.jobs.savings_plans import DAY, HOUR, MOST_MODELS, days, definition, is_due, make_plans, stretch
from monitor.jobs.savings_report import load_counted_days, report_savings
from monitor.sources.base import Reader
from monitor.store import savings
from monitor.store.database import Database

LOG = structlog.get_logger(__name__)


class SavingsJob:
    """Counts the savings of a monitor; each past day is counted once, and again when its labels have arrived."""

    def __init__(self, database: Database, monitor: Monitor) -> None:
        self._database = database
        self._monitor = monitor
        self._looked: datetime | None = None

    def catch_up(self, reader: Reader, now: datetime) -> None:
        """Count one due day, the newest first; if none is due, check again in an hour."""
        monitor, spec = self._monitor, self._monitor.savings
        if spec is None or (self._looked is not None and now < self._looked + HOUR):
            return
        with self._database.read() as connection:
            plans = make_plans(spec, savings.models(connection, monitor.name, MOST_MODELS))
            days_of_plans = load_counted_days(connection, monitor, plans)
        first, last = stretch(spec, now)
        after = max(monitor.labels_after, DAY) + HOUR
        owed = (
            day
            for day in days(first, last)
            if any(is_due(day, counted_days.get(day), now, after) for counted_days in days_of_plans)
        )
        day = next(owed, None)
        if day is None:
            self._looked = now
            self._save_report(plans, now)
            return
        try:
            counted = count(reader, monitor, plans, day, day + DAY)
        except ConfigError as error:  # concerns savings only; buckets are not affected
            self._looked = now
            LOG.warning("savings_not_counted", monitor=monitor.name, detail=str(error))
            return
        with self._database.write() as connection:
            for plan in plans:
                fingerprint = definition(monitor, plan)
                savings.save(connection, monitor.name, plan.name, day, fingerprint, now, counted[plan.name])
            savings.delete_before(connection, monitor.name, first)
        LOG.info("savings_counted", monitor=monitor.name, day=str(day.date()), plans=len(plans))

    def _save_report(self, plans: Sequence[Plan], now: datetime) -> None:
        with self._database.read() as connection:
            report = report_savings(connection, self._monitor, plans, {}, now)
        with self._database.write() as connection:
            savings.save_report(connection, self._monitor.name, report)
