"""Seasons: which hours of a baseline a window is compared with.

A season cuts time into slots that come again: the hours of the day, of a workday or a weekend, of the week, or
the days of the week. A window is compared with the slots that it touches. Whether a season is worth it is for
the data to say: :func:`choose` takes one only where it makes unchanged windows look clearly less different.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

HOUR, DAY, WEEK = 3600, 86_400, 7 * 86_400
THURSDAY = 3
"""1970 began on a Thursday; Monday is 0."""
WORTH = 0.8
"""A season must bring the largest differences of unchanged windows below this share of what they are without."""


@dataclass(frozen=True)
class Season:
    """A way to cut time into slots that come again.

    Parameters
    ----------
    slot
        From seconds since 1970 (int64, shape (n,)) to slots.
    cycle
        Seconds until the slots begin again.
    """

    slot: Callable[[np.ndarray], np.ndarray]
    cycle: int


def weekday(seconds: np.ndarray) -> np.ndarray:
    """Return the day of the week of each time, Monday being 0."""
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
"""By name; the first is no season. Hours and days are those of UTC."""
ALL_TIMES = "all times"
FEWEST_CYCLES = {"hour of the day": 4, "day of the week": 3, "hour of workday or weekend": 2, "hour of the week": 3}


def possible(seconds: float) -> list[str]:
    """Name the seasons that a baseline of this length has seen often enough to know.

    Examples
    --------
    >>> possible(14 * 86_400)
    ['all times', 'hour of the day', 'hour of workday or weekend']
    """
    return [name for name, s in SEASONS.items() if name == ALL_TIMES or seconds >= FEWEST_CYCLES[name] * s.cycle]


def choose(largest: Mapping[str, float]) -> str:
    """Return the season under which unchanged windows differ least, or none where it does not pay.

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
    for name in SEASONS:  # from the coarsest to the finest: each must earn its thinner reference
        if name in largest and largest[name] < WORTH * largest[chosen]:
            chosen = name
    return chosen
