"""Saving: counts day by day what the same requests would have cost otherwise, and tells what that comes to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import structlog

from detectors import SIGNALS
from detectors.binning import numbers, to_categories
from detectors.cost.price import price
from detectors.cost.savings import Cells, Plan, Tier, assign_strata, merge, tally
from detectors.cost.savings import summarize as told_of
from detectors.records import Records, unseen
from detectors.signals.price import NEEDS, USES, Price, read_seconds, read_tokens
from monitor.actions.drift_cost import payback_since
from monitor.config.models import ConfigError, Monitor
from monitor.config.savings import RetrainingSpec, Savings
from monitor.config.sections import nearest
from monitor.config.signals import column_name, resolve
from monitor.core.schedule import floor
from monitor.profiling.learn import with_signals
from monitor.profiling.served import find_unserved, keep_served
from monitor.profiling.source_columns import deciding_columns
from monitor.profiling.weights import split_by_weight, weights_read
from monitor.sources.base import Reader, read_in_steps
from monitor.store import savings
from monitor.store.database import Connection, Database

LOG = structlog.get_logger(__name__)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MOST_MODELS = 5


class Saving:
    """The savings of a monitor at work: a day that is over is counted, and once more when its labels are there."""

    def __init__(self, database: Database, monitor: Monitor) -> None:
        self._database = database
        self._monitor = monitor
        self._looked: datetime | None = None

    def catch_up(self, reader: Reader, now: datetime) -> None:
        """Count one day that is owed, the newest first; once nothing is, look again in an hour."""
        monitor, spec = self._monitor, self._monitor.savings
        if spec is None or (self._looked is not None and now < self._looked + HOUR):
            return
        with self._database.read() as connection:
            plans = make_plans(spec, savings.models(connection, monitor.name, MOST_MODELS))
            days_of_plans = [
                savings.counted_days(connection, monitor.name, one.name, definition(monitor, one)) for one in plans
            ]
        first, last = stretch(spec, now)
        after = max(monitor.labels_after, DAY) + HOUR
        owed = (
            day
            for day in days(first, last)
            if any(_is_due(day, counted_days.get(day), now, after) for counted_days in days_of_plans)
        )
        day = next(owed, None)
        if day is None:
            self._looked = now
            self._tell(plans, now)
            return
        try:
            counted = count(reader, monitor, plans, day, day + DAY)
        except ConfigError as error:  # it concerns savings only: the buckets go on
            self._looked = now
            LOG.warning("savings_not_counted", monitor=monitor.name, detail=str(error))
            return
        with self._database.write() as connection:
            for plan in plans:
                fingerprint = definition(monitor, plan)
                savings.save(connection, monitor.name, plan.name, day, fingerprint, now, counted[plan.name])
            savings.forget_before(connection, monitor.name, first)
        LOG.info("savings_counted", monitor=monitor.name, day=str(day.date()), plans=len(plans))

    def _tell(self, plans: Sequence[Plan], now: datetime) -> None:
        with self._database.read() as connection:
            report = report_savings(connection, self._monitor, plans, {}, now)
        with self._database.write() as connection:
            savings.tell(connection, self._monitor.name, report)


def stretch(spec: Savings, now: datetime) -> tuple[datetime, datetime]:
    """Return the whole days, in UTC, that are looked at; the newest has been over for an hour."""
    last = floor(now - HOUR, DAY)
    return last - spec.days * DAY, last


def days(first: datetime, last: datetime) -> list[datetime]:
    """Return the days of a stretch, newest first."""
    return [last - (place + 1) * DAY for place in range((last - first) // DAY)]


def _is_due(day: datetime, counted_at: datetime | None, now: datetime, after: timedelta) -> bool:
    complete = day + DAY + after
    return counted_at is None or counted_at < complete <= now


def make_plans(spec: Savings, models: Sequence[str]) -> list[Plan]:
    """Return the operator's plans; without any, each of the models that answered most, for all requests."""
    return [one.plan() for one in spec.plans] or [Plan(f"all on {model}"[:80], (Tier(model),)) for model in models]


def definition(monitor: Monitor, plan: Plan) -> str:
    """Return a fingerprint of what is counted: when it changes, days are counted again."""
    spec = monitor.savings or Savings()
    made = [entry for entry in monitor.signals if column_name(entry) in {"price", *required_columns(monitor, [plan])}]
    source = monitor.source.model_dump(mode="json", exclude={"url"})
    counted = [repr(plan), spec.quality, spec.task, source, repr(resolve(made)), *map(repr, find_unserved(monitor))]
    text = json.dumps(counted, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def required_columns(monitor: Monitor, plans: Sequence[Plan]) -> list[str]:
    """Return the columns and signals that plans, quality and task look at."""
    spec = monitor.savings or Savings()
    names = [condition.column for plan in plans for tier in plan.tiers for condition in tier.conditions]
    return list(dict.fromkeys([*names, *(name for name in (spec.quality, spec.task) if name)]))


def check_columns(reader: Reader, monitor: Monitor, plans: Sequence[Plan]) -> None:
    """Refuse to count what is neither logged nor computed."""
    schema = reader.schema()
    columns = sorted({*schema, *monitor.signal_names})
    for name in required_columns(monitor, plans):
        if name not in columns:
            raise ConfigError(
                f"savings: {name!r} is no column and no signal of {monitor.name}.{nearest(name, columns)}"
            )
    missing = [name for name in NEEDS if name not in schema]
    if missing:
        raise ConfigError(f"savings: {monitor.name} logs no {missing[0]!r}; map it under `columns:`, prices need it.")


def count(reader: Reader, monitor: Monitor, plans: Sequence[Plan], start: datetime, end: datetime) -> dict[str, Cells]:
    """Sum the served requests of a stretch by plan."""
    check_columns(reader, monitor, plans)
    names, schema = required_columns(monitor, plans), reader.schema()
    signals = [(entry, signal) for entry, signal in zip(monitor.signals, resolve(monitor.signals), strict=True)]
    made = [entry for entry, signal in signals if signal.name in names]
    roles = [role for _, signal in signals if signal.name in names for role in (*signal.needs, *signal.uses)]
    asked_for = [*NEEDS, *USES, *names, *roles, *deciding_columns(monitor, schema), *weights_read(monitor), "id"]
    columns = [name for name in dict.fromkeys(asked_for) if name in schema]
    tariff = _tariff(monitor)
    total: dict[str, Cells] = {plan.name: {} for plan in plans}
    keys = set[object]()
    for read in read_in_steps(reader, columns, start, end):
        kept, _ = split_by_weight(unseen(read, keys), monitor)
        page = with_signals(keep_served(kept, monitor), made)
        for plan in plans if len(page["timestamp"]) else ():
            total[plan.name] = merge([total[plan.name], _tally(plan, page, tariff, monitor.savings or Savings())])
    return total


def _tariff(monitor: Monitor) -> Price:
    """Return how the monitor prices requests: by its signal `price`, else by the list."""
    prices = [signal.compute for signal in resolve(monitor.signals) if isinstance(signal.compute, Price)]
    fallback = SIGNALS["price"].compute
    return prices[0] if prices else fallback if isinstance(fallback, Price) else Price()


def _tally(plan: Plan, page: Records, tariff: Price, spec: Savings) -> Cells:
    tokens, times, now = read_tokens(page), read_seconds(page), tariff.priced(page)
    failed = now.source == "failed"

    def price_as(model: str, places: np.ndarray) -> np.ndarray:
        names = np.full(len(places), model, dtype=object)
        at = None if times is None else times[places]
        cost = price(names, tokens.at(places), times=at, tariff=tariff).cost
        return np.where(failed[places], 0.0, cost)  # what cost nothing because it failed would have on any model

    quality = None if spec.quality is None else numbers(page[spec.quality])[0]
    tasks = None if spec.task is None else to_categories(page[spec.task])
    models, strata = to_categories(page["model_version"]), assign_strata(tokens.input, tasks)
    return tally(plan, page, models, now.cost, price_as, strata, quality)


def report_savings(
    connection: Connection, monitor: Monitor, plans: Sequence[Plan], more: Mapping[str, Sequence[Cells]], now: datetime
) -> dict[str, Any]:
    """Return what is told of the savings: of the days that are stored, and of ``more`` by plan."""
    spec = monitor.savings or Savings()
    first, last = stretch(spec, now)
    plan_reports = []
    for plan in plans:
        cells = savings.cells(connection, monitor.name, plan.name, definition(monitor, plan), first, last)
        plan_reports.append(told_of(plan, merge([*cells, *more.get(plan.name, ())]), spec.better, spec.margin))
    best = sorted(plan_reports, key=lambda one: -one["saved"])
    report = {"monitor": monitor.name, "currency": monitor.currency, "from": first, "to": last, "plans": best}
    return {**report, "retraining": retraining_pays(connection, monitor)}


def retraining_pays(connection: Connection, monitor: Monitor) -> dict[str, Any] | None:
    """Return what the drift that is open has cost, and whether a retraining pays; None where nobody asks."""
    spec = monitor.savings.retraining if monitor.savings else None
    if spec is None:
        return None
    since = savings.drift_began(connection, monitor.name)
    if since is None:
        return {"verdict": "no drift is open", "price": spec.price}
    return paying_since(connection, monitor, spec, since)


def paying_since(connection: Connection, monitor: Monitor, spec: RetrainingSpec, since: datetime) -> dict[str, Any]:
    """Return what a drift has cost since its incident opened, and whether a retraining pays."""
    measured = savings.load_measure(connection, monitor.name, spec.measure, since - monitor.bucket)
    return dict(payback_since(measured, monitor, spec, since))
