"""Service level objectives: error budget and burn rate."""

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
    """Two windows that must both exceed a burn rate: the long one shows relevance, the short one that it goes on."""

    share: float
    long: timedelta
    short: timedelta
    urgency: Urgency

    def factor(self, period: timedelta) -> float:
        """Return the burn rate that consumes the pair's share of the period's error budget within the long window."""
        return self.share * (period / self.long)


PAIRS = (
    BurnWindows(0.02, HOUR, 5 * MINUTE, "page"),
    BurnWindows(0.05, 6 * HOUR, 30 * MINUTE, "page"),
    BurnWindows(0.10, DAY, 2 * HOUR, "ticket"),
    BurnWindows(0.10, 3 * DAY, 6 * HOUR, "ticket"),
)
"""Burn rates for 30 days: 14.4 over an hour, 6 over six hours, 3 over a day, 1 over three days."""
CHANCE = 1e-3
"""Largest p-value of the number of bad requests in a long window that alerts."""


@dataclass(frozen=True)
class EventCounts:
    """Number of requests with a known result, and of bad ones; fractional scores count in part."""

    total: int = 0
    bad: float = 0.0
    definition: ClassVar[str] = "1"

    def __add__(self, other: EventCounts) -> EventCounts:
        """Add up two disjoint sets of requests."""
        return EventCounts(self.total + other.total, self.bad + other.bad)

    def to_bytes(self) -> bytes:
        """Return the stored form, which has a fixed length."""
        return np.array([(self.total, self.bad)], dtype=_STORED).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> EventCounts:
        """Read the output of :meth:`to_bytes`."""
        return cls.sum_bytes([data])

    @classmethod
    def sum_bytes(cls, stored: Iterable[bytes]) -> EventCounts:
        """Read and sum stored counts, without an object for each.

        Examples
        --------
        >>> EventCounts.sum_bytes([EventCounts(3, 1.5).to_bytes(), EventCounts(2, 0.0).to_bytes()])
        EventCounts(total=5, bad=1.5)
        """
        events = np.frombuffer(b"".join(stored), dtype=_STORED)
        return cls(int(events["total"].sum()), math.fsum(events["bad"]))

    @property
    def share(self) -> float:
        """Share of bad requests; 0 without requests."""
        return self.bad / self.total if self.total else 0.0


def starts(at: datetime, period: timedelta) -> list[datetime]:
    """Return the start times of the counts that the check of a time needs.

    Examples
    --------
    >>> from datetime import UTC
    >>> len(starts(datetime(2026, 11, 20, tzinfo=UTC), 30 * DAY))
    8
    """
    return sorted({at - window for pair in PAIRS for window in (pair.long, pair.short)} | {at - period})


def largest_by_chance(total: int, share: float) -> float:
    """Return the upper ``CHANCE`` quantile of the number of bad requests, exactly (binomial).

    Examples
    --------
    >>> largest_by_chance(120, 0.001), largest_by_chance(120_000, 0.001)
    (2.0, 155.0)
    """
    below = special.bdtrik(1 - CHANCE, total, share)
    return float(math.ceil(below)) if math.isfinite(below) else 0.0


def pair_excess(pair: BurnWindows, long: EventCounts, short: EventCounts, room: float, period: timedelta) -> float:
    """Return the ratio of a pair of windows to its alert limit; above 1 it alerts.

    Both windows must exceed the pair's burn rate, and the number of bad requests of the long one must be significant at
    half that rate (or at the objective itself if that is more). With much traffic the burn rate decides; where the
    objective allows less than one bad request in a window, a single one exceeds any burn rate and does not alert.

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
    """Service level objective.

    Parameters
    ----------
    check, signal
        Name of the check, and the signal that marks bad requests.
    target
        Required share of good requests of ``period``, such as 0.99.
    urgency
        Pairs of windows that are evaluated.
    min_samples
        Fewest requests of the long window of a pair that is evaluated.
    """

    check: str
    signal: str
    target: float
    period: timedelta = 30 * DAY
    urgency: Urgency = "any"
    min_samples: int = 100


def burning(objective: Objective, at: datetime, counted: Mapping[datetime, EventCounts]) -> Finding:
    """Return whether the error budget of an objective is consumed so fast that it should alert now.

    The statistic is the largest ratio of a pair of windows to its limit (:func:`pair_excess`); a pair of urgency
    ``page`` ranks before any other.

    Parameters
    ----------
    counted
        Requests since each of :func:`starts`, up to ``at``.

    Limits
    ------
    Windows shorter than a bucket have the length of one. If the log is shorter than a window, the available part
    counts. Requests are assumed to fail independently: repeated failures of retries are counted separately. With little
    traffic a slow burn takes long to become significant; `make bench-objectives` prints the delays.

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
    """Return the finding of the worst of several pairs, each with the counts of its long and short window."""
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
    """Return a sort key: pairs of urgency ``page`` first, then the largest excess."""
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
