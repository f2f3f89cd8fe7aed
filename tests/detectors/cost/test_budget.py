"""Budgets: the calendar of a zone, the pace, and the burn rates of the SRE workbook."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from detectors.base import Status
from detectors.cost.budget import BURNS, SpendScope, SpendTotals, against_budget, bounds, burning, starts

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
SCOPE = SpendScope("spend", "price", "UTC", "EUR")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("at", "period", "hours"),
    [
        ("2026-03-29T12:00+02:00", "daily", 23),
        ("2026-10-25T12:00+01:00", "daily", 25),
        ("2026-02-10T12:00+01:00", "monthly", 28 * 24),
        ("2026-03-10T12:00+01:00", "monthly", 31 * 24 - 1),
        ("2026-12-31T23:30+01:00", "monthly", 31 * 24),
    ],
)
def test_days_and_months_are_those_of_the_calendar(at: str, period: str, hours: int) -> None:
    zone = "Europe/Berlin"
    first, last = bounds(datetime.fromisoformat(at), period, zone)  # type: ignore[arg-type]
    assert (last - first) / HOUR == hours
    for end in (first, last):
        local = end.astimezone(ZoneInfo(zone))
        assert (local.hour, local.minute) == (0, 0)


def test_midnight_still_belongs_to_the_day_that_ends() -> None:
    first, last = bounds(datetime(2026, 11, 20, tzinfo=UTC), "daily", "UTC")
    assert (first.day, last.day) == (19, 20)


def test_a_budget_is_broken_when_it_is_gone_and_not_before() -> None:
    for amount, status in ((199.99, Status.OK), (200.0, Status.DRIFTED), (201.0, Status.DRIFTED)):
        found = against_budget(SCOPE, "daily", 200.0, AT, SpendTotals(amount, 10))
        assert found.status is status
        assert found.statistic == pytest.approx(amount / 200)
    early = against_budget(SCOPE, "daily", 200.0, AT, SpendTotals(150.0, 10))
    assert "; 300.00 EUR by 2026-11-21 00:00 at this pace" in early.reason
    assert early.detail["pace"] == pytest.approx(300.0)


@pytest.mark.parametrize(("long", "short", "factor"), BURNS)
def test_a_burn_alerts_when_both_windows_are_beyond_its_rate(long: timedelta, short: timedelta, factor: float) -> None:
    month, fair = 720.0, 1.0  # a dollar an hour

    def spent(speed: float, since: timedelta, until: timedelta = timedelta(0)) -> dict[datetime, SpendTotals]:
        """Spend at a speed between two ages, and nothing else."""
        return {
            start: SpendTotals(fair * speed * (max(min(AT - start, since), until) - until) / HOUR)
            for start in starts(AT, "UTC")
        }

    beyond = burning(replace(SCOPE, currency="USD"), month, AT, spent(factor * 1.05, long))
    assert beyond.status is Status.DRIFTED
    below = burning(replace(SCOPE, currency="USD"), month, AT, spent(factor * 0.95, long))
    assert below.statistic is not None
    assert below.statistic < beyond.statistic
    over = burning(replace(SCOPE, currency="USD"), month, AT, spent(factor * 1.05, long, short))
    longer = [one for one in BURNS if one[0] > long]
    if not longer:
        assert over.status is Status.OK
