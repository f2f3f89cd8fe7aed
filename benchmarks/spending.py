"""How an alert budget is spent: shares with per-statistic tails beside two other designs, on the same streams.

`python -m benchmarks.spending` (about a minute). Each stream has normal scores of 40 columns in overlapping windows,
two weeks of baseline and six live ones; a pathology is added in one more column. All designs see the same nulls
(`detectors.null_distribution`) and the same budget of one alert a week:

- shares: `detectors.calibrate.spend`, which driftd uses;
- joint maximum: one limit from the largest rarity of all columns, with a generalised Pareto tail;
- e-detectors: Shiryaev-Roberts e-detectors of each column over windows that do not overlap, p-values turned into
  e-values by the mixture of all power calibrators, merged by e-BH at an average run length of a week (Dandapanthula,
  Ramdas, *Multiple testing in multi-stream sequential change detection*, arXiv 2501.04130; Vovk, Wang, *E-values:
  calibration, combination and applications*, Annals of Statistics 49, 2021).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import stats

from benchmarks.detection import tables
from detectors.calibrate import Peaks, episodes, peaks, spend
from detectors.null_distribution import NullDistribution, held_out_rarity, independent, learn_null
from detectors.unusual import find_unusual_stretch

LENGTH, WEEK, COLUMNS = 12, 2016, 40
LEARN, LIVE = 2 * WEEK, 6 * WEEK
CHANGE = LEARN + WEEK
"""Where the change begins that delays are measured on, in a second copy of the stream."""
SHIFT = 2.0
"""In standard deviations of one bucket."""
FOLDS = [slice(start, start + 288) for start in range(0, LEARN, 288)]
NOISE = 3.29

Columns = Mapping[str, np.ndarray]
Design = Callable[[Columns], Callable[[Columns], np.ndarray]]
"""From the baseline of every column to what says of a live stretch in which windows there is an alert."""


def windows(buckets: np.ndarray) -> np.ndarray:
    """Return the score of each window that ends with a bucket."""
    summed = np.cumsum(np.append(np.zeros(LENGTH), buckets))
    return np.abs(summed[LENGTH:] - summed[:-LENGTH]) / math.sqrt(LENGTH)


def pathologies(rng: np.random.Generator) -> dict[str, np.ndarray | None]:
    """Return what is added as one more column, bucket by bucket."""
    size = LEARN + LIVE
    quiet, place = rng.normal(size=size), np.arange(size)
    heavy = rng.standard_t(3, size=size)
    for step in range(1, size):
        heavy[step] += 0.9 * heavy[step - 1]
    return {
        "none": None,
        "three hours, once": np.where((place >= 1500) & (place < 1536), 30.0, quiet),
        "two hours a week": np.where(place % WEEK < 24, 30.0, quiet),
        "heavy and slow": heavy / heavy[:LEARN].std(),
    }


def _nulls(baseline: Columns) -> tuple[dict[str, NullDistribution], dict[str, np.ndarray]]:
    """Return the null of each column, and its rarities over the baseline, an unusual stretch left out."""
    nulls, rarities, noise = {}, {}, np.full(LEARN, NOISE)
    for name, values in baseline.items():
        kept = values.copy()
        stretch = find_unusual_stretch(kept, noise, LENGTH)
        if stretch is not None:
            kept[stretch] = np.nan
        null = learn_null(kept, noise, independent(kept, LENGTH))
        if null is not None:
            nulls[name] = null
            rarities[name] = held_out_rarity(kept, noise, FOLDS, 0.0, null.windows)
    return nulls, rarities


def by_shares(baseline: Columns) -> Callable[[Columns], np.ndarray]:
    """Give each column an equal share, and a limit of its own where its tail does not fit."""
    nulls, rarities = _nulls(baseline)
    spent = spend({name: [Peaks(name, peaks(rarity, LENGTH))] for name, rarity in rarities.items()}, 1.0, LEARN / WEEK)
    limits = {name: spent.own.get(name, spent.limit.rarity) for name in nulls}
    return lambda live: np.any([nulls[name].rarity(live[name], NOISE) >= limits[name] for name in nulls], axis=0)


def by_maximum(baseline: Columns) -> Callable[[Columns], np.ndarray]:
    """Take one limit from the largest rarity of all columns."""
    nulls = {}
    largest = np.full(LEARN, -np.inf)
    for name, values in baseline.items():
        null = learn_null(values, np.full(LEARN, NOISE), independent(values, LENGTH))
        if null is not None:
            nulls[name] = null
            rarity = held_out_rarity(values, np.full(LEARN, NOISE), FOLDS, 0.0, null.windows)
            largest = np.maximum(largest, rarity)
    highest = np.sort(peaks(largest, LENGTH))[::-1]
    top, start = highest[: len(highest) // 4], highest[len(highest) // 4]
    shape, _, scale = stats.genpareto.fit(top - start, floc=0)
    limit = start + stats.genpareto.isf(min(1.0, LEARN / WEEK / len(top) / 2), shape, scale=scale)
    return lambda live: np.any([null.rarity(live[name], NOISE) >= limit for name, null in nulls.items()], axis=0)


def by_e_values(baseline: Columns) -> Callable[[Columns], np.ndarray]:
    """Run an e-detector for each column and merge them by e-BH; it starts anew after an alert."""
    nulls, _ = _nulls(baseline)

    def alerts(live: Columns) -> np.ndarray:
        logs = -np.array([nulls[name].rarity(live[name], NOISE) for name in nulls])
        logs = np.clip(logs, -600, -1e-6)
        evidence = (1 - np.exp(logs) + np.exp(logs) * logs) / (np.exp(logs) * logs**2)
        detectors, high = np.zeros(len(nulls)), np.zeros(logs.shape[1], dtype=bool)
        for step in range(LENGTH - 1, logs.shape[1], LENGTH):
            detectors = np.minimum((detectors + 1) * evidence[:, step], 1e100)
            ordered = np.sort(detectors)[::-1]
            if (ordered * np.arange(1, len(nulls) + 1) / len(nulls) >= WEEK / LENGTH).any():
                high[step], detectors = True, np.zeros(len(nulls))
        return high

    return alerts


DESIGNS: Mapping[str, Design] = {"shares": by_shares, "joint maximum": by_maximum, "e-detectors": by_e_values}


def _delay(high: np.ndarray) -> float:
    """Return the hours from the change to the first alert; infinite for none within two days."""
    after = np.flatnonzero(high[CHANGE - LEARN : CHANGE - LEARN + 576])
    return (float(after[0]) + 1) / 12 if len(after) else math.inf


def compare(seeds: Sequence[int]) -> str:
    """Return alerts a week and the median delay of every design beside every pathology."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        ordinary = {f"c{place:02d}": rng.normal(size=LEARN + LIVE) for place in range(COLUMNS)}
        for pathology, odd in pathologies(rng).items():
            columns = {**ordinary, **({} if odd is None else {"odd": odd})}
            scores = {name: windows(buckets) for name, buckets in columns.items()}
            shifted = {**scores, "c00": windows(columns["c00"] + SHIFT * (np.arange(LEARN + LIVE) >= CHANGE))}
            for name, design in DESIGNS.items():
                alerts = design({column: score[:LEARN] for column, score in scores.items()})
                quiet, changed = (
                    alerts({column: score[LEARN:] for column, score in each.items()}) for each in (scores, shifted)
                )
                found.setdefault((pathology, name), []).append((episodes(quiet), _delay(changed)))
    weeks = LIVE / WEEK * len(seeds)
    rows = [
        [
            pathology,
            name,
            tables.rate(sum(count for count, _ in several), weeks),
            f"{float(np.median([late for _, late in several])):.2f} h",
        ]
        for (pathology, name), several in found.items()
    ]
    return tables.table(["one column more", "design", "alerts a week (95 %)", "median delay elsewhere"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="streams (default: 5)")
    print(compare(range(1, parser.parse_args().seeds + 1)))


if __name__ == "__main__":
    main()
