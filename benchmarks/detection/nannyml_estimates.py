"""Ask NannyML for its estimates without labels and write them to benchmarks/data/nannyml_estimates.json.

`benchmarks/.venv-nannyml/bin/python benchmarks/detection/nannyml_estimates.py` (a minute). The environment is the one
of benchmarks/requirements-nannyml.txt; this file imports nothing of driftd. Chunks are of a fixed number of rows, in
the order of the file; the reference is fitted as one; everything else is NannyML's default.
"""

from __future__ import annotations

import json
import os
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "1"
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")

import nannyml  # noqa: E402
import pandas as pd  # noqa: E402

DATA = Path(__file__).resolve().parent.parent / "data"
METRICS = ["roc_auc", "accuracy", "precision", "recall", "f1"]
LOSSES = ["mae", "rmse"]
CLASSIFIERS = {  # truth, probability, prediction, rows of a chunk
    "car_loan": ("repaid", "y_pred_proba", "y_pred", 5000),
    "employment_MA": ("employed", "predicted_probability", "prediction", 5000),
    "california": ("clf_target", "y_pred_proba", "y_pred", 1000),
}
NOTE = (
    "Written by benchmarks/detection/nannyml_estimates.py: the analysis rows of benchmarks/data/nannyml_*.parquet in "
    "the order of the file, in chunks of chunk_size rows, estimated by NannyML's CBPE and DLE with their defaults, "
    "fitted on the reference rows. Nothing was edited by hand."
)


def parts(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the reference and the analysis rows, texts as categories."""
    frame = pd.read_parquet(DATA / f"nannyml_{name}.parquet").drop(columns="timestamp", errors="ignore")
    for column in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[column]) and column != "period":
            frame[column] = frame[column].astype("category")
    reference = frame["period"] == "reference"
    rest = frame.drop(columns="period")
    return rest[reference].reset_index(drop=True), rest[~reference].reset_index(drop=True)


def rows(estimator: Any, analysis: pd.DataFrame, metrics: list[str]) -> list[dict[str, float]]:
    """Return one row a chunk: where it starts and ends, NannyML's estimates and the ends of its intervals."""
    table = estimator.estimate(analysis).filter(period="analysis").to_df()
    found = []
    for place in range(len(table)):
        line = table.iloc[place]
        row = {"start": int(line["chunk", "start_index"]), "end": int(line["chunk", "end_index"]) + 1}
        for metric in metrics:
            row[metric] = float(line[metric, "value"])
            row[f"{metric}_low"] = float(line[metric, "lower_confidence_boundary"])
            row[f"{metric}_high"] = float(line[metric, "upper_confidence_boundary"])
        found.append(row)
    return found


def classifier(name: str) -> dict[str, Any]:
    truth, probability, prediction, size = CLASSIFIERS[name]
    reference, analysis = parts(name)
    estimator = nannyml.CBPE(
        metrics=METRICS,
        y_true=truth,
        y_pred_proba=probability,
        y_pred=prediction,
        problem_type="classification_binary",
        chunk_size=size,
    )
    estimator.fit(reference)
    chunks = rows(estimator, analysis.drop(columns=truth), METRICS)
    return {"chunk_size": size, "calibrated": bool(estimator.needs_calibration), "chunks": chunks}


def regressor() -> dict[str, Any]:
    reference, analysis = parts("regression")
    features = [name for name in reference.columns if name not in ("y_true", "y_pred")]
    estimator = nannyml.DLE(
        metrics=LOSSES, feature_column_names=features, y_true="y_true", y_pred="y_pred", chunk_size=5000
    )
    estimator.fit(reference)
    return {"chunk_size": 5000, "chunks": rows(estimator, analysis.drop(columns="y_true"), LOSSES)}


def main() -> None:
    found: dict[str, Any] = {"how": NOTE, "nannyml": version("nannyml")}
    for name in CLASSIFIERS:
        found[name] = classifier(name)
    found["regression"] = regressor()
    text = json.dumps(found, indent=1)
    (DATA / "nannyml_estimates.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
