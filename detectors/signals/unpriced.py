"""Requests of unknown cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from detectors.cost.price import OwnPrice, Rates
from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.signals.price import NEEDS, USES, Price, own_price, rates


@dataclass(frozen=True)
class Unpriced:
    """Score 1 for a request whose cost is neither logged nor in a price list, 0 for any other; never missing.

    Limits
    ------
    As of the signal ``price``.

    Examples
    --------
    >>> columns = {"model_version": ["gpt-4o", "nobody-1"], "input_tokens": [10, 10], "output_tokens": [1, 1]}
    >>> Unpriced()({name: Column.of(values) for name, values in columns.items()}).values.tolist()
    [0.0, 1.0]
    """

    own: Mapping[str, OwnPrice] = field(default_factory=dict)
    rate: Rates = 1.0

    def __call__(self, records: Records) -> Column:
        """Return 1 or 0 of each request."""
        return Column.floats(np.isnan(Price(self.own, self.rate).priced(records).cost).astype(np.float64))


def configure(
    *, prices: Mapping[str, Mapping[str, float]] | None = None, rate: float | Mapping[date, float] = 1.0
) -> Signal:
    """Set your own prices by model, and the rates, as for the signal ``price``: a day without a rate has no price."""
    return _signal(
        Unpriced({model: own_price(model, entries) for model, entries in (prices or {}).items()}, rates(rate))
    )


def _signal(compute: Unpriced) -> Signal:
    return Signal(
        name="unpriced",
        needs=NEEDS,
        kind="numeric",
        better="neutral",
        compute=compute,
        unit="0 or 1",
        cost="over 200,000",
        citation="pydantic/genai-prices",
        uses=USES,
        configure=configure,
    )


SIGNAL = _signal(Unpriced())
