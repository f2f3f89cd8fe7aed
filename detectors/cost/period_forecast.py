"""Where the day and the month of a ledger will end, in the calendar of a zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from detectors.cost.budget import DAY, HOUR, Period, bounds
from detectors.cost.forecast import Forecast, Rhythm, forecast, paths

DAYS_KNOWN = 120
"""How far back a forecast of a month looks."""
HOURS_KNOWN = 14 * 24
FEWEST_HOURS = 96
HOURS_OF_DAY = Rhythm(cycle=24, fewest=FEWEST_HOURS, together=24)
HOURS_OF_WEEK = Rhythm(cycle=168, fewest=FEWEST_HOURS, together=24)
WEEKEND = 5


def forecast_period(
    spent: Mapping[datetime, float], since: datetime, at: datetime, zone: str, so_far: Mapping[Period, float]
) -> dict[Period, Forecast | None]:
    """Forecast the end of the day and of the month that a moment lies in.

    Parameters
    ----------
    spent
        What every hour, or every quarter of an hour, cost, by its start in UTC; one that is not there cost nothing.
    since
        From when on the ledger knows it.
    at
        The last moment that is known.
    so_far
        What the day and the month have cost until then.

    Returns
    -------
    dict
        None for a day when fewer than 96 whole hours are known, and for a month with fewer than 14 whole days.

    Limits
    ------
    See :func:`~detectors.cost.forecast.paths`. What is left of today follows the hours of the last two weeks, weekends
    apart; the days after it follow the weekdays of the last 120 days. The two are drawn independently.

    Examples
    --------
    >>> from datetime import UTC
    >>> first, at = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> hours = {first + n * HOUR: 1.0 for n in range((at - first) // HOUR)}
    >>> ends = forecast_period(hours, first, at, "UTC", {"daily": 12.0, "monthly": 19.5 * 24})
    >>> ends["daily"].middle, ends["monthly"].middle
    (24.0, 720.0)
    """
    today, tomorrow = bounds(at, "daily", zone)
    rest = _hours(spent, since, at, tomorrow, zone)
    days = _days(spent, since, at, today, tomorrow, zone)
    return {
        "daily": forecast(so_far["daily"], [rest]),
        "monthly": forecast(so_far["monthly"], [rest, days]),
    }


def _hours(
    spent: Mapping[datetime, float], since: datetime, at: datetime, tomorrow: datetime, zone: str
) -> np.ndarray | None:
    """Simulate what is left of today."""
    local = ZoneInfo(zone)
    now = at.replace(minute=0, second=0, microsecond=0)
    first = max(_up(since), now - HOURS_KNOWN * HOUR)
    moments = [first + place * HOUR for place in range(max(0, (now - first) // HOUR))]
    sums = dict.fromkeys(moments, 0.0)
    for start, amount in spent.items():
        hour = start.replace(minute=0, second=0, microsecond=0)
        if hour in sums:
            sums[hour] += amount
    ahead = [now + place * HOUR for place in range(max(0, -(-(tomorrow - now) // HOUR)))]
    weights = [(min(hour + HOUR, tomorrow) - max(hour, at)) / HOUR for hour in ahead]

    def season(hour: datetime) -> int:
        there = hour.astimezone(local)
        return there.hour + 24 * (there.weekday() >= WEEKEND)

    return paths(
        np.array(list(sums.values())),
        np.array([season(hour) for hour in moments], dtype=np.int64),
        np.array([season(hour) for hour in ahead], dtype=np.int64),
        np.array(weights),
        rhythm=HOURS_OF_WEEK if len(moments) >= HOURS_OF_WEEK.cycle else HOURS_OF_DAY,
    )


def _days(
    spent: Mapping[datetime, float], since: datetime, at: datetime, today: datetime, tomorrow: datetime, zone: str
) -> np.ndarray | None:
    """Simulate the days of the month that come after today."""
    local = ZoneInfo(zone)
    begins = bounds(since + timedelta(microseconds=1), "daily", zone)[0]
    first = begins.astimezone(local).date() + (DAY if begins < since else timedelta(0))
    last = today.astimezone(local).date()
    first = max(first, last - DAYS_KNOWN * DAY)
    moments = [first + place * DAY for place in range(max(0, (last - first).days))]
    sums = dict.fromkeys(moments, 0.0)
    for start, amount in spent.items():
        day = start.astimezone(local).date()
        if day in sums:
            sums[day] += amount
    _, following = bounds(at, "monthly", zone)
    left = (following.astimezone(local).date() - tomorrow.astimezone(local).date()).days
    ahead = [(last + (place + 1) * DAY).weekday() for place in range(max(0, left))]
    return paths(
        np.array(list(sums.values())),
        np.array([day.weekday() for day in moments], dtype=np.int64),
        np.array(ahead, dtype=np.int64),
    )


def _up(moment: datetime) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour if hour == moment else hour + HOUR
