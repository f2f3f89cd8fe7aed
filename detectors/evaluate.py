"""Evaluate alarms on a labelled stream: delay, recall and false alarms.

Methods are comparable only at the same rate of false alarms, as a method that alerts more often is faster for that
reason alone. :func:`evaluate` measures a method with its own thresholds; :func:`at_equal_false_alarms` at the threshold
that gives an accepted rate of alerts on quiet data.

References
----------
Garwood, *Fiducial limits for the Poisson distribution*, Biometrika 28, 1936; Basseville, Nikiforov, *Detection of
Abrupt Changes*, 1993, chapter 5 (mean delay at a given mean time between false alarms).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from scipy import special

WEEK = timedelta(weeks=1)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class StreamEvaluation:
    """Performance of alarms on a stream.

    Parameters
    ----------
    delays
        From each change, in the order of time, to its first alarm; None if there is none.
    recall
        Share of the changes with an alarm; NaN without changes.
    false_alarms
        Alarms that belong to no change.
    per_week, low, high
        False alarms per week of quiet stream, with the exact 95 % interval of the rate.
    """

    delays: tuple[timedelta | None, ...]
    recall: float
    false_alarms: int
    per_week: float
    low: float
    high: float


@dataclass(frozen=True)
class EqualAlarms:
    """Threshold of a score at a given rate of alerts on quiet data, and its results on live data.

    Parameters
    ----------
    threshold
        A window alerts if its score is greater.
    quiet_pages
        Alerts on the quiet windows.
    false_pages
        Alerts on the live windows before the change; on all of them if there is no change.
    delay
        From the change to the end of the first alerting window that ends after it; None if there is none.
    """

    threshold: float
    quiet_pages: int
    false_pages: int
    delay: timedelta | None


def evaluate(
    alarms: Iterable[datetime], changes: Iterable[datetime], quiet: timedelta, within: timedelta | None = None
) -> StreamEvaluation:
    """Compare alarms with labelled changes.

    Parameters
    ----------
    alarms
        Time of each alert, in any order.
    changes
        Times of the true changes; changes at the same time count once.
    quiet
        Length of the part of the stream in which an alarm is false: all of it that is not after a change.
    within
        An alarm belongs to a change if it comes after it and no later than this; by default until the next change,
        without limit after the last.

    Limits
    ------
    With ``within``, an alarm may belong to several changes that are closer together than that. The interval assumes
    independent false alarms; those of one long disturbance are not independent.

    Examples
    --------
    >>> start = datetime(2026, 11, 1)
    >>> hour = timedelta(hours=1)
    >>> alarms = [start + 5 * hour, start + 27 * hour]
    >>> result = evaluate(alarms, changes=[start + 24 * hour], quiet=24 * hour)
    >>> result.delays[0] == 3 * hour, result.recall, result.false_alarms, result.per_week
    (True, 1.0, 1, 7.0)
    >>> round(result.low, 2), round(result.high, 1)
    (0.18, 39.0)
    """
    times, moments = sorted(alarms), sorted(set(changes))
    ends: list[datetime | None] = [after for _, after in pairwise([*moments, None])]
    if within is not None:
        ends = [change + within for change in moments]
    spans = list(zip(moments, ends, strict=True))
    delays = tuple(delay(times, change, end) for change, end in spans)
    false = sum(not any(_inside(time, change, end) for change, end in spans) for time in times)
    weeks = quiet / WEEK
    low, high = poisson_interval(false, weeks)
    recall = sum(late is not None for late in delays) / len(delays) if delays else math.nan
    return StreamEvaluation(delays, recall, false, false / weeks, low, high)


def delay(alarms: Iterable[datetime], change: datetime, until: datetime | None = None) -> timedelta | None:
    """Return the time from a change to the first alarm after it, or None.

    Parameters
    ----------
    until
        Latest time of an alarm that counts; by default unlimited.

    Examples
    --------
    >>> noon = datetime(2026, 11, 1, 12)
    >>> delay([noon, noon + timedelta(hours=2)], noon)
    datetime.timedelta(seconds=7200)
    """
    return min((time - change for time in alarms if _inside(time, change, until)), default=None)


def _inside(time: datetime, change: datetime, end: datetime | None) -> bool:
    return change < time and (end is None or time <= end)


def poisson_interval(count: int, exposure: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact (Garwood) confidence interval of a Poisson rate.

    Parameters
    ----------
    count
        Number of events, at least 0.
    exposure
        Length of the observation, greater than 0, such as weeks; the rate is per unit of it.
    confidence
        Minimum coverage of the interval.

    Examples
    --------
    >>> low, high = poisson_interval(0, 2.0)
    >>> low, round(high, 2)  # nothing in two weeks is at most 1.84 a week
    (0.0, 1.84)
    """
    if exposure <= 0:
        raise ValueError("a rate needs an exposure above 0; give the length of the quiet stretch.")
    tail = (1 - confidence) / 2
    low = float(special.gammaincinv(count, tail)) if count else 0.0
    return low / exposure, float(special.gammaincinv(count + 1, 1 - tail)) / exposure


def page_starts(alerts: Iterable[bool], resolve: int = 2) -> list[int]:
    """Return the starts of alerts: consecutive alerting windows, with gaps shorter than ``resolve`` clean windows.

    Examples
    --------
    >>> page_starts([True, True, False, True, False, False, True])
    [0, 6]
    """
    starts: list[int] = []
    clean = resolve
    for index, alert in enumerate(alerts):
        if alert and clean >= resolve:
            starts.append(index)
        clean = 0 if alert else clean + 1
    return starts


def pages(alerts: Iterable[bool], resolve: int = 2) -> int:
    """Return the number of alerts of consecutive windows, as defined by :func:`page_starts`."""
    return len(page_starts(alerts, resolve))


def quiet_threshold(scores: Sequence[float] | np.ndarray, allowed: int, resolve: int = 2) -> float:
    """Return the lowest threshold with at most ``allowed`` alerts on quiet windows.

    Thresholds are tried in descending order from the largest score, which gives no alert. The search ends at the first
    one with too many alerts: at lower thresholds alerts may merge into fewer, longer ones.

    Parameters
    ----------
    scores
        Shape (windows,), in the order of time, larger for larger changes.
    allowed
        Accepted number of alerts on these windows.

    Examples
    --------
    >>> quiet_threshold([1.0, 0.0, 0.0, 3.0, 0.0, 0.0, 2.0], allowed=1)
    2.0
    """
    values = np.asarray(scores, dtype=np.float64)
    if not len(values):
        raise ValueError("a threshold needs quiet windows, and there are none; give at least one score.")
    threshold = float(values.max())
    for candidate in np.unique(values)[::-1].tolist():
        if pages((values > candidate).tolist(), resolve) > allowed:
            break
        threshold = candidate
    return threshold


def at_equal_false_alarms(
    quiet: Sequence[float] | np.ndarray,
    live: Sequence[float] | np.ndarray,
    ends: Sequence[datetime],
    rate: float,
    quiet_weeks: float,
    change: datetime | None = None,
    resolve: int = 2,
) -> EqualAlarms:
    """Set the lowest threshold with an accepted rate of alerts on quiet windows, and apply it to live windows.

    Parameters
    ----------
    quiet, live
        Scores of consecutive windows, shapes (quiet windows,) and (live windows,), larger for larger changes.
    ends
        End of each live window.
    rate
        Accepted alerts per week on quiet data; the allowed number is ``rate * quiet_weeks``, rounded down.
    quiet_weeks
        Total time of the quiet windows, in weeks.
    change
        Time of the true change of the live stream.

    Limits
    ------
    With few quiet windows the threshold is their largest score, which is not informative about rarer alerts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ends = [datetime(2026, 11, 1) + timedelta(hours=hour) for hour in range(48)]
    >>> live = rng.normal(size=48)
    >>> live[30:] += 4.0
    >>> result = at_equal_false_alarms(rng.normal(size=168), live, ends, 1.0, quiet_weeks=1.0, change=ends[29])
    >>> round(result.threshold, 2), result.quiet_pages, result.false_pages, str(result.delay)
    (2.0, 1, 0, '1:00:00')
    """
    threshold = quiet_threshold(quiet, int(rate * quiet_weeks + 1e-9), resolve)
    alerts = [bool(score > threshold) for score in live]
    before = [alert for alert, end in zip(alerts, ends, strict=True) if change is None or end <= change]
    alert_ends = [end for alert, end in zip(alerts, ends, strict=True) if alert]
    return EqualAlarms(
        threshold,
        pages([bool(score > threshold) for score in quiet], resolve),
        pages(before, resolve),
        None if change is None else delay(alert_ends, change),
    )


def total_time(spans: Iterable[tuple[datetime, datetime]]) -> timedelta:
    """Return the total length of half-open spans; overlaps count once.

    Examples
    --------
    >>> day = [datetime(2026, 11, 1, hour) for hour in range(5)]
    >>> total_time([(day[0], day[2]), (day[1], day[3])])
    datetime.timedelta(seconds=10800)
    """
    total, until = timedelta(0), None
    for start, end in sorted(spans):
        begin = start if until is None else max(start, until)
        total += max(end - begin, timedelta(0))
        until = end if until is None else max(end, until)
    return total
