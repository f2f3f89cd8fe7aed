"""Circuit breaker: a state machine (closed, open, half-open) without a clock; each transition has a reason.

There are two kinds. An exhausted *budget* opens the breaker until the period ends, and a new period closes it without
probes. An *error rate* or a firing rule opens it for a fixed time; then it is half-open and admits a few requests,
whose results close it or open it again.
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
    """Observation of a breaker's cause in a bucket; ``bad`` is None if it is unknown, which never counts as bad.

    ``until`` is the time at which the cause ends by itself, such as the end of a budget's period.
    """

    bad: bool | None
    reason: str
    until: datetime | None = None


@dataclass(frozen=True)
class Breaker:
    """State of a breaker.

    Parameters
    ----------
    state, since, reason
        State, time of the last transition, and its reason.
    until
        While open: the time of the next probe, or of the renewal of the budget; None if unknown.
    who, held_until
        Person who set the state manually, and the time until which it overrides measurements; None: until it is
        changed.
    number
        Number of transitions so far.
    episode
        Time at which it left ``closed``; messages about one episode belong together.
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
        """Return whether a manual setting is in effect."""
        return self.who is not None and (self.held_until is None or at < self.held_until)


def step(
    before: Breaker, observation: BreakerObservation, at: datetime, open_for: timedelta, *, renews: bool
) -> Breaker:
    """Return the state of a breaker after a bucket that ends at ``at``.

    Parameters
    ----------
    open_for
        Time from open to half-open; not used if ``renews``.
    renews
        Whether the cause is a budget, which ends with its period.

    Examples
    --------
    >>> from datetime import UTC
    >>> noon, five = datetime(2026, 11, 20, 12, tzinfo=UTC), timedelta(minutes=5)
    >>> closed = Breaker("closed", noon, "no state change yet")
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
            return with_state(before, "closed", at, f"the probes succeeded: {observation.reason}")
        return before
    if renews or before.state == "half_open":
        if observation.bad is False:
            return with_state(before, "closed", at, observation.reason)
        return replace(before, until=observation.until) if observation.bad else before
    if before.until is None or at >= before.until:
        return with_state(before, "half_open", at, "the open time has passed; probes are let through")
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
    """Return the state of a breaker between two buckets, with expired states updated.

    The result depends only on the breaker and the time, so all replicas agree; the next bucket makes it a transition.

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
        why = "the manual setting has expired" if breaker.who else "a new period has begun"
        return replace(breaker, state="closed", since=breaker.until, reason=why, until=None, who=None)
    why = "the open time has passed; probes are let through"
    return replace(breaker, state="half_open", since=breaker.until, reason=why, until=None, who=None)


def observe_budget(
    name: str, spent: SpendTotals, budget: float, pace: float, ahead: float, until: datetime, currency: str
) -> BreakerObservation:
    """Return whether a budget is exhausted at the current time, extrapolated from the end of the last bucket.

    Parameters
    ----------
    spent
        Of the period, up to the end of the newest bucket.
    pace
        Cost of the newest bucket.
    ahead
        Number of buckets at that pace since then, plus those to look ahead.

    Notes
    -----
    A breaker that is evaluated once per bucket detects a crossing when the bucket is sealed and read, and is evaluated
    again a bucket later. Without extrapolation, a crossing just after an evaluation would overspend by a bucket *plus*
    the settle time. With it, at a constant pace, overspending is at most one bucket, and none with one more bucket of
    look-ahead.

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
    """Return whether too many requests of a bucket were bad; unknown with too few requests.

    Examples
    --------
    >>> observe_rate("failed", 0.41, 120, 0.2, 20).reason
    'the mean of failed was 0.41 over 120 requests; 0.2 is allowed'
    """
    if count < needed:
        return BreakerObservation(
            None, f"too_few: the bucket has {count} requests with a value of {signal}; at least {needed} are required"
        )
    return BreakerObservation(
        mean > above, f"the mean of {signal} was {mean:.3g} over {count} requests; {above:g} is allowed"
    )
