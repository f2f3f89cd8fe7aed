"""Objectives: what share of requests may be bad, and whether the room for error burns too fast."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Literal

import numpy as np
from scipy import special

from detectors.amounts import format_share
from detectors.base import Finding, Status

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_STORED = np.dtype([("total", "<i8"), ("bad", "<f8")])
Urgency = Literal["page", "ticket", "any"]


@dataclass(frozen=True)
class BurnWindows:
    """Two windows that must both burn too fast: the long one so that it matters, the short one so that it goes on."""

    share: float
    long: timedelta
    short: timedelta
    urgency: Urgency

    def factor(self, period: timedelta) -> float:
        """Return how many times too fast uses up the share of the period's room within the long window."""
        return self.share * (period / self.long)


PAIRS = (
    BurnWindows(0.02, HOUR, 5 * MINUTE, "page"),
    BurnWindows(0.05, 6 * HOUR, 30 * MINUTE, "page"),
    BurnWindows(0.10, DAY, 2 * HOUR, "ticket"),
    BurnWindows(0.10, 3 * DAY, 6 * HOUR, "ticket"),
)
"""Of 30 days: 14.4 times over an hour, 6 over six, 3 over a day, 1 over three."""
CHANCE = 1e-3
"""Probability of as many bad requests in a long window by chance, above which they do not alert."""


@dataclass(frozen=True)
class EventCounts:
    """How many requests told whether they were bad, and how many were; a score between counts in part."""

    total: int = 0
    bad: float = 0.0
    definition: ClassVar[str] = "1"

    def __add__(self, other: EventCounts) -> EventCounts:
        """Add up two disjoint sets of requests."""
        return EventCounts(self.total + other.total, self.bad + other.bad)

    def to_bytes(self) -> bytes:
        """Return the stored form, of the same length for all."""
        return np.array([(self.total, self.bad)], dtype=_STORED).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> EventCounts:
        """Read what :meth:`to_bytes` wrote."""
        return cls.sum_bytes([data])

    @classmethod
    def sum_bytes(cls, stored: Iterable[bytes]) -> EventCounts:
        """Read and sum any number of stored events, without an object for each.

        Examples
        --------
        >>> EventCounts.sum_bytes([EventCounts(3, 1.5).to_bytes(), EventCounts(2, 0.0).to_bytes()])
        EventCounts(total=5, bad=1.5)
        """
        events = np.frombuffer(b"".join(stored), dtype=_STORED)
        return cls(int(events["total"].sum()), math.fsum(events["bad"]))

    @property
    def share(self) -> float:
        """Share of them that were bad; 0 of none."""
        return self.bad / self.total if self.total else 0.0


def starts(at: datetime, period: timedelta) -> list[datetime]:
    """Return since when requests must be counted to judge a moment.

    Examples
    --------
    >>> from datetime import UTC
    >>> len(starts(datetime(2026, 11, 20, tzinfo=UTC), 30 * DAY))
    8
    """
    return sorted({at - window for pair in PAIRS for window in (pair.long, pair.short)} | {at - period})


def largest_by_chance(total: int, share: float) -> float:
    """Return the number of bad requests that is exceeded with a probability of at most ``CHANCE``, exactly (binomial).

    Examples
    --------
    >>> largest_by_chance(120, 0.001), largest_by_chance(120_000, 0.001)
    (2.0, 155.0)
    """
    below = special.bdtrik(1 - CHANCE, total, share)
    return float(math.ceil(below)) if math.isfinite(below) else 0.0


def pair_excess(pair: BurnWindows, long: EventCounts, short: EventCounts, room: float, period: timedelta) -> float:
    """Return how far a pair of windows is beyond what alerts; above 1 it does.

    Both windows must be beyond the pair's rate, and the bad requests of the long one more than chance explains at half
    that rate (at the objective itself where half the rate is more). With much traffic the rate is what counts; where
    the objective allows less than a bad request in a window, a single one is beyond any rate and alerts nobody.

    Examples
    --------
    >>> few, more = EventCounts(120, 1.0), EventCounts(120, 3.0)
    >>> [round(pair_excess(PAIRS[1], long, EventCounts(10, 1.0), 0.001, 30 * DAY), 2) for long in (few, more)]
    [0.5, 1.5]
    """
    rate = room * pair.factor(period)
    least = max(rate * long.total, largest_by_chance(long.total, min(room, rate / 2)))
    return min(long.bad / least if least else 0.0, short.share / rate)


@dataclass(frozen=True)
class Objective:
    """A service level objective.

    Parameters
    ----------
    check, signal
        The name of the check, and the signal that says which requests are bad.
    target
        Share of the requests of ``period`` that must be good, such as 0.99.
    urgency
        Which pairs of windows are judged.
    min_samples
        A pair whose long window holds fewer is not judged: one bad request of three is no trend.
    """

    check: str
    signal: str
    target: float
    period: timedelta = 30 * DAY
    urgency: Urgency = "any"
    min_samples: int = 100


def burning(objective: Objective, at: datetime, counted: Mapping[datetime, EventCounts]) -> Finding:
    """Say whether an objective's room for error is used up so much too fast that it should be known now.

    The statistic is how far the worst pair of windows is beyond its rate (:func:`pair_excess`); one that pages is worse
    than any other.

    Parameters
    ----------
    counted
        Requests since each of :func:`starts`, up to ``at``.

    Limits
    ------
    Windows shorter than a bucket are as long as one. Where the log is younger than a window, what there is counts.
    Requests are taken to fail independently: what fails again at each retry counts as often. With little traffic a slow
    burn takes long to tell from chance; `make bench-objectives` prints the delays.

    References
    ----------
    Beyer et al. (eds.), *The Site Reliability Workbook*, 2018, chapter 5 (multiwindow, multi-burn-rate alerts).

    Examples
    --------
    >>> from datetime import UTC
    >>> at = datetime(2026, 11, 20, tzinfo=UTC)
    >>> counted = {start: EventCounts(1000, 200.0) for start in starts(at, 30 * DAY)}
    >>> finding = burning(Objective("slo", "failed", 0.99), at, counted)
    >>> finding.status.value, round(finding.statistic, 1)
    ('drifted', 3.3)
    """
    period, least = objective.period, objective.min_samples
    whole = counted[at - period]
    stated = Finding(
        objective.check,
        objective.signal,
        "burn_rate",
        None,
        Status.INCONCLUSIVE,
        "",
        n_window=whole.total,
        unit="of the rate that alerts",
        detail=_describe(objective.target, at, counted, period),
    )
    pairs = [p for p in PAIRS if objective.urgency in ("any", p.urgency) and counted[at - p.long].total >= least]
    if not pairs:
        reason = f"too_few: {whole.total} requests tell {objective.signal!r}, {least} are needed in a window"
        return replace(stated, reason=reason)
    return _worst(stated, [(p, counted[at - p.long], counted[at - p.short]) for p in pairs], period)


def _worst(
    stated: Finding, judged: Sequence[tuple[BurnWindows, EventCounts, EventCounts]], period: timedelta
) -> Finding:
    """Conclude by the worst of several pairs, each with what its long and its short window hold."""
    room, left = 1 - float(str(stated.detail["objective"])), float(str(stated.detail["left"]))
    measured = [(pair_excess(*one, room, period), one) for one in judged]
    excess, (pair, long, short) = max(measured, key=lambda each: _gravity(each[1][0], each[0]))
    speed = min(long.share, short.share) / room
    rate, length = format_share(min(long.share, short.share)), _format_length(pair.long)
    sentence = f"{stated.column} rate {rate} over {length}, {speed:.1f} times what the objective allows; "
    sentence += f"{format_share(left)} of the error budget of {_format_length(period)} left"
    if excess <= 1 < speed / pair.factor(period):
        sentence += f"; {long.bad:g} bad of {long.total} requests may be chance"
    status = Status.DRIFTED if excess > 1 else Status.OK
    detail = {**stated.detail, "urgency": pair.urgency, "speed": speed}
    return replace(stated, status=status, reason=sentence, statistic=excess, threshold=1.0, detail=detail)


def _gravity(pair: BurnWindows, excess: float) -> tuple[bool, float]:
    """Put a pair that pages before any that only wants a ticket, and else the one furthest beyond its rate."""
    return excess > 1 and pair.urgency == "page", excess


def _describe(
    objective: float, at: datetime, counted: Mapping[datetime, EventCounts], period: timedelta
) -> dict[str, object]:
    room, whole = 1 - objective, counted[at - period]
    return {
        "objective": objective,
        "value": whole.share,
        "left": 1 - whole.share / room,
        "period_seconds": period.total_seconds(),
        "burns": {_format_length(window): counted[at - window].share / room for window in _windows()},
    }


def _windows() -> Sequence[timedelta]:
    return sorted({window for pair in PAIRS for window in (pair.long, pair.short)})


def _format_length(length: timedelta) -> str:
    for unit, word in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if length >= unit:
            return f"{length / unit:g}{word}"
    return f"{length.total_seconds():g}s"
