"""What a request cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from detectors.layout import numbers, words_of
from detectors.records import Column, Records, row_count
from detectors.signals.base import Signal
from detectors.spend.price import OwnPrice, Priced, Tokens, price

NEEDS = ("model_version", "input_tokens", "output_tokens")
USES = ("cached_tokens", "cache_write_tokens", "cost", "provider", "timestamp")


@dataclass(frozen=True)
class Price:
    """Price each request: its logged cost, else your own price, else the list of genai-prices; else missing.

    A logged 0 is taken as not known, unless the model is free by your prices or the list.

    Limits
    ------
    As of :func:`detectors.spend.price.price`: newer models are unpriced until genai-prices is upgraded, and discounts
    are not known. ``input_tokens`` includes what was cached, as OpenTelemetry has it.

    References
    ----------
    pydantic/genai-prices, a list of dated prices.

    Examples
    --------
    >>> told = {"model_version": ["gpt-4o", "nobody-1"], "input_tokens": [1e6, 1e6], "output_tokens": [0, 0]}
    >>> found = Price()({name: Column.of(values) for name, values in told.items()})
    >>> float(found.values[0]), found.missing.tolist()
    (2.5, [False, True])
    """

    own: Mapping[str, OwnPrice] = field(default_factory=dict)
    rate: float = 1.0

    def __call__(self, records: Records) -> Column:
        """Return the cost of each request."""
        cost = self.priced(records).cost
        return Column(cost, np.isnan(cost))

    def priced(self, records: Records) -> Priced:
        """Return cost and source of each request."""
        given = {name: numbers(records[name])[0] for name in (*NEEDS[1:], *USES[:3]) if name in records}
        tokens = Tokens(
            given["input_tokens"], given["output_tokens"], given.get("cached_tokens"), given.get("cache_write_tokens")
        )
        models, providers = words_of(records["model_version"]), records.get("provider")
        return price(
            models,
            tokens,
            given.get("cost"),
            None if providers is None else words_of(providers),
            _seconds(records),
            self.own,
            self.rate,
        )


def _seconds(records: Records) -> np.ndarray | None:
    if "timestamp" not in records:
        return None
    seconds, _ = numbers(records["timestamp"])
    return np.nan_to_num(seconds, nan=0.0) if row_count(records) else seconds


def configure(*, prices: Mapping[str, Mapping[str, float]] | None = None, rate: float = 1.0) -> Signal:
    """Give your own prices by model, and what a US dollar is in the currency of your account.

    Of each model ``input``, ``output`` and ``cached`` (of a million tokens) and ``request``; or, for machines of your
    own, ``hourly``, ``tokens_per_second``, ``machines`` and ``utilisation``.
    """
    return _signal(Price({model: own_price(model, told) for model, told in (prices or {}).items()}, rate))


def own_price(model: str, told: Mapping[str, float]) -> OwnPrice:
    """Read one price of the operator's own.

    Examples
    --------
    >>> own_price("small-7b", {"input": 0.1, "output": 0.3}).output
    0.3
    """
    try:
        return OwnPrice.of_machines(**told) if "hourly" in told else OwnPrice(**told)  # type: ignore[arg-type]
    except TypeError:
        known = "`input`, `output`, `cached` and `request`; or `hourly`, `tokens_per_second`, `machines`, `utilisation`"
        raise ValueError(f"the price of {model!r} is given as {known}; found: {', '.join(told)}.") from None


def _signal(compute: Price) -> Signal:
    return Signal(
        name="price",
        needs=NEEDS,
        kind="numeric",
        compute=compute,
        unit="currency",
        cost="over 200,000",
        citation="pydantic/genai-prices",
        uses=USES,
        configure=configure,
    )


SIGNAL = _signal(Price())
