"""Evaluate: delay, recall and false alarms of anything that raises alarms on a labelled stream.

Methods are only comparable at one rate of false alarms: whoever pages more is faster for nothing. So there are
two questions. What does a method do by its own thresholds (:func:`evaluate`)? And what would it do at the level
that pages as rarely on quiet data as another (:func:`at_equal_false_alarms`)?

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
    """What alarms are worth.

    Parameters
    ----------
    delays
        From each change, in the order of time, to its first alarm; None where there is none.
    recall
        Share of the changes that have an alarm; NaN without a change.
    false_alarms
        Alarms that belong to no change.
    per_week, low, high
        False alarms a week of quiet, and the exact 95 % interval of their rate.
    """

    delays: tuple[timedelta | None, ...]
    recall: float
    false_alarms: int
    per_week: float
    low: float
    high: float


@dataclass(frozen=True)
class EqualAlarms:
    """A threshold on a score that keeps a rate of pages on quiet data, and what it does live.

    Parameters
    ----------
    threshold
        A window alerts when its score is greater.
    quiet_pages
        Pages of the quiet windows.
    false_pages
        Pages of the live windows until the change; of all of them when there is no change.
    delay
        From the change to the end of the first alerting window that ends after it; None when none does.
    """

    threshold: float
    quiet_pages: int
    false_pages: int
    delay: timedelta | None


def evaluate(
    alarms: Iterable[datetime], changes: Iterable[datetime], quiet: timedelta, within: timedelta | None = None
) -> StreamEvaluation:
    """Hold alarms against the changes that are known.

    Parameters
    ----------
    alarms
        When each page was sent, in any order.
    changes
        When something truly changed; those of one moment are one.
    quiet
        Length of the stream in which an alarm is false: all of it that is not after a change.
    within
        An alarm belongs to a change when it comes after it and no later than this; by default until the next
        change, and for ever after the last.

    Limits
    ------
    With ``within`` an alarm may belong to several changes that lie closer together than that. The interval takes
    false alarms for independent of one another; those of one long disturbance are not.

    Examples
    --------
    >>> start = datetime(2026, 11, 1)
    >>> hour = timedelta(hours=1)
    >>> alarms = [start + 5 * hour, start + 27 * hour]
    >>> seen = evaluate(alarms, changes=[start + 24 * hour], quiet=24 * hour)
    >>> seen.delays[0] == 3 * hour, seen.recall, seen.false_alarms, seen.per_week
    (True, 1.0, 1, 7.0)
    >>> round(seen.low, 2), round(seen.high, 1)
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
        The last moment of an alarm that counts; by default there is none.

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
    """Return the exact (Garwood) interval of a rate, after so many events in an exposure.

    Parameters
    ----------
    count
        Events, at least 0.
    exposure
        Length of the observation, greater than 0, such as weeks; the rate is per unit of it.
    confidence
        Smallest probability with which such an interval holds the true rate.

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
    """Return where pages begin: a run of alerts is one, and fewer than ``resolve`` clean windows do not end it.

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
    """Return the number of pages that alerts of consecutive windows come to, as :func:`page_starts` has them."""
    return len(page_starts(alerts, resolve))


def quiet_threshold(scores: Sequence[float] | np.ndarray, allowed: int, resolve: int = 2) -> float:
    """Return the lowest threshold under which quiet windows give at most so many pages.

    Thresholds are tried downwards from the greatest score, which gives none, and the first one that pages too
    often ends the search: below it alerts may melt into fewer but longer pages, which is no merit.

    Parameters
    ----------
    scores
        Shape (windows,), in the order of time, greater meaning a greater change.
    allowed
        Pages that are accepted on these windows.

    Examples
    --------
    >>> quiet_threshold([1.0, 0.0, 0.0, 3.0, 0.0, 0.0, 2.0], allowed=1)
    2.0
    """
    values = np.asarray(scores, dtype=np.float64)
    if not len(values):
        raise ValueError("a threshold needs quiet windows to be set on, and there are none.")
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
    """Set the lowest threshold that stays within a rate of pages on quiet windows, then look at the live ones.

    Parameters
    ----------
    quiet, live
        Scores of consecutive windows, shapes (quiet windows,) and (live windows,), greater for a greater change.
    ends
        When each live window ends.
    rate
        Pages a week that are accepted on quiet data; the allowed number is ``rate * quiet_weeks``, rounded down.
    quiet_weeks
        Time that the quiet windows cover, in weeks.
    change
        When the live stream truly changed.

    Limits
    ------
    With few quiet windows the threshold is their greatest score and says little about rarer pages.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ends = [datetime(2026, 11, 1) + timedelta(hours=hour) for hour in range(48)]
    >>> live = rng.normal(size=48)
    >>> live[30:] += 4.0
    >>> seen = at_equal_false_alarms(rng.normal(size=168), live, ends, 1.0, quiet_weeks=1.0, change=ends[29])
    >>> round(seen.threshold, 2), seen.quiet_pages, seen.false_pages, str(seen.delay)
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
    """Return the time that half-open spans cover; overlaps count once.

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
