"""The bill of a bucket: the same whatever the pages, bounded, and honest about what it cannot place."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.base import Status
from detectors.cost.budget import Requests, SpendTotals, per_request
from detectors.cost.ledger import ALL, MISSING, OTHER, CostAccumulator
from detectors.records import Column, take


def records(rows: int, seed: int = 0) -> dict[str, Column]:
    rng = np.random.default_rng(seed)
    cost = rng.lognormal(-6, 2, rows)
    cost[rng.random(rows) < 0.1] = np.nan
    tenants = [None if number == 0 else f"t{number}" for number in rng.integers(0, 40, rows)]
    return {"price": Column.floats(cost), "tenant": Column.of(tenants)}


@pytest.mark.parametrize("page", [1, 7, 333])
def test_pages_change_nothing_to_the_last_bit(page: int) -> None:
    held = records(1000)
    whole, paged = CostAccumulator("price", {"tenant": ()}), CostAccumulator("price", {"tenant": ()})
    whole.add(held)
    for start in range(0, 1000, page):
        paged.add(take(held, np.arange(start, min(start + page, 1000))))
    assert paged.bill() == whole.bill()


def test_named_values_are_kept_then_the_dearest_and_the_sum_is_all_of_it() -> None:
    till = CostAccumulator("price", {"tenant": ("t7",)}, most=3)
    till.add(records(5000))
    parts = till.bill().parts
    values = {value: spent for (column, value), spent in parts.items() if column == "tenant"}
    assert len(values) == 6  # three, the named one, the missing, the others
    assert {"t7", MISSING, OTHER} < set(values)
    total = sum(values.values(), SpendTotals())
    assert total.amount == pytest.approx(parts[ALL].amount)
    assert (total.requests, total.unpriced) == (5000, parts[ALL].unpriced)
    assert parts[ALL].unpriced > 300


def test_more_values_than_can_be_held_are_counted_together() -> None:
    till = CostAccumulator("price", {"user": ("u11999",)}, most=1000)
    till.add({"price": Column.floats(np.ones(12_000)), "user": Column.of([f"u{n}" for n in range(12_000)])})
    parts = till.bill().parts
    assert parts["user", "u11999"].requests == 1
    assert len(parts) == 1 + 1000 + 1 + 1
    assert parts["user", OTHER].requests == 12_000 - 1001


def test_a_bucket_without_rows_cost_nothing_only_where_the_cost_is_logged() -> None:
    assert CostAccumulator("price", has_cost=True).bill().total == SpendTotals()
    assert CostAccumulator("price").bill().total is None


def test_a_size_that_is_not_logged_is_unknown_and_never_small() -> None:
    till = CostAccumulator("price", limits=(100,))
    till.add({"input_tokens": Column.of([50, None, 200, -1])})
    assert till.bill().tokens[100] == Requests(known=1, over=1, worst=200.0, unknown=3)
    blind = CostAccumulator("price", limits=(100,))
    blind.add({"price": Column.of([1.0])})
    found = per_request("spend", 100, blind.bill().tokens[100])
    assert found.status is Status.INCONCLUSIVE
    assert "input_tokens" in found.reason
