"""What Evidently and NannyML say on the same windows, with their defaults; and fair ways to count it.

`python -m benchmarks.detection.peers` prints how far the scores lie from those of Evidently's own preset.
"""

from __future__ import annotations

import functools
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

os.environ["DO_NOT_TRACK"] = "1"

import numpy as np
import pandas as pd

from benchmarks.detection import streams, tables
from benchmarks.detection.streams import Stream
from detectors import evaluate
from detectors.evaluate import EqualAlarms, pages

HERE = Path(__file__).resolve().parent
VENV = HERE.parent / ".venv-nannyml"
REQUIREMENTS = HERE.parent / "requirements-nannyml.txt"
REFERENCE_ROWS = 20_000
MIN_ROWS = 5
"""Windows with fewer rows are not judged by anyone."""
DRIFT_SHARE = 0.5

Window = tuple[pd.Timestamp, pd.Timestamp]


class Verdict(NamedTuple):
    """What a peer says about one window. A score of 1 is the peer's own threshold."""

    end: pd.Timestamp
    alert: bool
    scores: dict[str, float]


class PeerMissing(RuntimeError):
    """A peer could not be set up; the message says why."""


# -------------------------------------------------------------------------------------------------- windows


def windows(stream: Stream, hop: timedelta | None = None, limit: int | None = None) -> list[Window]:
    """Return the windows of the live part, one after the other (or every `hop`), at most `limit`, with enough rows."""
    return _grid(stream, stream.learn_until, stream.frame["timestamp"].iloc[-1], hop or stream.window)[:limit]


def learning_windows(stream: Stream) -> list[Window]:
    """Return the windows of the learn part that end with it, one after the other."""
    span = stream.learn_until - stream.frame["timestamp"].iloc[0]
    start = stream.learn_until - (span // stream.window) * stream.window
    return _grid(stream, start, stream.learn_until, stream.window)


def _grid(stream: Stream, start: pd.Timestamp, stop: pd.Timestamp, hop: timedelta) -> list[Window]:
    width = pd.Timedelta(stream.window)
    count = max(0, int((stop - start - width) // hop) + 1)
    spans = [(start + index * hop, start + index * hop + width) for index in range(count)]
    return [span for span in spans if np.diff(_bounds(stream, span))[0] >= MIN_ROWS]


def _bounds(stream: Stream, window: Window) -> list[int]:
    times = stream.frame["timestamp"]
    return [int(times.searchsorted(moment)) for moment in window]


def _rows(stream: Stream, window: Window) -> pd.DataFrame:
    first, last = _bounds(stream, window)
    return stream.frame.iloc[first:last]


def weeks(spans: Sequence[Window]) -> float:
    """Return the time that the windows cover, in weeks; overlaps count once."""
    return evaluate.total_time(spans) / pd.Timedelta(days=7)


# ------------------------------------------------------------------------------------------------ Evidently


def _reference(stream: Stream) -> pd.DataFrame:
    learn = stream.learn()[stream.columns]
    if len(learn) > REFERENCE_ROWS:
        learn = learn.sample(REFERENCE_ROWS, random_state=0).sort_index()
    return _objects(learn)


def _objects(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({name: object for name in frame.columns if frame[name].dtype.kind != "f"})


def evidently(stream: Stream, spans: Sequence[Window]) -> dict[str, list[Verdict]]:
    """Run what `DataDriftPreset` runs with its defaults: `dataset` (half of the columns drifted) and `any` column.

    The preset spends nine tenths of its time on plots and on the same sums again, so this asks Evidently's own default
    test of each column directly; `preset_difference` shows that the scores are the same.
    """
    reference = _reference(stream)
    clean = {name: reference[name].replace([-np.inf, np.inf], np.nan).dropna() for name in stream.columns}
    result: dict[str, list[Verdict]] = {"dataset": [], "any": []}
    for span in spans:
        current = _objects(_rows(stream, span)[stream.columns])
        judged = {name: _evidently_column(clean[name], current[name]) for name in stream.columns}
        scores = {name: score for name, (score, _, _) in judged.items()}
        drifted = sum(alert for _, alert, _ in judged.values())
        result["dataset"].append(Verdict(span[1], drifted / len(judged) >= DRIFT_SHARE, scores))
        result["any"].append(Verdict(span[1], drifted > 0, scores))
    return result


def _evidently_column(reference: pd.Series, current: pd.Series) -> tuple[float, bool, float]:
    """Return the score in units of the threshold, whether the column drifted, and Evidently's own score."""
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    current = current.replace([-np.inf, np.inf], np.nan).dropna()
    if current.empty or reference.empty:
        return 0.0, False, float("nan")
    kind = ColumnType.Numerical if reference.dtype.kind == "f" else ColumnType.Categorical
    test = get_stattest(reference, current, kind, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = test(reference, current, kind, None)
    raw, threshold = float(found.drift_score), float(found.actual_threshold)
    if test.display_name.endswith("p_value"):
        return float(np.log(max(raw, 1e-300)) / np.log(threshold)), bool(found.drifted), raw
    return raw / threshold, bool(found.drifted), raw


def preset_difference(stream: Stream, span: Window) -> float:
    """Return the largest difference between the preset's scores of a window and those of `evidently`."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    reference, current = _reference(stream), _objects(_rows(stream, span)[stream.columns])
    numbers = [name for name in stream.columns if reference[name].dtype.kind == "f"]
    layout = DataDefinition(
        numerical_columns=numbers, categorical_columns=[name for name in stream.columns if name not in numbers]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = Report([DataDriftPreset()]).run(
            Dataset.from_pandas(current, layout), Dataset.from_pandas(reference, layout)
        )
    theirs = {
        metric["config"]["column"]: float(metric["value"])
        for metric in run.dict()["metrics"]
        if "column" in metric["config"]
    }
    return max(abs(theirs[name] - _evidently_column(reference[name], current[name])[2]) for name in stream.columns)


# -------------------------------------------------------------------------------------------------- NannyML


def nannyml_python() -> Path:
    """Return the Python of NannyML's environment, made from the pinned list when it is not there yet."""
    found = _nannyml_environment()
    if isinstance(found, str):
        raise PeerMissing(found)
    return found


@functools.cache
def _nannyml_environment() -> Path | str:
    """Return the environment's Python, or why it could not be made: one try is enough."""
    python, stamp, wanted = VENV / "bin" / "python", VENV / "made-from.txt", REQUIREMENTS.read_text("utf-8")
    if python.exists() and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return python
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        make = [uv, "venv", "--quiet", "--clear", "--python", "3.11", str(VENV)]
        fill = [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(REQUIREMENTS)]
    else:
        make = [sys.executable, "-m", "venv", "--clear", str(VENV)]
        fill = [str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)]
    print("making benchmarks/.venv-nannyml (once, about a minute) …", file=sys.stderr, flush=True)
    for command in (make, fill):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            tail = "\n".join(done.stderr.strip().splitlines()[-5:])
            return f"NannyML's environment could not be made, its column stays empty:\n{tail}"
    stamp.write_text(wanted, "utf-8")
    return python


@functools.cache
def _nannyml_worker() -> subprocess.Popen[str]:
    """Return the process that runs NannyML; it ends with our own, when its input closes."""
    return subprocess.Popen(
        [str(nannyml_python()), str(HERE / "run_nannyml.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=tempfile.TemporaryFile(),  # noqa: SIM115  (lives as long as the process)
        text=True,
    )


def _ask(worker: subprocess.Popen[str], paths: list[str], name: str) -> None:
    assert worker.stdin
    assert worker.stdout
    try:
        worker.stdin.write(json.dumps(paths) + "\n")
        worker.stdin.flush()
        reply = worker.stdout.readline().strip()
    except BrokenPipeError:
        reply = ""
    if reply != "ok":
        raise PeerMissing(f"NannyML failed on {name}: {reply or 'its process ended'}")


def _numbered(stream: Stream, spans: Sequence[Window]) -> pd.DataFrame:
    parts = [_rows(stream, span)[stream.columns].assign(window=number) for number, span in enumerate(spans)]
    return pd.concat(parts, ignore_index=True)


def nannyml(stream: Stream, spans: Sequence[Window], method: str = "univariate") -> list[Verdict]:
    """Run `UnivariateDriftCalculator` with its defaults, one chunk a window; alert when any column alerts.

    With the method `reconstruction` it is `DataReconstructionDriftCalculator`, and the columns are one.

    The thresholds come from the windows of the learn part (mean and three standard deviations), as NannyML does it.
    """
    worker = _nannyml_worker()
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("reference.parquet", "windows.parquet", "out.json")]
        _numbered(stream, learning_windows(stream)).to_parquet(paths[0])
        _numbered(stream, spans).to_parquet(paths[1])
        _ask(worker, [*paths, method], stream.name)
        answer = json.loads(Path(paths[2]).read_text("utf-8"))
    columns: dict[str, dict[str, list[Any]]] = answer["columns"]
    return [
        Verdict(
            spans[number][1],
            any(column["alert"][row] for column in columns.values()),
            {name: column["score"][row] for name, column in columns.items()},
        )
        for row, number in enumerate(answer["windows"])
    ]


# ------------------------------------------------------------------------------------------------- counting


def standardise(quiet: Sequence[Verdict], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts with scores in standard deviations of the same column on the quiet windows."""
    table = pd.DataFrame([verdict.scores for verdict in quiet])
    mean, spread = table.mean().to_dict(), table.std().clip(lower=1e-9).to_dict()
    return [
        verdict._replace(scores={name: (score - mean[name]) / spread[name] for name, score in verdict.scores.items()})
        for verdict in verdicts
    ]


def half_of_columns(_quiet: Sequence[Verdict], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts with one score: what half of the columns reach, so that 1 is Evidently's dataset drift."""
    return [
        verdict._replace(
            scores={"dataset": sorted(verdict.scores.values())[-math.ceil(DRIFT_SHARE * len(verdict.scores))]}
        )
        for verdict in verdicts
    ]


Score = Callable[[Sequence[Verdict], Sequence[Verdict]], list[Verdict]]

AT_EQUAL_RATES: dict[str, tuple[str, Score]] = {
    "Evidently, dataset": ("Evidently, dataset", half_of_columns),
    "Evidently, any column": ("Evidently, any column", standardise),
    "NannyML, any column": ("NannyML, any column", standardise),
    "NannyML, PCA": ("NannyML, PCA", standardise),
}
"""How a peer's verdicts become one score that a threshold can be set on, given those of quiet windows."""


def at_equal_false_alarms(
    scores_quiet: Sequence[Verdict],
    scores_live: Sequence[Verdict],
    rate: float,
    quiet_weeks: float,
    change: pd.Timestamp | None = None,
    resolve: int = 2,
) -> EqualAlarms:
    """Set the lowest threshold that stays within `rate` episodes a week on the quiet windows, then look at the live."""
    quiet, live = ([largest(verdict) for verdict in verdicts] for verdicts in (scores_quiet, scores_live))
    ends = [verdict.end for verdict in scores_live]
    seen = evaluate.at_equal_false_alarms(quiet, live, ends, rate, quiet_weeks, change, resolve)
    return replace(seen, delay=_plain(seen.delay))


def largest(verdict: Verdict) -> float:
    """Return the score of the column that says most."""
    return max(verdict.scores.values(), default=0.0)


def _plain(late: timedelta | None) -> timedelta | None:
    return None if late is None else pd.Timedelta(late).to_pytimedelta()


# ---------------------------------------------------------------------------------------------------- report


Found = dict[str, list[Verdict] | str]
"""The verdicts of peers by name, or why there are none."""


def run_peers(stream: Stream, spans: Sequence[Window]) -> Found:
    """Return the verdicts of every peer."""
    return {**run_univariate(stream, spans), **run_reconstruction(stream, spans)}


def run_univariate(stream: Stream, spans: Sequence[Window]) -> Found:
    """Return the verdicts of the peers that look at each column by itself."""
    found = evidently(stream, spans)
    return {PEERS[0]: found["dataset"], PEERS[1]: found["any"], PEERS[2]: _or_why(nannyml, stream, spans)}


def run_reconstruction(stream: Stream, spans: Sequence[Window]) -> Found:
    """Return the verdicts of the peer that looks at all columns together; it needs two."""
    if len(stream.columns) < 2:  # noqa: PLR2004
        return {PEERS[3]: "one column"}
    return {PEERS[3]: _or_why(functools.partial(nannyml, method="reconstruction"), stream, spans)}


def _or_why(ask: Callable[[Stream, Sequence[Window]], list[Verdict]], stream: Stream, spans: Sequence[Window]) -> Any:
    try:
        return ask(stream, spans)
    except PeerMissing as problem:
        print(f"!! {problem}", file=sys.stderr, flush=True)
        return "not run"


PEERS = ("Evidently, dataset", "Evidently, any column", "NannyML, any column", "NannyML, PCA")


def _quiet_row(stream: Stream, limit: int) -> list[object]:
    spans = windows(stream, limit=limit)
    watched = weeks(spans)
    row: list[object] = [stream.name, len(stream.columns), len(spans), watched]
    for verdicts in run_peers(stream, spans).values():
        if isinstance(verdicts, str):
            row.append(verdicts)
            continue
        alerts = [verdict.alert for verdict in verdicts]
        row.append(f"{tables.rate(pages(alerts), watched)}, {100 * np.mean(alerts):.0f} % of windows")
    return row


def quiet_table(limit: int = 168, seed: int = 1) -> str:
    """Pages a week on streams without a known change, at most `limit` windows of each."""
    makers: list[Callable[[], Stream]] = [functools.partial(lambda one: one, one) for one in streams.quiet()]
    makers += [functools.partial(make, seed) for make in streams.SIMULATED.values()]
    rows = [_quiet_row(make(), limit) for make in makers]
    return tables.table(["quiet stream", "columns", "windows", "weeks", *PEERS], rows)


def main() -> None:
    small = streams.injected("shift_0.5", 1)
    print(f"largest difference from Evidently's preset: {preset_difference(small, windows(small)[-1]):.1e}")


if __name__ == "__main__":
    main()
