"""Cost of the requests of one bucket: in total, by value of the columns with budgets, and by token budget."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from detectors.binning import numbers, to_categories
from detectors.cost.budget import Requests, SpendTotals
from detectors.encoding import pack, unpack
from detectors.exact import ExactSum
from detectors.records import Column, Records, row_count
from detectors.weights import UNIT, row_units, sum_squares

Part = tuple[str, str]
"""Column and value; two empty strings for all requests."""
ALL: Part = ("", "")
OTHER, MISSING = "(other)", "(missing)"
MOST_COUNTED = 10_000


@dataclass(frozen=True)
class CostSummary:
    """Cost of a bucket by part, and its requests by token budget; ``parts`` is empty if the cost is unknown."""

    parts: Mapping[Part, SpendTotals] = field(default_factory=dict)
    tokens: Mapping[int, Requests] = field(default_factory=dict)
    rates: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """Sum and count of each signal that a breaker monitors."""
    definition: ClassVar[str] = "1"

    def __add__(self, other: CostSummary) -> CostSummary:
        """Add two disjoint sets of requests; values beyond the cap of each remain in :data:`OTHER`."""
        parts, tokens, rates = dict(self.parts), dict(self.tokens), dict(self.rates)
        for part, spent in other.parts.items():
            parts[part] = parts[part] + spent if part in parts else spent
        for limit, counted in other.tokens.items():
            tokens[limit] = tokens[limit] + counted if limit in tokens else counted
        for signal, (total, rows) in other.rates.items():
            before = rates.get(signal, (0.0, 0))
            rates[signal] = (before[0] + total, before[1] + rows)
        return CostSummary(parts, tokens, rates)

    def to_bytes(self) -> bytes:
        """Return the stored form."""
        return pack(
            {
                "parts": [[*part, *vars(spent).values()] for part, spent in self.parts.items()],
                "tokens": [[limit, *vars(counted).values()] for limit, counted in self.tokens.items()],
                "rates": [[signal, *sums] for signal, sums in self.rates.items()],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> CostSummary:
        """Read the output of :meth:`to_bytes`."""
        stored = unpack(data, dict)
        return cls(
            {(column, value): SpendTotals(*sums) for column, value, *sums in stored["parts"]},
            {limit: Requests(*counted) for limit, *counted in stored["tokens"]},
            {signal: (total, rows) for signal, total, rows in stored["rates"]},
        )

    @property
    def total(self) -> SpendTotals | None:
        """Return the cost of all requests, None if it is unknown."""
        return self.parts.get(ALL)


class CostAccumulator:
    """Accumulate the cost of pages of records. Sums are exact and do not depend on the division into pages.

    Rows with weights (:mod:`detectors.weights`) count as the requests that they represent, rounded to integers in the
    summary. Rates are those of the traffic, over the effective number of rows.

    Parameters
    ----------
    money
        Column with the cost of a request.
    by
        Columns whose values are summed separately, and for each the values that are always included.
    most
        Number of values of a column that are summed separately: the included ones, then those with the highest cost;
        the rest is :data:`OTHER`. During accumulation the first 10,000 values of a bucket are separate and later ones
        are combined.
    limits
        Token budgets of single requests.
    rates
        Signals with a sum and a count.
    has_cost
        Whether the source has the cost column: then a bucket without rows has the known cost 0.

    Examples
    --------
    >>> till = CostAccumulator("price", {"tenant": ()})
    >>> till.add({"price": Column.of([1.0, 2.0, None]), "tenant": Column.of(["a", "b", "a"])})
    >>> bill = till.bill()
    >>> bill.total, bill.parts["tenant", "a"].amount
    (SpendTotals(amount=3.0, requests=3, unpriced=1, unknown=0), 1.0)
    """

    def __init__(
        self,
        money: str,
        by: Mapping[str, Collection[str]] | None = None,
        most: int = 100,
        limits: Sequence[int] = (),
        rates: Collection[str] = (),
        *,
        has_cost: bool = False,
    ) -> None:
        self._money = money
        self._by = by or {}
        self._most = most
        self._totals: dict[Part, tuple[ExactSum, int, int]] = {ALL: (ExactSum(), 0, 0)} if has_cost else {}
        self._counted = dict.fromkeys(self._by, 0)
        self._tokens = {limit: Requests() for limit in limits}
        self._rates = dict.fromkeys(rates, (ExactSum(), 0, 0))

    def add(self, records: Records) -> None:
        """Add one page; missing columns are not counted."""
        units = row_units(records)
        units = np.full(row_count(records), UNIT) if units is None else units
        for limit in self._tokens:
            self._tokens[limit] += sizes(records, limit, units)
        for signal in self._rates.keys() & records.keys():
            score, _ = numbers(records[signal])
            scored = np.isfinite(score)
            weights = units[scored]
            total, whole, squares = self._rates[signal]
            total += ExactSum.of(score[scored] * (weights / UNIT))
            self._rates[signal] = (total, whole + int(weights.sum()), squares + sum_squares(weights))
        if self._money not in records:
            return
        cost, _ = numbers(records[self._money])
        priced = np.isfinite(cost)
        cost = cost * (units / UNIT)
        self._put(ALL, cost, priced, units)
        for name in self._by:
            if name in records:
                self._split(name, records[name], cost, priced, units)

    def bill(self) -> CostSummary:
        """Return the summary, with values beyond the cap combined."""
        parts = {
            part: SpendTotals(float(amount), _requests(rows), _requests(left))
            for part, (amount, rows, left) in self._totals.items()
        }
        for name, named in self._by.items():
            values = {value: spent for (column, value), spent in parts.items() if column == name}
            always = {*named, MISSING, OTHER}
            ranked = sorted(values, key=lambda v: (v not in always, -values[v].amount, -values[v].requests, v))
            room = self._most + len(always & set(values))
            for value in ranked[room:]:
                parts[name, OTHER] = parts.get((name, OTHER), SpendTotals()) + parts.pop((name, value))
        rates = {signal: _rate(*sums) for signal, sums in self._rates.items()}
        tokens = {
            limit: Requests(
                _requests(total_requests.known),
                _requests(total_requests.over),
                total_requests.worst,
                _requests(total_requests.unknown),
            )
            for limit, total_requests in self._tokens.items()
        }
        return CostSummary(parts, tokens, rates)

    def _split(self, name: str, column: Column, cost: np.ndarray, priced: np.ndarray, units: np.ndarray) -> None:
        words = to_categories(column)
        words[column.missing] = MISSING
        values, places = np.unique(words.astype(str), return_inverse=True)
        for place, value in enumerate(values.tolist()):
            chosen = places == place
            self._put((name, self._place(name, value)), cost[chosen], priced[chosen], units[chosen])

    def _place(self, name: str, value: str) -> str:
        if (name, value) in self._totals or value in self._by[name] or value == MISSING:
            return value
        self._counted[name] += 1
        return value if self._counted[name] <= MOST_COUNTED else OTHER

    def _put(self, part: Part, cost: np.ndarray, priced: np.ndarray, units: np.ndarray) -> None:
        amount, rows, left = self._totals.get(part, (ExactSum(), 0, 0))
        amount += ExactSum.of(cost[priced])
        self._totals[part] = (amount, rows + int(units.sum()), left + int(units[~priced].sum()))


def _requests(units: int) -> int:
    """Convert units of weight to a whole number of requests."""
    return (units + UNIT // 2) // UNIT


def _rate(total: ExactSum, units: int, squares: int) -> tuple[float, int]:
    """Return sum and count of a signal over the effective number of rows."""
    if not units:
        return float(total), 0
    size = units**2 / squares
    return float(total) * (size * UNIT / units), round(size)


def sizes(records: Records, limit: int, units: np.ndarray | None = None) -> Requests:
    """Compare the tokens of requests, in and out, with a budget; one without a count is known only if it is over.

    With row weights, the numbers of requests are in units of weight.

    Examples
    --------
    >>> sizes({"input_tokens": Column.of([10, 90, 200]), "output_tokens": Column.of([5, 20, None])}, 100)
    Requests(known=3, over=2, worst=200.0, unknown=0)
    """
    columns = [numbers(records[name])[0] for name in ("input_tokens", "output_tokens") if name in records]
    weights = np.ones(row_count(records), dtype=np.int64) if units is None else units
    if not columns:
        return Requests(unknown=int(weights.sum()))
    counted = np.stack(columns)
    counted[~np.isfinite(counted) | (counted < 0)] = np.nan
    tokens = np.nansum(counted, axis=0)
    is_known = (~np.isnan(counted).any(axis=0) & (len(columns) == 2)) | (tokens > limit)  # noqa: PLR2004  in and out
    worst = float(tokens[is_known].max()) if is_known.any() else 0.0
    over = int(weights[tokens > limit].sum())
    return Requests(int(weights[is_known].sum()), over, worst, int(weights[~is_known].sum()))
