"""Cost of the same requests on other models, and estimates of their quality from the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np

from detectors.binning import numbers, to_categories
from detectors.encoding import pack, unpack
from detectors.exact import ExactSum
from detectors.records import Records
from detectors.weights import UNIT, natural, row_units

STAYS = -1
"""Tier of a request without a matching rule, which is unchanged."""
MOST_CELLS = 2000
OTHER = "(other)"
FEWEST, FEWEST_IN_STRATUM = 30, 10
COVERED = 0.8
"""Smallest share of the moved requests with comparable requests of the other model."""
NORMAL = 1.959963984540054

Claim = Literal["not known", "better", "worse", "no worse", "unclear"]


@dataclass(frozen=True)
class Condition:
    """Condition of a tier on a column: bounds of a number, or a set of values."""

    column: str
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()

    def holds(self, records: Records) -> np.ndarray:
        """Return whether the condition is true for each request; false if the column is missing."""
        column = records[self.column]
        if self.values:
            return np.asarray(np.isin(to_categories(column).astype(str), self.values) & ~column.missing, dtype=bool)
        number, _ = numbers(column)
        low = -np.inf if self.minimum is None else self.minimum
        high = np.inf if self.maximum is None else self.maximum
        return np.asarray((number >= low) & (number <= high), dtype=bool)


@dataclass(frozen=True)
class Tier:
    """Model, and the conditions of the requests that it would serve."""

    model: str
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Routing of requests: each goes to the first tier whose conditions are all true."""

    name: str
    tiers: tuple[Tier, ...]

    def route(self, records: Records, count: int) -> np.ndarray:
        """Return the tier of each request, int64 of shape (requests,); :data:`STAYS` if none matches."""
        tiers = np.full(count, STAYS, dtype=np.int64)
        for place, tier in enumerate(self.tiers):
            fits = tiers == STAYS
            for condition in tier.conditions:
                fits = fits & condition.holds(records)
            tiers[fits] = place
        return tiers


@dataclass(frozen=True)
class Cell:
    """Sums of comparable requests: of one tier, one serving model, one task and size.

    ``compared`` is the number of them with a price on both models, to which ``now`` and ``then`` are restricted;
    ``judged`` is the number with a known quality. Rows with weights count as the requests that they represent, except
    in ``judged`` and ``quality``, which are a sample of rows.
    """

    requests: float = 0
    compared: float = 0
    now: ExactSum = field(default_factory=ExactSum)
    then: ExactSum = field(default_factory=ExactSum)
    judged: int = 0
    quality: ExactSum = field(default_factory=ExactSum)

    def __add__(self, other: Cell) -> Cell:
        """Add up two disjoint sets of requests, to the last bit."""
        return Cell(
            self.requests + other.requests,
            self.compared + other.compared,
            self.now + other.now,
            self.then + other.then,
            self.judged + other.judged,
            self.quality + other.quality,
        )

    def to_json(self) -> list[Any]:
        """Return plain data."""
        return [value.to_json() if isinstance(value, ExactSum) else value for value in vars(self).values()]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Cell:
        """Read the output of :meth:`to_json`."""
        requests, compared, now, then, judged, quality = data
        exact = [ExactSum.from_json(each) for each in (now, then, quality)]
        return cls(requests, compared, exact[0], exact[1], int(judged), exact[2])


Key = tuple[int, str, str]
"""Tier, serving model, stratum."""
Cells = dict[Key, Cell]


@dataclass(frozen=True)
class DayCells:
    """Cells of a day, and the time of the count: labels that arrive later require another count."""

    definition: str
    counted_at: datetime
    cells: Cells = field(default_factory=dict)

    def __add__(self, other: DayCells) -> DayCells:
        """Add two disjoint sets of requests; the time is the earlier one, which determines the labels included."""
        return DayCells(self.definition, min(self.counted_at, other.counted_at), merge([self.cells, other.cells]))

    def to_bytes(self) -> bytes:
        """Return the stored form."""
        cells = [[*key, cell.to_json()] for key, cell in self.cells.items()]
        return pack({"counted_at": self.counted_at.isoformat(), "cells": cells})

    def from_bytes(self, data: bytes) -> DayCells:
        """Read the output of :meth:`to_bytes` of the same definition."""
        stored = unpack(data, dict)
        cells = {
            (int(tier), str(model), str(stratum)): Cell.from_json(cell)
            for tier, model, stratum, cell in stored["cells"]
        }
        return DayCells(self.definition, datetime.fromisoformat(stored["counted_at"]), cells)


def assign_strata(input_tokens: np.ndarray, tasks: np.ndarray | None = None) -> np.ndarray:
    """Return the stratum of comparable requests of each request: its task, and its size in factors of four.

    Examples
    --------
    >>> assign_strata(np.array([10.0, 15.0, 900.0])).tolist()
    ['4-16', '4-16', '256-1024']
    """
    steps = np.floor(np.log2(np.maximum(np.nan_to_num(input_tokens), 1.0)) / 2).astype(np.int64)
    sizes = [f"{4**step}-{4 ** (step + 1)}" for step in steps.tolist()]
    return np.array(sizes if tasks is None else [f"{task} {size}" for task, size in zip(tasks, sizes, strict=True)])


def tally(
    plan: Plan,
    records: Records,
    models: np.ndarray,
    now: np.ndarray,
    price_as: Callable[[str, np.ndarray], np.ndarray],
    strata: np.ndarray,
    quality: np.ndarray | None = None,
) -> Cells:
    """Sum requests by tier, model and stratum.

    Parameters
    ----------
    records
        Columns of the plan's conditions.
    models, now, strata
        Serving model, cost (NaN if unknown) and stratum of each request.
    price_as
        Maps a model and the indices of requests to their cost there; NaN if unknown.
    quality
        Of each answer, 0 to 1; NaN if unknown.

    Limits
    ------
    Another model has another tokenizer and another answer length: the price is that of the logged tokens. Tokens read
    from a cache are assumed to be cached by the other model, too.
    """
    tiers, then = plan.route(records, len(models)), now.copy()
    for place, tier in enumerate(plan.tiers):
        moved = np.flatnonzero((tiers == place) & (models != tier.model))
        if len(moved):
            then[moved] = price_as(tier.model, moved)
    good = np.full(len(models), np.nan) if quality is None else quality
    units = row_units(records)
    units = np.full(len(models), UNIT) if units is None else units
    groups: dict[Key, list[int]] = {}
    for row, key in enumerate(zip(tiers.tolist(), models.tolist(), strata.tolist(), strict=True)):
        groups.setdefault(key, []).append(row)
    return merge([{key: _cell(now[rows], then[rows], good[rows], units[rows])} for key, rows in groups.items()])


def _cell(now: np.ndarray, then: np.ndarray, quality: np.ndarray, units: np.ndarray) -> Cell:
    both, has_quality = np.isfinite(now) & np.isfinite(then), np.isfinite(quality)
    weight = units[both] / UNIT
    return Cell(
        natural(int(units.sum())),
        natural(int(units[both].sum())),
        ExactSum.of(now[both] * weight),
        ExactSum.of(then[both] * weight),
        int(has_quality.sum()),
        ExactSum.of(np.clip(quality[has_quality], 0.0, 1.0)),
    )


def merge(parts: Iterable[Cells]) -> Cells:
    """Add disjoint sets of requests; beyond 2,000 cells, new ones are combined over strata or models."""
    total: Cells = {}
    for part in parts:
        for key, cell in part.items():
            tier, model, _ = key
            full, fuller = len(total) >= MOST_CELLS, len(total) >= 2 * MOST_CELLS
            place = key if key in total or not full else (tier, OTHER if fuller else model, OTHER)
            total[place] = total[place] + cell if place in total else cell
    return total


def summarize(
    plan: Plan, cells: Cells, better: Literal["higher", "lower"] = "higher", margin: float = 0.01
) -> dict[str, Any]:
    """Estimate the savings of a plan, and the quality of each of its tiers.

    Parameters
    ----------
    better
        Direction of good quality.
    margin
        Non-inferiority margin: largest fall of the quality that counts as no worse.

    Returns
    -------
    dict
        ``requests``, ``compared``, ``unpriced``, ``now``, ``then``, ``saved``, ``share``; and ``tiers``, each with the
        same for its requests, the number of moved requests, and ``quality``.
    """
    whole = _money(cells.values())
    tiers = []
    for place, tier in enumerate(plan.tiers):
        own = {key: cell for key, cell in cells.items() if key[0] == place}
        moved = sum(cell.requests for key, cell in own.items() if key[1] != tier.model)
        quality = _quality(tier.model, own, better, margin)
        tiers.append({"model": tier.model, "moved": round(moved), **_money(own.values()), "quality": quality})
    return {"plan": plan.name, **whole, "tiers": tiers}


def _money(cells: Iterable[Cell]) -> dict[str, Any]:
    total = sum(cells, Cell())
    now, then = float(total.now), float(total.then)
    return {
        "requests": round(total.requests),
        "compared": round(total.compared),
        "unpriced": round(total.requests - total.compared),
        "now": now,
        "then": then,
        "saved": now - then,
        "share": (now - then) / now if now else None,
    }


def _quality(model: str, cells: Cells, better: str, margin: float) -> dict[str, Any]:
    """Compare the answers of the requests that would move with those of the other model to comparable requests.

    Both are standardised to the strata of the moved requests, so a model that received easier requests has no
    advantage. The interval is that of shares, which is conservative for scores between 0 and 1. It covers sampling
    error, not confounding: it is biased if routing within a stratum depends on difficulty.

    References
    ----------
    Rothman, Greenland, Lash, *Modern Epidemiology*, chapter 3 (direct standardisation).
    """
    moved, there = _by_stratum(cells, lambda name: name != model), _by_stratum(cells, lambda name: name == model)
    whole = sum(cell.requests for cell in moved.values())
    if not whole:
        return {"claim": "not known", "why": "no request would move"}
    usable = [
        name
        for name, cell in moved.items()
        if min(cell.judged, there.get(name, Cell()).judged) >= FEWEST_IN_STRATUM and name != OTHER
    ]
    weights = {name: moved[name].requests for name in usable}
    covered = sum(weights.values()) / whole
    judged = sum(there[name].judged for name in usable)
    if judged < FEWEST or covered < COVERED:
        why = f"{model} answered {judged} comparable requests of known quality, like {covered:.0%} of what would move"
        return {"claim": "not known", "why": why, "judged": judged, "covered": covered}
    (now, error_now), (then, error_then) = _standardise(moved, weights), _standardise(there, weights)
    gap, reach, own = then - now, NORMAL * math.hypot(error_now, error_then), NORMAL * error_then
    return {
        "claim": _claim(gap if better == "higher" else -gap, reach, margin),
        "why": "requests were routed, not randomised: selection by the router is not corrected for",
        "judged": judged,
        "covered": covered,
        "now": now,
        "then": {"value": then, "low": max(0.0, then - own), "high": min(1.0, then + own)},
        "difference": {"value": gap, "low": gap - reach, "high": gap + reach},
    }


def _claim(gain: float, reach: float, margin: float) -> Claim:
    if gain - reach > 0:
        return "better"
    if gain + reach < 0:
        return "worse"
    return "no worse" if gain - reach > -margin else "unclear"


def _by_stratum(cells: Cells, wanted: Callable[[str], bool]) -> dict[str, Cell]:
    strata: dict[str, Cell] = {}
    for (_, name, stratum), cell in cells.items():
        if wanted(name) and name != OTHER:
            strata[stratum] = strata.get(stratum, Cell()) + cell
    return strata


def _standardise(cells: Mapping[str, Cell], weights: Mapping[str, float]) -> tuple[float, float]:
    """Return a weighted mean and its standard error, with the variance of a share near a half in each stratum."""
    whole, value, variance = sum(weights.values()), 0.0, 0.0
    for name, weight in weights.items():
        cell, part = cells[name], weight / whole
        mean = float(cell.quality) / cell.judged
        near = (float(cell.quality) + 2) / (cell.judged + 4)
        value += part * mean
        variance += part**2 * near * (1 - near) / cell.judged
    return value, math.sqrt(variance)
