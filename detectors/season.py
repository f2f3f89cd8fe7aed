"""Seasons: the hours of a baseline with which a window is compared.

A season divides time into recurring slots: the hours of the day, of a workday or a weekend, of the week, or the days of
the week. A window is compared with the slots that it overlaps. :func:`choose` selects a season only if it clearly
reduces the differences of unchanged windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

HOUR, DAY, WEEK = 3600, 86_400, 7 * 86_400
THURSDAY = 3
"""Weekday of 1 January 1970; Monday is 0."""
WORTH = 0.8
"""Largest ratio of the differences of unchanged windows with a season to those without."""


@dataclass(frozen=True)
class Season:
    """Division of time into recurring slots.

    Parameters
    ----------
    slot
        Maps seconds since 1970 (int64, shape (n,)) to slots.
    cycle
        Period in seconds.
    """

    slot: Callable[[np.ndarray], np.ndarray]
    cycle: int


def weekday(seconds: np.ndarray) -> np.ndarray:
    """Return the day of the week of each time; Monday is 0."""
    return np.asarray((seconds // DAY + THURSDAY) % 7)


def _hour(seconds: np.ndarray) -> np.ndarray:
    return np.asarray(seconds % DAY // HOUR)


SEASONS: Mapping[str, Season] = {
    "all times": Season(lambda seconds: np.zeros(len(seconds), dtype=np.int64), 0),
    "hour of the day": Season(_hour, DAY),
    "day of the week": Season(weekday, WEEK),
    "hour of workday or weekend": Season(lambda s: _hour(s) + 24 * (weekday(s) >= 5), WEEK),  # noqa: PLR2004
    "hour of the week": Season(lambda s: _hour(s) + 24 * weekday(s), WEEK),
}
"""Seasons by name; the first is no season. Hours and days are in UTC."""
ALL_TIMES = "all times"
FEWEST_CYCLES = {"hour of the day": 4, "day of the week": 3, "hour of workday or weekend": 2, "hour of the week": 3}


def possible(seconds: float) -> list[str]:
    """Return the names of the seasons for which a baseline of this length is long enough.

    Examples
    --------
    >>> possible(14 * 86_400)
    ['all times', 'hour of the day', 'hour of workday or weekend']
    """
    return [name for name, s in SEASONS.items() if name == ALL_TIMES or seconds >= FEWEST_CYCLES[name] * s.cycle]


def choose(largest: Mapping[str, float]) -> str:
    """Return the season with the smallest differences of unchanged windows, or none without a clear improvement.

    Parameters
    ----------
    largest
        Season to a high quantile of the statistic over the baseline's windows, each against the rest.

    Examples
    --------
    >>> choose({"all times": 0.2, "hour of the day": 0.05, "hour of the week": 0.049})
    'hour of the day'
    """
    chosen = ALL_TIMES
    for name in SEASONS:  # from the coarsest to the finest: a smaller reference sample must be justified
        if name in largest and largest[name] < WORTH * largest[chosen]:
            chosen = name
    return chosen
