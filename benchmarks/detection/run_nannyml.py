"""Run NannyML's drift on windows: one JSON line of three paths and a method in, one line out, until the input ends.

The paths are of the reference, of the windows (parquet) and of the answer (JSON). This file runs in
`benchmarks/.venv-nannyml`, imports nothing of driftd, and stays up because NannyML takes ten seconds to import. Both
tables have a column `window` with the number of the window that a row belongs to; every window becomes one chunk, of
the reference (for the thresholds) and of the live part alike. Everything else is NannyML's default.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "1"
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")

import nannyml  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from nannyml.chunk import Chunk, Chunker  # noqa: E402


class WindowChunker(Chunker):
    """One chunk a window; the index of the data holds the number of the window."""

    def _split(self, data: pd.DataFrame) -> list[Chunk]:
        return [Chunk(key=str(key), data=part) for key, part in data.groupby(level=0, sort=True)]


def read(path: str) -> pd.DataFrame:
    frame = pd.read_parquet(path).set_index("window")
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = frame[name].astype(object)
    return frame


def answer(reference_path: str, windows_path: str, out: str, method: str) -> None:
    reference, live = read(reference_path), read(windows_path)
    keys, columns = {"univariate": univariate, "reconstruction": reconstruction}[method](reference, live)
    Path(out).write_text(json.dumps({"windows": keys, "columns": columns}), encoding="utf-8")


def reconstruction(reference: pd.DataFrame, live: pd.DataFrame) -> tuple[list[int], dict[str, Any]]:
    calculator = nannyml.DataReconstructionDriftCalculator(
        column_names=list(reference.columns), chunker=WindowChunker()
    )
    table = calculator.fit(reference).calculate(live).filter(period="analysis").to_df()
    expected = calculator.result.filter(period="reference").to_df()
    value = table["reconstruction_error", "value"].astype(float).to_numpy()
    usual = expected["reconstruction_error", "value"].astype(float).mean()
    reach = np.maximum(table["reconstruction_error", "upper_threshold"].astype(float).to_numpy() - usual, 1e-9)
    alert = table["reconstruction_error", "alert"].fillna(False).astype(bool)
    score = np.nan_to_num(np.abs(value - usual) / reach, nan=0.0)  # it alerts on both sides
    found = {"score": score.tolist(), "alert": alert.tolist()}
    return [int(key) for key in table["chunk", "key"]], {"all": found}


def univariate(reference: pd.DataFrame, live: pd.DataFrame) -> tuple[list[int], dict[str, Any]]:
    columns = list(reference.columns)
    calculator = nannyml.UnivariateDriftCalculator(column_names=columns, chunker=WindowChunker())
    table = calculator.fit(reference).calculate(live).filter(period="analysis").to_df()
    expected = calculator.result.filter(period="reference").to_df()
    result: dict[str, dict[str, list[float | bool]]] = {}
    for name in columns:
        method = next(key[1] for key in table.columns if key[0] == name)
        value = table[name, method, "value"].astype(float).to_numpy()
        upper = table[name, method, "upper_threshold"].astype(float).to_numpy()
        usual = expected[name, method, "value"].astype(float).mean()
        alert = table[name, method, "alert"].fillna(False).astype(bool)
        score = (value - usual) / np.maximum(upper - usual, 1e-9)
        result[name] = {"score": np.nan_to_num(score, nan=0.0).tolist(), "alert": alert.tolist()}
    return [int(key) for key in table["chunk", "chunk", "key"]], result


def main() -> None:
    replies, sys.stdout = sys.stdout, sys.stderr  # what NannyML prints must not mix with the replies
    for line in sys.stdin:
        try:
            answer(*json.loads(line))
            reply = "ok"
        except Exception as problem:  # noqa: BLE001  (the caller decides)
            reply = repr(problem).replace("\n", " ")
        print(reply, file=replies, flush=True)


if __name__ == "__main__":
    main()
