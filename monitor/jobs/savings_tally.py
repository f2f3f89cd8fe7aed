"""Sum the costs of the requests of one page under a plan. Pure."""

from __future__ import annotations

import numpy as np

from detectors import SIGNALS
from detectors.binning import numbers, to_categories
from detectors.cost.price import price
from detectors.cost.savings import Cells, Plan, assign_strata, tally
from detectors.records import Records
from detectors.signals.price import Price, read_seconds, read_tokens
from monitor.config.models import Monitor
from monitor.config.money import Savings
from monitor.config.signals import resolve


def find_tariff(monitor: Monitor) -> Price:
    """Return the price of requests: the monitor's signal `price`, else the price list."""
    prices = [signal.compute for signal in resolve(monitor.signals) if isinstance(signal.compute, Price)]
    fallback = SIGNALS["price"].compute
    return prices[0] if prices else fallback if isinstance(fallback, Price) else Price()


def tally_page(plan: Plan, page: Records, tariff: Price, spec: Savings) -> Cells:
    """Sum the requests of a page by cell, with their actual costs and those under the plan."""
    tokens, times, now = read_tokens(page), read_seconds(page), tariff.priced(page)
    failed = now.source == "failed"

    def price_as(model: str, places: np.ndarray) -> np.ndarray:
        names = np.full(len(places), model, dtype=object)
        at = None if times is None else times[places]
        cost = price(names, tokens.at(places), times=at, tariff=tariff).cost
        return np.where(failed[places], 0.0, cost)  # a failed request would have cost nothing on any model

    quality = None if spec.quality is None else numbers(page[spec.quality])[0]
    tasks = None if spec.task is None else to_categories(page[spec.task])
    models, strata = to_categories(page["model_version"]), assign_strata(tokens.input, tasks)
    return tally(plan, page, models, now.cost, price_as, strata, quality)
