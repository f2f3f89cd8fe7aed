"""Performance estimated without labels: ours beside NannyML's and beside what the labels say.

`python -m benchmarks.detection.estimates` (half a minute; `--chunks` prints all chunks). NannyML's numbers are those of
benchmarks/data/nannyml_estimates.json, on the same chunks of the same rows.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.detection import tables
from detectors.layout import Layout, learn_categorical, learn_numeric
from detectors.performance import cbpe, classification, dle, regression
from detectors.performance.classification import RATES, Scores
from detectors.performance.estimate import Estimate, doubt, miss, widened
from detectors.performance.regression import Errors
from detectors.records import Column, Records

DATA = Path(__file__).resolve().parent.parent / "data"
CLASSIFIERS = {  # truth, probability, and from which probability on the data set's model predicts 1
    "car_loan": ("repaid", "y_pred_proba", 0.65),
    "employment_MA": ("employed", "predicted_probability", 0.5),
    "california": ("clf_target", "y_pred_proba", 0.8),
}
CHUNK = 5000
"""Rows of a chunk of the reference that is left out."""
NONE = (float("nan"),) * 3
LATE = 2
"""Chunks after which labels are there: when a chunk is estimated, those of the one before it are still to come."""


@dataclass(frozen=True)
class Row:
    """One metric of one chunk: our estimate, NannyML's (value, low, high), and the realised metric."""

    data: str
    chunk: int
    metric: str
    ours: Estimate
    theirs: tuple[float, float, float]
    realised: float
    unit: float = 1.0
    """What differences are divided by: of a loss, which has a unit, that of the whole reference."""
    checked: Estimate = Estimate.undefined()
    """The same with the interval widened by the record of those before it."""


def _halves(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = pd.read_parquet(DATA / f"nannyml_{name}.parquet")
    first = frame["period"] == "reference"
    return frame[first].reset_index(drop=True), frame[~first].reset_index(drop=True)


def _theirs(chunk: dict[str, float], metric: str) -> tuple[float, float, float]:
    return chunk[metric], chunk[f"{metric}_low"], chunk[f"{metric}_high"]


def _scores(frame: pd.DataFrame, name: str, labels: bool = True) -> Scores:
    truth, probability, _ = CLASSIFIERS[name]
    return Scores.of(frame[probability].to_numpy(), frame[truth].to_numpy() if labels else None)


def _judged(data: str, place: int, ours: dict[str, Estimate], labelled: Scores, chunk: dict[str, float]) -> list[Row]:
    """Set our estimates beside NannyML's and the labels; a metric that the labels leave undefined is left out."""
    threshold = CLASSIFIERS[data.split(",")[0]][2]
    realised = {name: classification.rate(name, labelled, threshold).value for name in RATES}
    realised["roc_auc"] = classification.roc_auc(labelled).value
    return [
        Row(data, place, name, seen, _theirs(chunk, name) if chunk else NONE, realised[name])
        for name, seen in ours.items()
        if np.isfinite(realised[name])
    ]


def classifiers(stored: dict[str, Any]) -> Iterator[Row]:
    for name, (_, _, threshold) in CLASSIFIERS.items():
        reference, analysis = _halves(name)
        learnt = cbpe.learn(_scores(reference, name))
        print(f"{name}: map learnt by us: {learnt.learnt}, by NannyML: {stored[name]['calibrated']}")
        for place, chunk in enumerate(stored[name]["chunks"]):
            rows = analysis.iloc[chunk["start"] : chunk["end"]]
            ours = cbpe.estimate(_scores(rows, name, labels=False), learnt, threshold)
            yield from _judged(name, place, ours, _scores(rows, name), chunk)


def left_out(shuffled: bool) -> Iterator[Row]:
    """Estimate each chunk of the reference from all others: the interval where nothing, or little, has changed."""
    kind = "reference shuffled" if shuffled else "reference"
    for name, (_, _, threshold) in CLASSIFIERS.items():
        reference, _ = _halves(name)
        if shuffled:
            reference = reference.sample(frac=1.0, random_state=0)
        size = min(CHUNK, len(reference) // 10)
        parts = [_scores(reference.iloc[at : at + size], name) for at in range(0, len(reference) - size + 1, size)]
        for place, part in enumerate(parts):
            learnt = cbpe.learn(sum((other for other in parts if other is not part), Scores()))
            yield from _judged(f"{name}, {kind}", place, cbpe.estimate(part, learnt, threshold), part, {})


def _records(frame: pd.DataFrame) -> dict[str, Column]:
    return {
        str(name): Column.floats(frame[name].to_numpy(np.float64))
        if pd.api.types.is_numeric_dtype(frame[name])
        else Column.of(frame[name].tolist())
        for name in frame.columns.drop(["timestamp", "period"])
    }


def _layouts(records: Records) -> dict[str, Layout]:
    return {
        name: learn_categorical(Counter(column.values.tolist()))
        if column.values.dtype == object
        else learn_numeric(column.values, column.values.min(), column.values.max())
        for name, column in records.items()
        if name != "y_true"
    }


def _losses(
    data: str, model: dle.LossModel, unit: Errors, frame: pd.DataFrame, chunks: list[dict[str, Any]]
) -> list[Row]:
    units = {"mae": regression.mae(unit).value, "rmse": regression.rmse(unit).value}
    found = []
    for place, chunk in enumerate(chunks):
        rows = frame.iloc[chunk["start"] : chunk["end"]]
        errors = Errors.of(rows["y_pred"].to_numpy(), rows["y_true"].to_numpy())
        realised = {"mae": regression.mae(errors).value, "rmse": regression.rmse(errors).value}
        ours = dle.estimate(model.losses(_records(rows.drop(columns="y_true"))))
        for name, seen in ours.items():
            theirs = _theirs(chunk, name) if name in chunk else NONE
            found.append(Row(data, place, name, seen, theirs, realised[name], units[name]))
    return found


def regressor(stored: dict[str, Any]) -> Iterator[Row]:
    """Estimate the analysis rows from the reference, and each half of the reference from the other."""
    reference, analysis = _halves("regression")
    unit = Errors.of(reference["y_pred"].to_numpy(), reference["y_true"].to_numpy())
    half = len(reference) // 2
    ways = [
        ("regression", reference, analysis, stored["regression"]["chunks"]),
        *(("regression, reference", reference.iloc[one], reference.iloc[other],
           [{"start": at, "end": at + CHUNK} for at in range(0, half, CHUNK)])
          for one, other in [(slice(half), slice(half, None)), (slice(half, None), slice(half))]),
    ]  # fmt: skip
    for data, known, asked, chunks in ways:
        records = _records(known)
        model = dle.learn(records, _layouts(records), "y_pred", "y_true")
        yield from _losses(data, model, unit, asked, chunks)


def checked(rows: list[Row]) -> list[Row]:
    """Widen each interval of the analysis by the misses of the reference's chunks and of those whose labels are in."""
    found = []
    for row in rows:
        base, _, kind = row.data.partition(", ")
        mine = [other for other in rows if other.metric == row.metric]
        before = [other for other in mine if other.data == f"{base}, reference" and not kind]
        before += [other for other in mine if other.data == row.data and other.chunk <= row.chunk - LATE]
        record = np.array([miss(other.ours, other.realised) for other in before])
        found.append(replace(row, checked=widened(row.ours, doubt(record))))
    return found


def summary(rows: list[Row]) -> list[list[object]]:
    """Largest differences and how often the realised metric lies in each interval, by data set and metric."""
    found: list[list[object]] = []
    for data, metric in dict.fromkeys((row.data, row.metric) for row in rows):
        mine = [row for row in rows if (row.data, row.metric) == (data, metric)]
        ours = [row.ours[:3] for row in mine]
        apart = [abs(row.ours.value - row.theirs[0]) / row.unit for row in mine]
        found.append([data, metric, len(mine), _number(max(apart)), *_quality(mine, ours)])
        found[-1] += _quality(mine, [row.theirs for row in mine])
    return found


def _quality(rows: list[Row], seen: list[tuple[float, float, float]]) -> list[object]:
    """Return the mean error, how often the realised metric lies inside, and the mean width of the interval."""
    both = list(zip(rows, seen, strict=True))
    error = np.mean([abs(value - row.realised) / row.unit for row, (value, _, _) in both])
    width = np.mean([(high - low) / row.unit for row, (_, low, high) in both])
    inside = sum(low <= row.realised <= high for row, (_, low, high) in both)
    return [_number(error), "" if np.isnan(width) else f"{inside}/{len(rows)}", _number(width)]


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"


def total(rows: list[Row]) -> list[list[object]]:
    """Count how often the realised metric lies inside over all metrics of a data set."""
    found: list[list[object]] = []
    for data in dict.fromkeys(row.data for row in rows):
        mine = [row for row in rows if row.data == data]
        shares = [np.mean([one.low <= row.realised <= one.high for row, one in pairs])
                  for pairs in ([(row, row.ours) for row in mine], [(row, row.checked) for row in mine])]  # fmt: skip
        widths = [(row.checked.high - row.checked.low, row.ours.high - row.ours.low) for row in mine]
        wider = np.median([new / old for new, old in widths if old > 0])
        found.append([data, len(mine), *(f"{share:.1%}" for share in shares), f"{wider:.2f}"])
    return found


HEAD = [
    "data", "metric", "chunks", "max difference", "our error", "inside (95 %)", "width",
    "NannyML's error", "inside (3 sd)", "width",
]  # fmt: skip


def chunk_table(rows: list[Row]) -> str:
    shown = [
        [row.data, row.chunk, row.metric, *(f"{end / row.unit:.4f}" for end in row.ours[:3]),
         f"{row.theirs[0] / row.unit:.4f}", f"{row.realised / row.unit:.4f}"]
        for row in rows
    ]  # fmt: skip
    return tables.table(["data", "chunk", "metric", "ours", "low", "high", "NannyML", "realised"], shown)


def main() -> None:
    parser = argparse.ArgumentParser(description="Performance estimated without labels, beside NannyML and the labels")
    parser.add_argument("--chunks", action="store_true", help="print every chunk too")
    report(chunks=parser.parse_args().chunks)


def report(*, chunks: bool = False) -> None:
    """Print the comparison."""
    begun = time.perf_counter()
    stored = json.loads((DATA / "nannyml_estimates.json").read_text("utf-8"))
    rows = checked([*classifiers(stored), *left_out(False), *left_out(True), *regressor(stored)])
    if chunks:
        print(chunk_table(rows))
    print("\nLargest difference from NannyML's estimate; then, ours and NannyML's: mean distance from the realised")
    print("metric, chunks whose realised metric lies inside the interval, and its mean width. Losses are in units of")
    print("the reference's own.\n")
    print(tables.table(HEAD, summary(rows)))
    print("\nRealised metrics inside our 95 % interval, all metrics together; then inside the interval that is widened")
    print(f"by the record of the labelled chunks before it (labels arrive {LATE - 1} chunk late), and by how much.\n")
    print(tables.table(["data", "intervals", "inside", "inside, checked", "wider, median"], total(rows)))
    print(f"\n{time.perf_counter() - begun:.0f} s; NannyML {stored['nannyml']}")


if __name__ == "__main__":
    main()
