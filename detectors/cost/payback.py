"""What a drift has cost so far, and when a retraining would have paid for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict


@dataclass(frozen=True)
class RequestPeriod:
    """Some requests, and how much more often they were answered wrongly than in the baseline.

    Parameters
    ----------
    requests
        How many.
    days
        How long they took.
    extra
        Share of them that is wrong beyond the baseline's; below 0 where there are fewer errors.
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
"""What a drift costs against a retraining; where that is not known, its price, the verdict, and why."""


def payback(stretches: Sequence[RequestPeriod], error_cost: float, price: float, horizon: float = 30.0) -> Payback:
    """Hold what a drift costs against what a retraining would.

    Parameters
    ----------
    stretches
        Since the drift began, in the order of time.
    error_cost
        Of one wrong answer, as the operator reckons it.
    price
        Of a retraining: machines, labels, people.
    horizon
        Days that a retraining is taken to help.

    Returns
    -------
    dict
        ``cost`` so far and ``daily`` now, each with its interval; ``payback_days``; ``return``, what is gained over the
        horizon for each unit of the price, less that unit; and ``verdict``.

    Limits
    ------
    Takes a retraining to bring the baseline's rate of errors back, and errors to cost the same. Windows overlap, so
    the interval adds the ends up as if all erred together. ``daily`` is that of the last quarter of the time.

    Examples
    --------
    >>> told = payback([RequestPeriod(1000, 1.0, 0.05, 0.03, 0.07)] * 4, error_cost=2.0, price=500.0)
    >>> told["cost"]["value"], told["daily"]["value"], told["payback_days"], told["verdict"]
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
