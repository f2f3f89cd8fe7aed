"""Cost of a drift so far, and payback period of a retraining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict


@dataclass(frozen=True)
class RequestPeriod:
    """Requests of a period, and the excess of their error rate over the baseline's.

    Parameters
    ----------
    requests
        Number of requests.
    days
        Length of the period.
    extra
        Difference of their error rate from the baseline's; negative for fewer errors.
    low, high
        Its 95 % interval.
    """

    requests: int
    days: float
    extra: float
    low: float
    high: float


Payback = TypedDict(
    "Payback",
    {
        "cost": dict[str, float],
        "daily": dict[str, float],
        "days": float,
        "price": float,
        "horizon_days": float,
        "payback_days": float | None,
        "return": dict[str, float],
        "verdict": str,
        "why": str,
    },
    total=False,
)
"""Cost of a drift against a retraining; if it is unknown, the price, the verdict, and the reason."""


def payback(stretches: Sequence[RequestPeriod], error_cost: float, price: float, horizon: float = 30.0) -> Payback:
    """Compare the cost of a drift with that of a retraining.

    Parameters
    ----------
    stretches
        Since the start of the drift, in the order of time.
    error_cost
        Cost of one wrong answer, set by the user.
    price
        Cost of a retraining: machines, labels, people.
    horizon
        Days for which a retraining is assumed to be effective.

    Returns
    -------
    dict
        ``cost`` so far and ``daily`` now, each with its interval; ``payback_days``; ``return``, the net gain over the
        horizon per unit of the price; and ``verdict``.

    Limits
    ------
    Assumes that a retraining restores the baseline's error rate, and that all errors cost the same. Windows overlap, so
    the interval adds the ends as if errors were fully correlated. ``daily`` is that of the last quarter of the time.

    Examples
    --------
    >>> result = payback([RequestPeriod(1000, 1.0, 0.05, 0.03, 0.07)] * 4, error_cost=2.0, price=500.0)
    >>> result["cost"]["value"], result["daily"]["value"], result["payback_days"], result["verdict"]
    (400.0, 100.0, 5.0, 'pays')
    """
    days = sum(one.days for one in stretches)
    if not stretches or days <= 0:
        return {"verdict": "not known", "why": "no performance of the time since the drift is known", "price": price}
    recent, left = [], days / 4
    for one in reversed(stretches):
        recent.append(one)
        left -= one.days
        if left <= 0:
            break
    cost, late = _cost(stretches, error_cost), _cost(recent, error_cost)
    span = sum(one.days for one in recent)
    daily = {end: value / span for end, value in late.items()}
    gain = {end: (value * horizon - price) / price for end, value in daily.items()}
    return {
        "cost": cost,
        "daily": daily,
        "days": days,
        "price": price,
        "horizon_days": horizon,
        "payback_days": price / daily["value"] if daily["value"] > 0 else None,
        "return": gain,
        "verdict": "pays" if gain["low"] > 0 else "does not pay" if gain["high"] < 0 else "unclear",
    }


def _cost(stretches: Sequence[RequestPeriod], error_cost: float) -> dict[str, float]:
    ends = {"value": "extra", "low": "low", "high": "high"}
    return {end: sum(one.requests * getattr(one, name) for one in stretches) * error_cost for end, name in ends.items()}
