"""A circuit breaker: closed, open, half-open. A state machine without a clock; every transition has a reason.

Two kinds share it. A *budget* that is gone opens it until the period ends, and a new period closes it: there is nothing
to try out. An *error rate* or a firing rule opens it for a while; then it is half-open, lets a few requests through,
and what they say closes it or opens it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from detectors.cost.budget import SpendTotals

State = Literal["closed", "open", "half_open"]
STATES: tuple[State, ...] = ("closed", "open", "half_open")


@dataclass(frozen=True)
class BreakerObservation:
    """What a bucket says of a breaker's cause; ``bad`` is None when it could not tell, which is never bad.

    ``until`` is when the cause ends by itself, as a budget does with its period.
    """

    bad: bool | None
    reason: str
    until: datetime | None = None


@dataclass(frozen=True)
class Breaker:
    """How a breaker stands.

    Parameters
    ----------
    state, since, reason
        Since when, and why.
    until
        While it is open: when it tries again, or when its budget is renewed; None when nobody knows.
    who, held_until
        The person who set it by hand, and how long that holds against what is measured; None: until it is changed.
    number
        How many transitions it has had.
    episode
        The moment that it left ``closed``; what is told of one episode belongs together.
    """

    state: State
    since: datetime
    reason: str
    until: datetime | None = None
    who: str | None = None
    held_until: datetime | None = None
    number: int = 0
    episode: datetime | None = None

    def is_held(self, at: datetime) -> bool:
        """Say whether a person's word still stands."""
        return self.who is not None and (self.held_until is None or at < self.held_until)


def step(
    before: Breaker, observation: BreakerObservation, at: datetime, open_for: timedelta, *, renews: bool
) -> Breaker:
    """Return how a breaker stands after a bucket that ends at a moment.

    Parameters
    ----------
    open_for
        How long it stays open before it is half-open; not used when it renews.
    renews
        Whether the cause is a budget, which ends with its period.

    Examples
    --------
    >>> from datetime import UTC
    >>> noon, five = datetime(2026, 11, 20, 12, tzinfo=UTC), timedelta(minutes=5)
    >>> closed = Breaker("closed", noon, "nothing has happened yet")
    >>> opened = step(closed, BreakerObservation(True, "41 % of requests failed"), noon + five, five, renews=False)
    >>> opened.state, opened.until == noon + 2 * five
    ('open', True)
    >>> step(opened, BreakerObservation(None, "no traffic"), noon + 2 * five, five, renews=False).state
    'half_open'
    """
    if before.is_held(at):
        return before
    if before.who is not None:
        before = replace(before, who=None, held_until=None)
    if before.state == "closed" or (before.state == "half_open" and not renews):
        if observation.bad:
            return _open(before, observation, at, open_for)
        if before.state == "half_open" and observation.bad is False:
            return with_state(before, "closed", at, f"the probes went well: {observation.reason}")
        return before
    if renews or before.state == "half_open":
        if observation.bad is False:
            return with_state(before, "closed", at, observation.reason)
        return replace(before, until=observation.until) if observation.bad else before
    if before.until is None or at >= before.until:
        return with_state(before, "half_open", at, "it was open for as long as it was to be; probes are let through")
    return before


def _open(before: Breaker, observation: BreakerObservation, at: datetime, open_for: timedelta) -> Breaker:
    return with_state(before, "open", at, observation.reason, until=observation.until or at + open_for)


def with_state(
    before: Breaker,
    state: State,
    at: datetime,
    reason: str,
    *,
    until: datetime | None = None,
    who: str | None = None,
    held_until: datetime | None = None,
) -> Breaker:
    """Return a breaker after a transition."""
    episode = at if before.state == "closed" else before.episode
    return Breaker(state, at, reason, until, who, held_until, before.number + 1, episode)


def standing(breaker: Breaker, now: datetime, *, renews: bool) -> Breaker:
    """Return how a breaker stands between two buckets: what was to end by now has ended.

    All replicas that know the same breaker and the time say the same; the next bucket makes it a transition.

    Examples
    --------
    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> gone = Breaker("open", noon, "the day's budget is gone", until=noon + timedelta(hours=12))
    >>> standing(gone, noon + timedelta(hours=12), renews=True).state
    'closed'
    """
    if breaker.state != "open" or breaker.until is None or now < breaker.until or breaker.is_held(now):
        return breaker
    if renews:
        why = "what a person set has ended" if breaker.who else "a new period has begun"
        return replace(breaker, state="closed", since=breaker.until, reason=why, until=None, who=None)
    why = "it was open for as long as it was to be; probes are let through"
    return replace(breaker, state="half_open", since=breaker.until, reason=why, until=None, who=None)


def observe_budget(
    name: str, spent: SpendTotals, budget: float, pace: float, ahead: float, until: datetime, currency: str
) -> BreakerObservation:
    """Say whether a budget is gone now, which is later than the end of the bucket that is known.

    Parameters
    ----------
    spent
        Of the period, up to the end of the newest bucket.
    pace
        What the newest bucket cost.
    ahead
        How many buckets of that pace have gone by since, or are looked ahead.

    Notes
    -----
    A breaker that looks once a bucket learns of a crossing when the bucket is sealed and read, and the next look is a
    bucket later. Had it counted only what is known, a crossing just after a look would overspend by a bucket *and* the
    time of sealing. With the pace over the time since, what is spent beyond the budget is at most one bucket, at a
    steady pace; with one more bucket looked ahead it is nothing.

    Examples
    --------
    >>> from datetime import UTC
    >>> end = datetime(2026, 11, 21, tzinfo=UTC)
    >>> observe_budget("daily", SpendTotals(98.0, 400), 100.0, pace=10.0, ahead=0.1, until=end, currency="USD").bad
    False
    >>> observe_budget("daily", SpendTotals(99.5, 400), 100.0, pace=10.0, ahead=0.1, until=end, currency="USD").reason
    'the daily budget of 100.00 USD is gone: 99.50 are spent and about 1.00 since'
    """
    expected = pace * ahead
    least = f" (at least: {spent.unpriced} of {spent.requests} requests have no known price)" if spent.unpriced else ""
    since = f" and about {expected:,.2f} since" if expected >= 0.005 else ""  # noqa: PLR2004  half a cent
    if spent.amount + expected >= budget:
        reason = f"the {name} budget of {budget:,.2f} {currency} is gone: {spent.amount:,.2f} are spent{since}{least}"
        return BreakerObservation(True, reason, until)
    return BreakerObservation(
        False, f"{spent.amount:,.2f} of the {name} budget of {budget:,.2f} {currency} are spent{least}", until
    )


def observe_rate(signal: str, mean: float, count: int, above: float, needed: int) -> BreakerObservation:
    """Say whether too many requests of a bucket were bad; with too few requests that cannot be told.

    Examples
    --------
    >>> observe_rate("failed", 0.41, 120, 0.2, 20).reason
    'the mean of failed was 0.41 over 120 requests; 0.2 is allowed'
    """
    if count < needed:
        return BreakerObservation(
            None, f"too_few: the bucket has {count} requests that tell {signal}, {needed} are needed"
        )
    return BreakerObservation(
        mean > above, f"the mean of {signal} was {mean:.3g} over {count} requests; {above:g} is allowed"
    )
