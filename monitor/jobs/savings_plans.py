"""Plans, days and fingerprints of savings. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from detectors.cost.savings import Plan, Tier
from monitor.config.models import Monitor
from monitor.config.money import Savings
from monitor.config.signals import column_name, resolve
from monitor.config.traffic import RoleRule
from monitor.core.schedule import floor
from monitor.jobs.savings_columns import required_columns

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MOST_MODELS = 5


def stretch(spec: Savings, now: datetime) -> tuple[datetime, datetime]:
    """Return the range of whole UTC days that are evaluated; the newest ended at least an hour ago."""
    last = floor(now - HOUR, DAY)
    return last - spec.days * DAY, last


def days(first: datetime, last: datetime) -> list[datetime]:
    """Return the days of a range, newest first."""
    return [last - (place + 1) * DAY for place in range((last - first) // DAY)]


def is_due(day: datetime, counted_at: datetime | None, now: datetime, after: timedelta) -> bool:
    """Return whether a day is to be counted: it never was, or its labels have arrived since."""
    complete = day + DAY + after
    return counted_at is None or counted_at < complete <= now


def make_plans(spec: Savings, models: Sequence[str]) -> list[Plan]:
    """Return the configured plans; by default one per model that moves all requests to it."""
    return [one.plan() for one in spec.plans] or [Plan(f"all on {model}"[:80], (Tier(model),)) for model in models]


def definition(monitor: Monitor, plan: Plan) -> str:
    """Return a fingerprint of the plan and its settings; if it changes, days are counted again."""
    spec = monitor.savings or Savings()
    made = [entry for entry in monitor.signals if column_name(entry) in {"price", *required_columns(monitor, [plan])}]
    source = monitor.source.model_dump(mode="json", exclude={"url"})
    rules = [_describe(rule) for rule in monitor.role_rules]
    counted = [repr(plan), spec.quality, spec.task, source, repr(resolve(made)), *rules]
    text = json.dumps(counted, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _describe(rule: RoleRule) -> str:
    """Return a rule as text; the stored fingerprints depend on this form."""
    return f"UnservedRecords(column={rule.column!r}, values={rule.values!r}, start={rule.start!r}, end={rule.end!r})"
