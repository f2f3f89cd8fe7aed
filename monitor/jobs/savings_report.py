"""Report savings, and whether retraining pays, from stored counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from detectors.cost.savings import Cells, Plan, merge, summarize
from monitor.actions.drift_cost import payback_since
from monitor.config.models import Monitor
from monitor.config.money import RetrainingSpec, Savings
from monitor.jobs.savings_plans import definition, stretch
from monitor.store import savings
from monitor.store.database import Connection


def load_counted_days(
    connection: Connection, monitor: Monitor, plans: Sequence[Plan]
) -> list[dict[datetime, datetime]]:
    """Return for each plan the days that are counted with its current definition, each with the time of counting."""
    return [savings.counted_days(connection, monitor.name, plan.name, definition(monitor, plan)) for plan in plans]


def report_savings(
    connection: Connection, monitor: Monitor, plans: Sequence[Plan], more: Mapping[str, Sequence[Cells]], now: datetime
) -> dict[str, Any]:
    """Return the report on the savings of the stored days and of ``more`` by plan."""
    spec = monitor.savings or Savings()
    first, last = stretch(spec, now)
    plan_reports = []
    for plan in plans:
        cells = savings.cells(connection, monitor.name, plan.name, definition(monitor, plan), first, last)
        plan_reports.append(summarize(plan, merge([*cells, *more.get(plan.name, ())]), spec.better, spec.margin))
    best = sorted(plan_reports, key=lambda one: -one["saved"])
    report = {"monitor": monitor.name, "currency": monitor.currency, "from": first, "to": last, "plans": best}
    return {**report, "retraining": retraining_pays(connection, monitor)}


def retraining_pays(connection: Connection, monitor: Monitor) -> dict[str, Any] | None:
    """Return the cost of the open drift and whether retraining pays; None if it is not configured."""
    spec = monitor.savings.retraining if monitor.savings else None
    if spec is None:
        return None
    since = savings.drift_began(connection, monitor.name)
    if since is None:
        return {"verdict": "no drift is open", "price": spec.price}
    return paying_since(connection, monitor, spec, since)


def paying_since(connection: Connection, monitor: Monitor, spec: RetrainingSpec, since: datetime) -> dict[str, Any]:
    """Return the cost of a drift since its incident opened, and whether retraining pays."""
    measured = savings.load_measure(connection, monitor.name, spec.measure, since - monitor.bucket)
    return dict(payback_since(measured, monitor, spec, since))
