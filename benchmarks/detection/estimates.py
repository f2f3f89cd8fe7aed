"""Performance estimated without labels: ours beside NannyML's and beside what the labels say.

`python -m benchmarks.detection.estimates` (a minute; `--chunks` prints all chunks). NannyML's numbers are those of
benchmarks/data/nannyml_estimates.json, on the same chunks of the same rows.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.detection import coverage, tables
from benchmarks.detection.coverage import Series
from detectors.binning import Binning, Kind
from detectors.outcome import OUTCOME, learn_scores, outcomes
from detectors.performance.interval_calibration import Residual, ResidualHistory
from detectors.performance.metrics import METRICS
from detectors.performance.tables import expected_table, labelled_table, unlike
from detectors.profile import Profile
from detectors.records import Column
from monitor.config.checks import PerformanceConfig
from monitor.core.record_batch import RecordBatch
from monitor.profiling.learn import Learner

DATA = Path(__file__).resolve().parent.parent / "data"
CLASSIFIERS = {  # truth, probability, and from which probability on the data set's model predicts 1
    "car_loan": ("repaid", "y_pred_proba", 0.65),
    "employment_MA": ("employed", "predicted_probability", 0.5),
    "california": ("clf_target", "y_pred_proba", 0.8),
}
CHUNK = 5000
"""Rows of a chunk of the reference that is left out."""
PAGE = 10_000
"""Rows that are read at a time."""
LOSSES = ("mae", "rmse")
NAMES = ("accuracy", "precision", "recall", "f1", "roc_auc")
LATE = 2.0
"""Chunks after which labels are there: when a chunk is estimated, those of the one before it are still to come."""
NONE = (float("nan"),) * 3


@dataclass(frozen=True)
class Row:
    """One metric of one chunk: our estimate and its error of chance, NannyML's (value, low, high), and the truth."""

    data: str
    chunk: int
    metric: str
    value: float
    error: float
    new: float
    theirs: tuple[float, float, float]
    realised: float
    unit: float = 1.0
    """What differences are divided by: of a loss, which has a unit, that of the whole reference."""

    @property
    def seen(self) -> Residual:
        """Return the chunk as a record remembers it."""
        return Residual(float(self.chunk), self.realised - self.value, self.error, self.new)


def _halves(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = pd.read_parquet(DATA / f"nannyml_{name}.parquet")
    first = frame["period"] == "reference"
    return frame[first].reset_index(drop=True), frame[~first].reset_index(drop=True)


def _theirs(chunk: dict[str, float], metric: str) -> tuple[float, float, float]:
    return chunk[metric], chunk[f"{metric}_low"], chunk[f"{metric}_high"]


def _profile(frame: pd.DataFrame, name: str) -> Profile:
    truth, probability, threshold = CLASSIFIERS[name]
    score, label = (Column.floats(frame[column].to_numpy(np.float64)) for column in (probability, truth))
    layout = learn_scores(threshold)
    return Profile.of(outcomes({"score": score, "label": label}, layout), layout)


def _judged(data: str, place: int, baseline: Profile, window: Profile, chunk: dict[str, float]) -> Iterator[Row]:
    """Set our estimates beside NannyML's and the labels; a metric that the labels leave undefined is left out."""
    guess, truth, new = expected_table(baseline, window), labelled_table(window), float(unlike(baseline, window))
    for name in NAMES:
        (value, error), (realised, _) = METRICS[name](guess), METRICS[name](truth)
        if np.isfinite(realised):
            theirs = _theirs(chunk, name) if chunk else NONE
            yield Row(data, place, name, float(value), float(error), new, theirs, float(realised))


def classifiers(stored: dict[str, Any]) -> Iterator[Row]:
    """Estimate each chunk of the analysis from the reference, and each chunk of that from all others."""
    for name in CLASSIFIERS:
        reference, analysis = _halves(name)
        yield from _left_out(f"{name}, reference", name, reference)
        yield from _left_out(f"{name}, reference shuffled", name, reference.sample(frac=1.0, random_state=0))
        baseline = _profile(reference, name)
        for place, chunk in enumerate(stored[name]["chunks"]):
            window = _profile(analysis.iloc[chunk["start"] : chunk["end"]], name)
            yield from _judged(name, place, baseline, window, chunk)


def _left_out(data: str, name: str, reference: pd.DataFrame) -> Iterator[Row]:
    size = min(CHUNK, len(reference) // 10)
    parts = [_profile(reference.iloc[at : at + size], name) for at in range(0, len(reference) - size + 1, size)]
    for place, part in enumerate(parts):
        rest = [other for other in parts if other is not part]
        yield from _judged(data, place, sum(rest[1:], rest[0]), part, {})


def _records(frame: pd.DataFrame) -> dict[str, Column]:
    renamed = frame.rename(columns={"y_pred": "prediction", "y_true": "label"})
    return {
        str(name): Column.floats(renamed[name].to_numpy(np.float64))
        if pd.api.types.is_numeric_dtype(renamed[name])
        else Column.of(renamed[name].tolist())
        for name in renamed.columns.drop(["timestamp", "period"])
    }


def _errors_layout(reference: pd.DataFrame) -> Binning:
    """Lay out the errors as the daemon does when it learns a baseline."""
    learner = Learner(_kinds(reference), PerformanceConfig())
    for at in range(0, len(reference), PAGE):
        learner.add(RecordBatch(_records(reference.iloc[at : at + PAGE])))
    return learner.layouts()[OUTCOME]


def _kinds(frame: pd.DataFrame) -> dict[str, Kind]:
    columns = frame.columns.drop(["timestamp", "period", "y_pred", "y_true"])
    return {str(name): "numeric" if pd.api.types.is_numeric_dtype(frame[name]) else "categorical" for name in columns}


def regressor(stored: dict[str, Any]) -> Iterator[Row]:
    """Estimate the analysis rows from the reference, and each chunk of the reference from the others."""
    reference, analysis = _halves("regression")
    layout = _errors_layout(reference)

    def profile(frame: pd.DataFrame) -> Profile:
        return Profile.of(outcomes(_records(frame), layout), layout)

    parts = [profile(reference.iloc[at : at + CHUNK]) for at in range(0, len(reference), CHUNK)]
    baseline = sum(parts[1:], parts[0])
    units = {name: float(METRICS[name](labelled_table(baseline))[0]) for name in LOSSES}
    for place, part in enumerate(parts):
        rest = [other for other in parts if other is not part]
        yield from _lost("regression, reference", place, sum(rest[1:], rest[0]), part, units, {})
    for place, chunk in enumerate(stored["regression"]["chunks"]):
        window = profile(analysis.iloc[chunk["start"] : chunk["end"]])
        yield from _lost("regression", place, baseline, window, units, chunk)


def _lost(
    data: str, place: int, baseline: Profile, window: Profile, units: dict[str, float], chunk: dict[str, float]
) -> Iterator[Row]:
    guess, truth, new = expected_table(baseline, window), labelled_table(window), float(unlike(baseline, window))
    for name in LOSSES:
        (value, error), (realised, _) = METRICS[name](guess), METRICS[name](truth)
        theirs = _theirs(chunk, name) if name in chunk else NONE
        yield Row(data, place, name, float(value), float(error), new, theirs, float(realised), units[name])


def summary(rows: list[Row]) -> list[list[object]]:
    """Largest differences, and how far the estimates lay from the realised metric, by data set and metric."""
    found: list[list[object]] = []
    for data, metric in dict.fromkeys((row.data, row.metric) for row in rows if "," not in row.data):
        mine = [row for row in rows if (row.data, row.metric) == (data, metric)]
        apart = max(abs(row.value - row.theirs[0]) / row.unit for row in mine)
        ours, theirs = (
            [abs(value - row.realised) / row.unit for value, row in zip(values, mine, strict=True)]
            for values in ([row.value for row in mine], [row.theirs[0] for row in mine])
        )
        inside = sum(row.theirs[1] <= row.realised <= row.theirs[2] for row in mine)
        width = np.mean([(row.theirs[2] - row.theirs[1]) / row.unit for row in mine])
        found.append(
            [
                data,
                metric,
                len(mine),
                f"{apart:.4f}",
                f"{np.mean(ours):.4f}",
                f"{np.mean(theirs):.4f}",
                f"{inside}/{len(mine)}",
                f"{width:.4f}",
            ]
        )
    return found


def real(rows: list[Row]) -> Iterator[Series]:
    """Yield the chunks of every data set and metric, after those of its reference."""
    for data, metric in dict.fromkeys((row.data, row.metric) for row in rows if "," not in row.data):
        mine = [row for row in rows if (row.data, row.metric) == (data, metric)]
        before = [row for row in rows if (row.data, row.metric) == (f"{data}, reference", metric)]
        count = len({row.chunk for row in rows if row.data == f"{data}, reference"})
        known = ResidualHistory(tuple(row.seen for row in sorted(before, key=lambda row: row.chunk)), mine[0].unit)
        later = [row.seen._replace(at=row.seen.at + count) for row in mine]
        yield Series(data, metric, known, later, mine[0].unit)


HEAD = [
    "data",
    "metric",
    "chunks",
    "max difference",
    "our error",
    "NannyML's error",
    "inside NannyML's 3 sd",
    "width",
]


def chunk_table(rows: list[Row]) -> str:
    shown = [
        [
            row.data,
            row.chunk,
            row.metric,
            *(f"{number / row.unit:.4f}" for number in (row.value, row.error)),
            f"{row.new:.3f}",
            f"{row.theirs[0] / row.unit:.4f}",
            f"{row.realised / row.unit:.4f}",
        ]
        for row in rows
    ]
    return tables.table(["data", "chunk", "metric", "ours", "error of chance", "new", "NannyML", "realised"], shown)


def main() -> None:
    parser = argparse.ArgumentParser(description="Performance estimated without labels, beside NannyML and the labels")
    parser.add_argument("--chunks", action="store_true", help="print every chunk too")
    report(chunks=parser.parse_args().chunks)


def report(*, chunks: bool = False) -> None:
    """Print the comparison."""
    begun = time.perf_counter()
    stored = json.loads((DATA / "nannyml_estimates.json").read_text("utf-8"))
    rows = [*classifiers(stored), *regressor(stored)]
    if chunks:
        print(chunk_table(rows))
    print(
        "\nLargest difference of our estimate from NannyML's; then the mean distance of both from the realised metric,"
    )
    print(
        "and chunks whose realised metric lies inside NannyML's interval. Losses are in units of the reference's own.\n"
    )
    print(tables.table(HEAD, summary(rows)))
    print(coverage.report([*real(rows)]))
    print(f"\n{time.perf_counter() - begun:.0f} s; NannyML {stored['nannyml']}")


if __name__ == "__main__":
    main()
