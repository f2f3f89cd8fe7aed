"""Budgets: what has been spent of a day's or a month's, and whether it will last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from detectors.base import Finding, Status

Period = Literal["daily", "monthly"]
PERIODS: tuple[Period, ...] = ("daily", "monthly")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BURNS = ((HOUR, 5 * MINUTE, 14.4), (6 * HOUR, 30 * MINUTE, 6.0), (DAY, 2 * HOUR, 3.0), (3 * DAY, 6 * HOUR, 1.0))
"""A long and a short window, and how many times too fast the money must go in both: 2, 5, 10 and 10 % of a month."""


@dataclass(frozen=True)
class Spent:
    """What requests cost, how many there were, and how many of them nobody could price."""

    amount: float = 0.0
    requests: int = 0
    unpriced: int = 0

    def __add__(self, other: Spent) -> Spent:
        """Add up two disjoint sets of requests."""
        return Spent(self.amount + other.amount, self.requests + other.requests, self.unpriced + other.unpriced)


def bounds(at: datetime, period: Period, zone: str) -> tuple[datetime, datetime]:
    """Return the day or month of a zone's calendar that a moment lies in, in UTC; a day may have 23 or 25 hours.

    The end of a bucket that ends at midnight belongs to the day before: ``at`` is the last moment that is known.

    Examples
    --------
    >>> start, end = bounds(datetime(2026, 10, 25, 12, tzinfo=UTC), "daily", "Europe/Berlin")
    >>> start.isoformat(), (end - start).total_seconds() / 3600
    ('2026-10-24T22:00:00+00:00', 25.0)
    """
    local = (at - timedelta(microseconds=1)).astimezone(ZoneInfo(zone))
    first = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period == "daily":
        following = (first.replace(tzinfo=None) + DAY).replace(tzinfo=first.tzinfo)
    else:
        first = first.replace(day=1)
        following = (first.replace(tzinfo=None) + 31 * DAY).replace(day=1, tzinfo=first.tzinfo)
    return first.astimezone(UTC), following.astimezone(UTC)


def starts(at: datetime, zone: str) -> list[datetime]:
    """Return since when spending must be summed to judge a moment.

    Examples
    --------
    >>> len(starts(datetime(2026, 11, 20, 12, tzinfo=UTC), "UTC"))
    9
    """
    windows = {window for long, short, _ in BURNS for window in (long, short)}
    return sorted({bounds(at, period, zone)[0] for period in PERIODS} | {at - window for window in windows})


def against_budget(
    check: str, column: str, period: Period, budget: float, at: datetime, zone: str, spent: Spent, currency: str
) -> Finding:
    """Hold what a period has cost so far against its budget.

    The statistic is the share that is gone; ``detail`` has the amount, and what the whole period comes to at the pace
    that it had so far.

    Limits
    ------
    The pace is a straight line: of a month with weekends it is a rough guess. Requests that nobody could price are not
    in the amount; the reason says how many they are.

    Examples
    --------
    >>> at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> found = against_budget("spend", "price", "daily", 200.0, at, "UTC", Spent(212.4, 900, 9), "USD")
    >>> found.status.value, found.reason[:70]
    ('drifted', '212.40 of 200.00 USD are spent since 2026-11-20 00:00 UTC; at least, f')
    """
    first, last = bounds(at, period, zone)
    pace = spent.amount * ((last - first) / max(at - first, MINUTE))
    share = spent.amount / budget
    local = first.astimezone(ZoneInfo(zone))
    said = f"{spent.amount:,.2f} of {budget:,.2f} {currency} are spent since {local:%Y-%m-%d %H:%M} {zone}"
    if spent.unpriced:
        said += f"; at least, for {spent.unpriced} of {spent.requests} requests have no known price"
    if share < 1 < pace / budget:
        said += f"; at this pace it comes to {pace:,.2f} by {last.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    return Finding(
        check, column, period, None, Status.DRIFTED if share >= 1 else Status.OK, said, share, 1.0,
        n_window=spent.requests, unit="of budget",
        detail={
            "value": spent.amount, "budget": budget, "pace": pace, "unpriced": spent.unpriced, "currency": currency,
        },
    )  # fmt: skip


def burning(
    check: str, column: str, budget: float, at: datetime, zone: str, spent: Mapping[datetime, Spent], currency: str
) -> Finding:
    """Say whether a month's money goes so much too fast that it should be known now.

    Of each pair of windows both must burn at its rate or faster: the long one so that it matters, the short one so
    that it has not stopped already. The statistic is how far the worst pair is beyond its rate.

    Parameters
    ----------
    spent
        Since each of :func:`starts`, up to ``at``.

    References
    ----------
    Beyer et al. (eds.), *The Site Reliability Workbook*, 2018, chapter 5 (multiwindow, multi-burn-rate alerts).

    Examples
    --------
    >>> at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> even = {start: Spent(720 * ((at - start) / (30 * DAY))) for start in starts(at, "UTC")}
    >>> burning("spend", "price", 800.0, at, "UTC", even, "USD").reason
    "the month's budget burns 0.9 times as fast as it may, over the last 3 days"
    """
    first, last = bounds(at, "monthly", zone)
    allowed = budget / (last - first).total_seconds()

    def rate(window: timedelta) -> float:
        return spent[at - window].amount / window.total_seconds() / allowed

    rates = [
        (min(rate(long), rate(short)) / factor, min(rate(long), rate(short)), long) for long, short, factor in BURNS
    ]
    worst, speed, over = max(rates, key=lambda one: one[0])
    said = f"the month's budget burns {speed:.1f} times as fast as it may, over the last {_said(over)}"
    left = budget - spent[first].amount
    if worst > 1 and left > 0:
        gone = timedelta(seconds=left / (allowed * speed))
        said += f"; at that rate the {left:,.2f} {currency} that are left last {_said(gone)}"
    status = Status.DRIFTED if worst > 1 else Status.OK
    return Finding(
        check, column, "burn_rate", None, status, said, worst, 1.0, n_window=spent[at - over].requests,
        unit="of the rate that alerts",
        detail={"value": speed, "window_seconds": over.total_seconds(), "budget": budget},
    )  # fmt: skip


def _said(length: timedelta) -> str:
    hours = length / HOUR
    return (
        f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    )
