"""Budgets: spending of a day or a month, and whether it stays within the budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from detectors.base import Finding, Status
from detectors.cost.forecast import Forecast

Period = Literal["daily", "monthly"]
PERIODS: tuple[Period, ...] = ("daily", "monthly")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BURNS = ((HOUR, 5 * MINUTE, 14.4), (6 * HOUR, 30 * MINUTE, 6.0), (DAY, 2 * HOUR, 3.0), (3 * DAY, 6 * HOUR, 1.0))
"""Long and short window, and the burn rate that alerts in both: 2, 5, 10 and 10 % of a month's budget."""


@dataclass(frozen=True)
class SpendTotals:
    """Cost and number of requests, the number without a known price, and the number of buckets that were not read."""

    amount: float = 0.0
    requests: int = 0
    unpriced: int = 0
    unknown: int = 0

    def __add__(self, other: SpendTotals) -> SpendTotals:
        """Add up two disjoint sets of requests."""
        return SpendTotals(
            self.amount + other.amount,
            self.requests + other.requests,
            self.unpriced + other.unpriced,
            self.unknown + other.unknown,
        )


@dataclass(frozen=True)
class Requests:
    """Requests by token budget: number with a known size, number over the budget, the largest, and number unknown."""

    known: int = 0
    over: int = 0
    worst: float = 0.0
    unknown: int = 0

    def __add__(self, other: Requests) -> Requests:
        """Add up two disjoint sets of requests."""
        return Requests(
            self.known + other.known, self.over + other.over, max(self.worst, other.worst), self.unknown + other.unknown
        )


def bounds(at: datetime, period: Period, zone: str) -> tuple[datetime, datetime]:
    """Return the day or month of a zone's calendar that contains a time, in UTC; a day may have 23 or 25 hours.

    The end of a bucket at midnight belongs to the previous day: ``at`` is the end of the available data.

    Examples
    --------
    >>> start, end = bounds(datetime(2026, 10, 25, 12, tzinfo=UTC), "daily", "Europe/Berlin")
    >>> start.isoformat(), (end - start).total_seconds() / 3600
    ('2026-10-24T22:00:00+00:00', 25.0)
    """
    local = (at - timedelta(microseconds=1)).astimezone(ZoneInfo(zone))
    first = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period == "daily":
        following = (first.replace(tzinfo=None) + DAY).replace(tzinfo=first.tzinfo)
    else:
        first = first.replace(day=1)
        following = (first.replace(tzinfo=None) + 31 * DAY).replace(day=1, tzinfo=first.tzinfo)
    return first.astimezone(UTC), following.astimezone(UTC)


@dataclass(frozen=True)
class SpendScope:
    """Scope of a budget: name of the check, column of the cost, time zone and currency.

    ``segment`` is the segment of the traffic; None is all of it.
    """

    check: str
    column: str
    zone: str
    currency: str
    segment: str | None = None


def find_unassigned(
    scope: SpendScope, period: Period, at: datetime, total: SpendTotals, left: Mapping[str, SpendTotals]
) -> Finding | None:
    """Return the cost of a period outside of all budgets by value: requests without a value, and values beyond the cap.

    Never bad by itself; None if there is no such cost.

    Examples
    --------
    >>> at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> nobody = {"(missing)": SpendTotals(5, 1)}
    >>> scope = SpendScope("spend", "price", "UTC", "USD", "tenant")
    >>> find_unassigned(scope, "daily", at, SpendTotals(50, 9), nobody).reason
    '5.00 of 50.00 USD since 2026-11-20 00:00 UTC belong to no single tenant: 5.00 (missing)'
    """
    amount = sum(spent.amount for spent in left.values())
    requests = sum(spent.requests for spent in left.values())
    if not requests:
        return None
    local = bounds(at, period, scope.zone)[0].astimezone(ZoneInfo(scope.zone))
    parts = ", ".join(f"{spent.amount:,.2f} {name}" for name, spent in sorted(left.items()))
    reason = (
        f"{amount:,.2f} of {total.amount:,.2f} {scope.currency} since {local:%Y-%m-%d %H:%M} {scope.zone} "
        f"belong to no single {scope.segment}: {parts}"
    )
    return Finding(
        scope.check,
        scope.column,
        f"{period}_unassigned",
        scope.segment,
        Status.OK,
        reason,
        amount / total.amount if amount else 0.0,
        n_window=requests,
        unit="of what was spent",
        detail={"unassigned": amount, "currency": scope.currency},
    )


def per_request(check: str, limit: int, requests: Requests, tolerated: float = 0.0) -> Finding:
    """Compare the tokens of a bucket's single requests with their budget.

    The statistic is the share of requests over the budget, which drifts if it exceeds ``tolerated``. Requests of
    unknown size are not counted; if all are unknown, the result is inconclusive.

    Examples
    --------
    >>> per_request("spend", 16000, Requests(200, 3, 48213.0, 5)).reason[:75]
    '1.5 % of requests (3 of 200) used more than 16,000 tokens, the largest 48,2'
    """
    stated = Finding(check, "tokens", "per_request", None, Status.INCONCLUSIVE, "", unit="of the requests")
    if not requests.known:
        why = "too_few: no request of the bucket has a known size; map `input_tokens` and `output_tokens`"
        return replace(stated, reason=why if requests.unknown else "too_few: the bucket has no requests")
    share = requests.over / requests.known
    sentence = f"{100 * share:.1f} % of requests ({requests.over} of {requests.known}) used more than {limit:,} tokens"
    sentence += f", the largest {requests.worst:,.0f}"
    if requests.unknown:
        sentence += f"; the size of {requests.unknown} more is unknown"
    return replace(
        stated,
        status=Status.DRIFTED if share > tolerated else Status.OK,
        reason=sentence,
        statistic=share,
        threshold=tolerated or None,
        n_window=requests.known,
        detail={"limit": limit, "over": requests.over, "worst": requests.worst, "unknown": requests.unknown},
    )


def starts(at: datetime, zone: str) -> list[datetime]:
    """Return the start times of the sums that the checks of a time need.

    Examples
    --------
    >>> len(starts(datetime(2026, 11, 20, 12, tzinfo=UTC), "UTC"))
    9
    """
    windows = {window for long, short, _ in BURNS for window in (long, short)}
    return sorted({bounds(at, period, zone)[0] for period in PERIODS} | {at - window for window in windows})


def against_budget(
    scope: SpendScope, period: Period, budget: float, at: datetime, spent: SpendTotals, forecast: Forecast | None = None
) -> Finding:
    """Compare the cost of a period so far with its budget.

    The statistic is the share of the budget that is spent; ``detail`` has the amount, and the linear projection to the
    end of the period.

    Limits
    ------
    The projection assumes a constant pace, and is used only without a ``forecast``. Requests without a known price are
    not in the amount; the reason states their number.

    Examples
    --------
    >>> at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> scope = SpendScope("spend", "price", "UTC", "USD")
    >>> result = against_budget(scope, "daily", 200.0, at, SpendTotals(212.4, 900, 9))
    >>> result.status.value, result.reason[:66]
    ('drifted', '212.40 USD spent since 2026-11-20 00:00 UTC, budget 200.00 USD; at')
    """
    zone = scope.zone
    first, last = bounds(at, period, zone)
    pace = spent.amount * ((last - first) / max(at - first, MINUTE))
    share = spent.amount / budget
    local = first.astimezone(ZoneInfo(zone))
    whose = f" for {scope.segment}" if scope.segment else ""
    reason = f"{spent.amount:,.2f} {scope.currency} spent{whose} since {local:%Y-%m-%d %H:%M} {zone}"
    reason += f", budget {budget:,.2f} {scope.currency}{at_least(spent)}"
    if share < 1 and forecast is not None:
        reason += f"; {foreseen(forecast, last, zone)}"
    elif share < 1 < pace / budget:
        by = f"{last.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
        reason += f"; {pace:,.2f} {scope.currency} by {by} at this pace"
    return Finding(
        scope.check,
        scope.column,
        period,
        scope.segment,
        Status.DRIFTED if share >= 1 else Status.OK,
        reason,
        share,
        1.0,
        n_window=spent.requests,
        unit="of budget",
        detail={
            "value": spent.amount,
            "budget": budget,
            "pace": pace,
            "unpriced": spent.unpriced,
            "unknown": spent.unknown,
            "currency": scope.currency,
            **(forecast.detail() if forecast else {}),
        },
    )


def at_least(spent: SpendTotals) -> str:
    """Return a note that an amount is a lower bound, if requests have no price or buckets could not be read.

    Examples
    --------
    >>> at_least(SpendTotals(1.0, 10, 0, 2))
    '; at least that much: 2 buckets failed with unknown cost'
    """
    notes = [f"{spent.unpriced} of {spent.requests} requests have no known price"] if spent.unpriced else []
    if spent.unknown:
        buckets = "a bucket" if spent.unknown == 1 else f"{spent.unknown} buckets"
        notes.append(f"{buckets} failed with unknown cost")
    return f"; at least that much: {' and '.join(notes)}" if notes else ""


def foreseen(forecast: Forecast, last: datetime, zone: str) -> str:
    """Format the forecast of a period's cost with its interval."""
    by = f"{last.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    return f"forecast {forecast.middle:,.2f} by {by} (80 % interval {forecast.low:,.2f} to {forecast.high:,.2f})"


def overrun(
    scope: SpendScope, budget: float, at: datetime, forecast: Forecast | None, spent: SpendTotals = SpendTotals()
) -> Finding:
    """Forecast whether the month's budget will be exceeded: bad if even the lower end of the interval exceeds it.

    The statistic is the lower end divided by the budget, so one in ten such months would stay within the budget.

    Examples
    --------
    >>> at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> scope = SpendScope("spend", "price", "UTC", "USD")
    >>> overrun(scope, 800.0, at, Forecast(900.0, 990.0, 1100.0)).status.value
    'drifted'
    """
    stated = Finding(scope.check, scope.column, "forecast", scope.segment, Status.INCONCLUSIVE, "", unit="of budget")
    if forecast is None:
        return replace(stated, reason="too_few: a forecast of the month needs 14 whole days of spending")
    last = bounds(at, "monthly", scope.zone)[1]
    whose = f" for {scope.segment}" if scope.segment else ""
    reason = f"{foreseen(forecast, last, scope.zone)}{whose}, budget {budget:,.2f} {scope.currency}{at_least(spent)}"
    return replace(
        stated,
        status=Status.DRIFTED if forecast.low > budget else Status.OK,
        reason=reason,
        statistic=forecast.low / budget,
        threshold=1.0,
        detail={"budget": budget, **forecast.detail()},
    )


def burning(scope: SpendScope, budget: float, at: datetime, spent: Mapping[datetime, SpendTotals]) -> Finding:
    """Return whether a month's budget is spent so fast that it should alert now.

    Both windows of a pair must reach its burn rate: the long one shows that the amount matters, the short one that
    spending has not stopped. The statistic is the largest ratio of the burn rate to that of its pair.

    Parameters
    ----------
    spent
        Since each of :func:`starts`, up to ``at``.

    References
    ----------
    Beyer et al. (eds.), *The Site Reliability Workbook*, 2018, chapter 5 (multiwindow, multi-burn-rate alerts).

    Examples
    --------
    >>> at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> even = {start: SpendTotals(720 * ((at - start) / (30 * DAY))) for start in starts(at, "UTC")}
    >>> burning(SpendScope("spend", "price", "UTC", "USD"), 800.0, at, even).reason
    "the month's budget was spent at 0.9 times the allowed rate over the last 3 days"
    """
    first, last = bounds(at, "monthly", scope.zone)
    allowed = budget / (last - first).total_seconds()

    def rate(window: timedelta) -> float:
        return spent[at - window].amount / window.total_seconds() / allowed

    rates = [
        (min(rate(long), rate(short)) / factor, min(rate(long), rate(short)), long) for long, short, factor in BURNS
    ]
    worst, speed, over = max(rates, key=lambda one: one[0])
    reason = f"the month's budget was spent at {speed:.1f} times the allowed rate over the last {_format_length(over)}"
    left = budget - spent[first].amount
    if worst > 1 and left > 0:
        gone = timedelta(seconds=left / (allowed * speed))
        reason += f"; the remaining {left:,.2f} {scope.currency} last {_format_length(gone)} at this rate"
    reason += at_least(spent[first])
    status = Status.DRIFTED if worst > 1 else Status.OK
    return Finding(
        scope.check,
        scope.column,
        "burn_rate",
        None,
        status,
        reason,
        worst,
        1.0,
        n_window=spent[at - over].requests,
        unit="of the rate that alerts",
        detail={"value": speed, "window_seconds": over.total_seconds(), "budget": budget},
    )


def _format_length(length: timedelta) -> str:
    hours = length / HOUR
    return (
        f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    )
