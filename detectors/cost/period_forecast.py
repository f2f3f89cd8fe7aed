"""Forecast of the spending of the current day and month, in the calendar of a time zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from detectors.cost.budget import DAY, HOUR, Period, bounds
from detectors.cost.forecast import Forecast, Rhythm, forecast, paths

DAYS_KNOWN = 120
"""History of a forecast of a month."""
HOURS_KNOWN = 14 * 24
FEWEST_HOURS = 96
HOURS_OF_DAY = Rhythm(cycle=24, fewest=FEWEST_HOURS, together=24)
HOURS_OF_WEEK = Rhythm(cycle=168, fewest=FEWEST_HOURS, together=24)
WEEKEND = 5


def forecast_period(
    spent: Mapping[datetime, float], since: datetime, at: datetime, zone: str, so_far: Mapping[Period, float]
) -> dict[Period, Forecast | None]:
    """Forecast the spending up to the end of the day and of the month that contain a time.

    Parameters
    ----------
    spent
        Cost of each hour, or quarter of an hour, by its start in UTC; missing ones cost nothing.
    since
        Start of the ledger.
    at
        End of the available data.
    so_far
        Cost of the day and of the month until then.

    Returns
    -------
    dict
        None for a day if fewer than 96 full hours are available, and for a month with fewer than 14 full days.

    Limits
    ------
    See :func:`~detectors.cost.forecast.paths`. The rest of today is based on the hours of the last two weeks, with
    separate weekends; the following days on the weekdays of the last 120 days. The two are drawn independently.

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
    """Simulate the rest of today."""
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
    """Simulate the days of the month after today."""
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
