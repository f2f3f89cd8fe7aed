"""Cost of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from detectors.binning import numbers, to_categories
from detectors.cost.price import Machines, OwnPrice, PricedRequests, Rates, Tariff, Tokens, price
from detectors.records import Column, Records, row_count
from detectors.signals import failed
from detectors.signals.base import Signal

NEEDS = ("model_version", "input_tokens", "output_tokens")
COUNTS = {
    "cached_tokens": "cached",
    "cache_write_tokens": "written",
    "cached_audio_tokens": "cached_audio",
    "input_audio_tokens": "input_audio",
    "input_image_tokens": "input_image",
    "reasoning_tokens": "reasoning",
    "output_audio_tokens": "output_audio",
    "output_image_tokens": "output_image",
}
"""Columns of counts, and their kinds of tokens."""
USES = (*COUNTS, "cost", "cache_hit", "provider", "status", "timestamp")


@dataclass(frozen=True)
class Price(Tariff):
    """Price each request: its logged cost, else your own price, else the list of genai-prices; else missing.

    A logged 0 counts as unknown, unless the model is free by your prices or the list, or the answer is from a cache
    (``cache_hit``). A failed request (by its ``status``, as for the signal ``failed``) without a logged cost is not
    priced by the list and costs 0.

    Limits
    ------
    As of :func:`detectors.cost.price.price`: newer models are unpriced until genai-prices is upgraded, and discounts
    are not included. ``input_tokens`` includes cached tokens, as in OpenTelemetry. A failed request for which the
    provider charges costs 0 unless its cost is logged.

    References
    ----------
    pydantic/genai-prices, a list of dated prices.

    Examples
    --------
    >>> columns = {"model_version": ["gpt-4o", "nobody-1"], "input_tokens": [1e6, 1e6], "output_tokens": [0, 0]}
    >>> result = Price()({name: Column.of(values) for name, values in columns.items()})
    >>> float(result.values[0]), result.missing.tolist()
    (2.5, [False, True])
    """

    def __call__(self, records: Records) -> Column:
        """Return the cost of each request."""
        cost = self.priced(records).cost
        return Column(cost, np.isnan(cost))

    def priced(self, records: Records) -> PricedRequests:
        """Return cost and source of each request."""
        logged = numbers(records["cost"])[0] if "cost" in records else None
        models, providers = to_categories(records["model_version"]), records.get("provider")
        result = price(
            models,
            read_tokens(records),
            logged,
            None if providers is None else to_categories(providers),
            read_seconds(records),
            read_failures(records),
            self,
        )
        if logged is None or "cache_hit" not in records:
            return result
        free = (logged == 0) & np.array(
            [word.lower() == "true" for word in to_categories(records["cache_hit"])], dtype=bool
        )
        return PricedRequests(np.where(free, 0.0, result.cost), np.where(free, "logged", result.source))


def read_tokens(records: Records) -> Tokens:
    """Return the token counts of each request, by the columns of counts."""
    columns = {name: numbers(records[name])[0] for name in (*NEEDS[1:], *COUNTS) if name in records}
    counts = {part: columns[name] for name, part in COUNTS.items() if name in columns}
    return Tokens(columns["input_tokens"], columns["output_tokens"], **counts)


def read_failures(records: Records) -> np.ndarray | None:
    """Return a mask of failed requests; None without a status."""
    return failed.compute(records).values == 1 if "status" in records else None


def read_seconds(records: Records) -> np.ndarray | None:
    """Return the time of each request; None without times."""
    if "timestamp" not in records:
        return None
    seconds, _ = numbers(records["timestamp"])
    return np.nan_to_num(seconds, nan=0.0) if row_count(records) else seconds


def configure(
    *,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    rate: float | Mapping[date, float] = 1.0,
    logged_in_dollars: bool = False,
) -> Signal:
    """Set your own prices by model, and the exchange rate of a US dollar in the currency of your account.

    Prices of a model are ``input``, ``output``, ``cached``, ``written``, ``reasoning``, ``input_audio`` … (per million
    tokens) and ``request``; or, for own machines, ``hourly``, ``tokens_per_second``, ``machines``, ``utilisation``,
    ``spot``, ``spot_share``, ``batch`` and ``input_tokens_per_second``. ``rate`` may be a table by day, where each
    entry is valid from its day on. With ``logged_in_dollars`` the logged cost is converted, too.
    """
    own = {model: own_price(model, rates_of_model) for model, rates_of_model in (prices or {}).items()}
    return _signal(Price(own, rates(rate), logged_in_dollars))


def rates(rate: float | Mapping[date, float]) -> Rates:
    """Parse a rate, or a table of rates by day.

    Examples
    --------
    >>> rates({date(1970, 1, 3): 0.9, date(1970, 1, 2): 0.8})
    ((1, 0.8), (2, 0.9))
    """
    table = {} if isinstance(rate, int | float) else rate
    if not all(value > 0 for value in (table.values() if table else [rate])):  # type: ignore[operator]
        raise ValueError("`rate` must be above 0: the value of one US dollar in the currency of your account.")
    if isinstance(rate, int | float):
        return float(rate)
    return tuple(sorted(((day - date(1970, 1, 1)).days, value) for day, value in table.items()))


def own_price(model: str, entries: Mapping[str, float]) -> OwnPrice:
    """Parse one price set by the user.

    Examples
    --------
    >>> own_price("small-7b", {"input": 0.1, "output": 0.3}).output
    0.3
    """
    try:
        return Machines(**entries).price() if "hourly" in entries else OwnPrice(**entries)  # type: ignore[arg-type]
    except TypeError:
        allowed = (
            "`input`, `output`, `cached`, `reasoning` …, `request`; or `hourly`, `tokens_per_second`, `machines` …"
        )
        raise ValueError(
            f"the price of {model!r} must have the keys {allowed}; it has: {', '.join(entries)}."
        ) from None


def _signal(compute: Price) -> Signal:
    return Signal(
        name="price",
        needs=NEEDS,
        kind="numeric",
        better="lower",
        compute=compute,
        unit="currency",
        cost="over 200,000",
        citation="pydantic/genai-prices",
        uses=USES,
        configure=configure,
    )


SIGNAL = _signal(Price())
