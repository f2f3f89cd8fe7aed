"""Write Evidently's HTML report of a window and its baseline, in a child process.

Evidently takes 280 MB and two seconds to import, so neither the daemon nor the command that requests a
report imports it. The frames are passed as lines of JSON in a temporary directory, not as pickles, which could
execute code.
"""

from __future__ import annotations

import html
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.binning import Binning, Kind, category, numbers
from detectors.records import Column, Records, concatenate, row_count, take
from monitor.config.models import ConfigError, Monitor
from monitor.profiling.signals import protect_values, with_signals
from monitor.profiling.source_columns import columns_to_read
from monitor.sources.base import Reader, read_in_steps
from monitor.sources.traffic_roles import keep_monitored

if TYPE_CHECKING:
    import pandas as pd

SIDES = ("reference", "current")
COMPARED: tuple[Kind, ...] = ("numeric", "categorical")
"""Kinds that Evidently supports; the joint column is a sum of vectors and has no values."""
TIMEOUT = 180.0
LAST_WORDS = 400


def sample(
    reader: Reader,
    monitor: Monitor,
    layouts: Mapping[str, Binning],
    start: datetime,
    end: datetime,
    rows: int = 5000,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw a uniform sample of the monitored columns of served traffic, including signals, in one pass over pages.

    Parameters
    ----------
    layouts
        The monitored columns and their kinds; only numeric and categorical ones are sampled.
    start, end
        Half-open, in UTC.
    rows, seed
        Size of the sample, and seed; the same seed and pages give the same rows.

    Returns
    -------
    pandas.DataFrame
        One column per layout, in order of time: float64, or texts with None for missing values.
    """
    layouts = {name: layout for name, layout in layouts.items() if layout.kind in COMPARED}
    chance = np.random.default_rng(seed)
    keys = np.zeros(0)
    records: Records = {}
    for read in read_in_steps(reader, columns_to_read(monitor, layouts, reader.schema()), start, end):
        page = keep_monitored(read, monitor)
        drawn = chance.random(page.rows)
        chosen = drawn < (keys.max() if len(keys) >= rows else np.inf)
        if not chosen.any():
            continue
        logged = with_signals(page.take(chosen), monitor.signals)
        fresh = _watched_columns(protect_values(logged, monitor, layouts), layouts)
        records, keys = concatenate([records, fresh] if records else [fresh]), np.concatenate([keys, drawn[chosen]])
        if len(keys) > rows:
            smallest = np.sort(np.argpartition(keys, rows)[:rows])
            records, keys = take(records, smallest), keys[smallest]
    return _frame(records, layouts, len(keys))


def _watched_columns(records: Records, layouts: Mapping[str, Binning]) -> dict[str, Column]:
    """Select the monitored columns, so that no other text stays in memory; an absent column has only missing values."""
    size = row_count(records)
    return {name: records[name] if name in records else Column.of([None] * size) for name in layouts}


def _frame(records: Records, layouts: Mapping[str, Binning], size: int) -> pd.DataFrame:
    import pandas as pd

    columns = {
        name: _values(records[name], layout.kind) if name in records else _values(Column.of([]), layout.kind)
        for name, layout in layouts.items()
    }
    return pd.DataFrame(columns, index=range(size))


def _values(column: Column, kind: Kind) -> np.ndarray:
    if kind == "numeric":
        return numbers(column)[0]
    texts = np.empty(len(column), dtype=object)
    texts[:] = [None if gone else category(value) for value, gone in zip(column.values, column.missing, strict=True)]
    return texts


def write_report(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    kinds: Mapping[str, Kind],
    out: Path,
    timeout: float = TIMEOUT,
) -> None:
    """Compare two frames with Evidently and write its HTML file.

    A column without values on one side cannot be compared; the file lists it at the top.

    Parameters
    ----------
    reference, current
        Samples of the baseline and of the window.
    kinds
        Kind of each column; only numeric and categorical ones are compared.
    out
        The HTML file.
    timeout
        Seconds after which the child is ended.

    Raises
    ------
    ConfigError
        If Evidently is not installed, no column can be compared, or the timeout has passed.
    """
    if importlib.util.find_spec("evidently") is None:
        raise ConfigError("a report needs Evidently, which is not installed; install driftd[report].")
    compared = [n for n in kinds if kinds[n] in COMPARED and n in reference.columns and n in current.columns]
    empty = [name for name in compared if _is_empty(reference[name]) or _is_empty(current[name])]
    used = [name for name in compared if name not in empty]
    if not used:
        raise ConfigError("no column has values both in the baseline and in the window, so nothing can be compared.")
    with tempfile.TemporaryDirectory(prefix="driftd-report-") as scratch:
        folder = Path(scratch)
        for side, frame in zip(SIDES, (reference, current), strict=True):
            _write_lines(frame, used, kinds, folder / f"{side}.jsonl")
        types = json.dumps({_harmless(name): kinds[name] for name in used})
        (folder / "kinds.json").write_text(types, encoding="utf-8")
        _run_child(folder, timeout)
        made = (folder / "report.html").read_text(encoding="utf-8")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(_with_note(made, empty), encoding="utf-8")


def _is_empty(series: pd.Series[Any]) -> bool:
    return not bool(series.notna().any())


def _write_lines(frame: pd.DataFrame, names: Sequence[str], kinds: Mapping[str, Kind], path: Path) -> None:
    """Write one list per row; missing and non-finite values are null."""
    columns = [_plain(frame[name].tolist(), kinds[name]) for name in names]
    with path.open("w", encoding="utf-8") as file:
        for row in zip(*columns, strict=True):
            file.write(json.dumps(row, allow_nan=False) + "\n")


def _plain(values: Iterable[Any], kind: Kind) -> list[Any]:
    if kind == "numeric":
        return [float(value) if value is not None and np.isfinite(value) else None for value in values]
    return [None if value is None or value != value else _harmless(str(value)) for value in values]  # noqa: PLR0124


def _harmless(text: str) -> str:
    """Replace characters that could end a script or start an element; the file is opened without our CSP headers."""
    return text.replace("<", "‹").replace(">", "›").replace("\x00", "")


def _run_child(folder: Path, timeout: float) -> None:
    """Run this module as a program with an empty environment, so that no secret reaches the library."""
    environment = {
        "DO_NOT_TRACK": "1",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONWARNINGS": "ignore",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "monitor.jobs.report", str(folder)]
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=timeout, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        sentence = f"the report was not finished after {timeout:g} s; monitor fewer columns."
        raise ConfigError(sentence) from None
    if ended.returncode != 0:
        last = ended.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no error message"]
        raise ConfigError(f"Evidently could not make the report: {last[0][:LAST_WORDS]}")


def _with_note(page: str, empty: Sequence[str]) -> str:
    """Add a note on the omitted columns at the top of the file."""
    if not empty:
        return page
    names = ", ".join(html.escape(name) for name in empty)
    note = f'<p style="font-family:sans-serif;margin:1rem">Omitted, because one side has no values: {names}.</p>'
    before, body, after = page.partition("<body>")
    return f"{before}{body}{note}{after}" if body else f"{note}{page}"


def _make(folder: Path) -> None:
    """Run in the child process: read the frames, compare them, and write the file."""
    kinds: dict[str, Kind] = json.loads((folder / "kinds.json").read_text(encoding="utf-8"))
    import warnings

    warnings.simplefilter("ignore")
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    of_kind = {kind: [name for name in kinds if kinds[name] == kind] for kind in ("numeric", "categorical")}
    definition = DataDefinition(numerical_columns=of_kind["numeric"], categorical_columns=of_kind["categorical"])
    sides = []
    for side in SIDES:
        lines = (folder / f"{side}.jsonl").read_text(encoding="utf-8").splitlines()
        frame = pd.DataFrame([json.loads(line) for line in lines], columns=list(kinds))
        frame = frame.astype({name: "float64" if kind == "numeric" else "object" for name, kind in kinds.items()})
        sides.append(Dataset.from_pandas(frame, definition))
    reference, current = sides
    Report([DataDriftPreset(columns=list(kinds))]).run(current, reference).save_html(str(folder / "report.html"))


if __name__ == "__main__":
    _make(Path(sys.argv[1]))
