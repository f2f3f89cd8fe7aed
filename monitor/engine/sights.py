"""Change events: what a stretch of traffic shows for the first time. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.engine.baseline import Baseline
from monitor.engine.profile import Facts
from monitor.judge import Change


def first_sights(facts: Facts, baseline: Baseline) -> list[Change]:
    """Return the versions, categories and columns of a bucket or a window that the baseline did not have."""
    known = baseline.facts.get("versions", {})
    seen = [
        Change(role, role, value, moment(first))
        for role, values in facts.versions.items()
        for value, (_, first, _) in values.items()
        if value not in known.get(role, {})
    ]
    seen += [
        Change("category", column, value[:256], moment(first))
        for column, values in facts.unseen.items()
        for value, first in values.items()
    ]
    if baseline.traffic.schema and facts.schema and facts.first is not None:
        new = set(facts.schema) - set(baseline.traffic.schema)
        seen += [Change("column", column, column, moment(facts.first)) for column in sorted(new)]
    return seen


def moment(seconds: float) -> datetime:
    """Return epoch seconds as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
