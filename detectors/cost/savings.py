"""What the same requests would have cost on other models, and what the log allows to say of their quality there."""

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
"""The tier of a request that no rule takes: it is answered as it was."""
MOST_CELLS = 2000
OTHER = "(other)"
FEWEST, FEWEST_IN_STRATUM = 30, 10
COVERED = 0.8
"""Share of the moved requests for which the other model must have answered comparable ones."""
NORMAL = 1.959963984540054

Claim = Literal["not known", "better", "worse", "no worse", "unclear"]


@dataclass(frozen=True)
class Condition:
    """What a request must have to be of a tier: a number within bounds, or one of some words."""

    column: str
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()

    def holds(self, records: Records) -> np.ndarray:
        """Say of each request whether it holds; where the column is missing it does not."""
        column = records[self.column]
        if self.values:
            return np.asarray(np.isin(to_categories(column).astype(str), self.values) & ~column.missing, dtype=bool)
        number, _ = numbers(column)
        low = -np.inf if self.minimum is None else self.minimum
        high = np.inf if self.maximum is None else self.maximum
        return np.asarray((number >= low) & (number <= high), dtype=bool)


@dataclass(frozen=True)
class Tier:
    """A model, and which requests it is to answer."""

    model: str
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A way to answer the same requests: each goes to the first tier whose conditions all hold."""

    name: str
    tiers: tuple[Tier, ...]

    def route(self, records: Records, count: int) -> np.ndarray:
        """Return the tier of each request, int64 of shape (requests,); :data:`STAYS` where none takes it."""
        tiers = np.full(count, STAYS, dtype=np.int64)
        for place, tier in enumerate(self.tiers):
            fits = tiers == STAYS
            for condition in tier.conditions:
                fits = fits & condition.holds(records)
            tiers[fits] = place
        return tiers


@dataclass(frozen=True)
class Cell:
    """Sums of comparable requests: of one tier, one model that answered, one task and size.

    ``compared`` of them have a price on both sides, and only those are in ``now`` and ``then``; ``judged`` say how
    good the answer was. Rows with weights count as the requests that they stand for, but for ``judged`` and
    ``quality``, which are of the rows: they are a sample.
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
        """Read what :meth:`to_json` wrote."""
        requests, compared, now, then, judged, quality = data
        exact = [ExactSum.from_json(each) for each in (now, then, quality)]
        return cls(requests, compared, exact[0], exact[1], int(judged), exact[2])


Key = tuple[int, str, str]
"""Tier, model that answered, stratum."""
Cells = dict[Key, Cell]


@dataclass(frozen=True)
class DayCells:
    """The cells of a day, and when they were counted: labels that arrive later make another count necessary."""

    definition: str
    counted_at: datetime
    cells: Cells = field(default_factory=dict)

    def __add__(self, other: DayCells) -> DayCells:
        """Add up two disjoint sets of requests; the earlier of both times says which labels are in them."""
        return DayCells(self.definition, min(self.counted_at, other.counted_at), merge([self.cells, other.cells]))

    def to_bytes(self) -> bytes:
        """Return the stored form."""
        cells = [[*key, cell.to_json()] for key, cell in self.cells.items()]
        return pack({"counted_at": self.counted_at.isoformat(), "cells": cells})

    def from_bytes(self, data: bytes) -> DayCells:
        """Read what :meth:`to_bytes` of the same definition wrote."""
        stored = unpack(data, dict)
        cells = {
            (int(tier), str(model), str(stratum)): Cell.from_json(cell)
            for tier, model, stratum, cell in stored["cells"]
        }
        return DayCells(self.definition, datetime.fromisoformat(stored["counted_at"]), cells)


def assign_strata(input_tokens: np.ndarray, tasks: np.ndarray | None = None) -> np.ndarray:
    """Return of each request what makes it comparable: its task, and its size in steps of four.

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
        Columns that the plan's conditions look at.
    models, now, strata
        Of each request the model that answered, its cost (NaN where nobody knows), and what makes it comparable.
    price_as
        Given a model and the places of requests, what they would cost there; NaN where nobody knows.
    quality
        Of each answer, 0 to 1; NaN where nobody knows.

    Limits
    ------
    Another model counts tokens otherwise and writes answers of another length: its price is that of the tokens as they
    were logged. What was read from a cache is taken to be read from the other's.
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
    """Add up disjoint sets of requests; beyond 2,000 cells, what is new is not told apart by stratum or by model."""
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
    """Say what a plan would have saved, and what may be said of the quality of each of its tiers.

    Parameters
    ----------
    better
        Which way the quality is good.
    margin
        Points that the quality may fall and still counts as no worse.

    Returns
    -------
    dict
        ``requests``, ``compared``, ``unpriced``, ``now``, ``then``, ``saved``, ``share``; and ``tiers``, each with the
        same of its requests, how many would have moved, and ``quality``.
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

    Both are standardised to the strata of what would move, so a model that was given the easy requests gains nothing.
    The interval is that of shares, which is too wide for scores between 0 and 1. It knows of chance, and not of what
    made the router choose among requests of one stratum: where that has to do with their difficulty, it misleads.

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
        "why": "as they were routed, not at random: what made the router choose is not taken out",
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
    """Return a weighted mean and its standard error, each stratum's variance that of a share near a half."""
    whole, value, variance = sum(weights.values()), 0.0, 0.0
    for name, weight in weights.items():
        cell, part = cells[name], weight / whole
        mean = float(cell.quality) / cell.judged
        near = (float(cell.quality) + 2) / (cell.judged + 4)
        value += part * mean
        variance += part**2 * near * (1 - near) / cell.judged
    return value, math.sqrt(variance)
