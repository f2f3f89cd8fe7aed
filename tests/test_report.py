"""The Evidently report: real, complete, and made by somebody else's process."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from detectors.binning import Binning, learn_numeric
from detectors.joint import JOINT, learn_joint
from detectors.records import Column
from monitor.config.models import ConfigError, Monitor
from monitor.core.record_batch import RecordBatch
from monitor.jobs import report
from monitor.jobs.report import sample, write_report

START = datetime(2026, 11, 1, tzinfo=UTC)
KINDS = {
    "latency": "numeric",
    "constant": "numeric",
    "country": "categorical",
    "flag": "categorical",
    "never_filled": "numeric",
    "gone_now": "categorical",
}


def frame(rows: int, shift: float, gone: bool) -> pd.DataFrame:
    rng = np.random.default_rng(rows)
    latency = rng.normal(shift, 1, rows)
    latency[:7] = np.nan
    latency[7] = np.inf
    return pd.DataFrame(
        {
            "latency": latency,
            "constant": np.full(rows, 3.0),
            "country": rng.choice(["DE", "IS", "</script><script>alert(1)</script>"], rows),
            "flag": rng.choice(["true", "false", None], rows),
            "never_filled": np.full(rows, np.nan),
            "gone_now": [None if gone else "x"] * rows,
            "not_watched": np.arange(rows),
        }
    )


def need_evidently() -> None:
    if importlib.util.find_spec("evidently") is None:
        pytest.skip("NO EVIDENTLY HERE: install driftd[report]")


def test_the_report_is_made_and_mentions_every_column(tmp_path: Path) -> None:
    need_evidently()
    before = "evidently" in sys.modules
    out = tmp_path / "deep" / "report.html"
    write_report(frame(1500, 0.0, False), frame(600, 0.8, True), KINDS, out)  # type: ignore[arg-type]
    page = out.read_text(encoding="utf-8")
    assert len(page) > 100_000
    for column in KINDS:
        assert column in page
    assert "not_watched" not in page
    assert "Omitted, because one side has no values: never_filled, gone_now." in page
    assert "<script>alert(1)" not in page
    assert before or "evidently" not in sys.modules


def test_without_evidently_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"install driftd\[report\]"):
        write_report(frame(10, 0, False), frame(10, 0, False), KINDS, tmp_path / "r.html")  # type: ignore[arg-type]


def test_nothing_to_compare_is_a_sentence(tmp_path: Path) -> None:
    need_evidently()
    empty = pd.DataFrame({"a": [None, None]})
    with pytest.raises(ConfigError, match="nothing can be compared"):
        write_report(empty, empty, {"a": "numeric"}, tmp_path / "r.html")


def test_a_report_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    need_evidently()
    with pytest.raises(ConfigError, match=r"not finished after 0.05 s"):
        write_report(frame(20, 0, False), frame(20, 0, False), KINDS, tmp_path / "r.html", 0.05)  # type: ignore[arg-type]
    assert not (tmp_path / "r.html").exists()


def test_a_child_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Evidently could not make the report: .*kinds.json"):
        report._run_child(tmp_path, 60)


def test_the_child_sees_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    def run(_command: Sequence[str], *, env: dict[str, str], **_: object) -> object:
        seen.update(env)
        return type("Ended", (), {"returncode": 0})()

    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    monkeypatch.setattr(report.subprocess, "run", run)
    report._run_child(tmp_path, 1)
    assert seen["DO_NOT_TRACK"] == "1"
    assert "SLACK_BOT_TOKEN" not in seen


class Pages:
    """A reader of 40 hours with one page an hour, whose values are the hour."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def schema(self) -> dict[str, str]:
        return {"timestamp": "time", "id": "numeric", "hour": "numeric", "half": "text", "response": "text"}

    def read(self, start: datetime, end: datetime, columns: Sequence[str]) -> Iterator[RecordBatch]:
        self.asked = list(columns)
        while start < end:
            hour = (start - START) / timedelta(hours=1)
            size = 500
            times = start.timestamp() + np.arange(size)
            half = Column.of(["early" if hour < 20 else None] * size)
            text = Column.of(["four" if hour < 20 else None] * size)
            yield RecordBatch(
                {
                    "timestamp": Column.floats(times),
                    "hour": Column.floats(np.full(size, hour)),
                    "half": half,
                    "response": text,
                    "id": Column.floats(times),
                }
            )
            start += timedelta(hours=1)


def drawn(rows: int, seed: int = 0) -> pd.DataFrame:
    monitor = Monitor.model_validate(
        {
            "name": "bot",
            "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts", "response": "answer"}},
            "signals": ["response_length"],
        }
    )
    kinds = {"hour": "numeric", "half": "categorical", "response_length": "numeric", "not_there": "numeric"}
    layouts = {name: Binning(kind=kind) for name, kind in kinds.items()}  # type: ignore[arg-type]
    return sample(Pages(), monitor, layouts, START, START + timedelta(hours=40), rows, seed)  # type: ignore[arg-type]


def test_the_sample_is_uniform_over_all_pages() -> None:
    made = drawn(2000)
    assert made.shape == (2000, 4)
    per_hour = made["hour"].value_counts()
    assert len(per_hour) == 40
    assert per_hour.between(20, 90).all()
    assert made["hour"].is_monotonic_increasing


def test_the_sample_holds_signals_and_tells_missing_apart() -> None:
    made = drawn(2000)
    early = made["hour"] < 20
    assert set(made.loc[early, "response_length"]) == {4.0}
    assert set(made.loc[early, "half"]) == {"early"}
    assert made.loc[~early, "half"].isna().all()
    assert made["not_there"].isna().all()
    assert "response" not in made.columns


def test_the_sample_is_the_same_for_the_same_seed() -> None:
    pd.testing.assert_frame_equal(drawn(300), drawn(300))
    assert not drawn(300).equals(drawn(300, seed=1))


def test_few_rows_are_all_taken() -> None:
    assert len(drawn(30_000)) == 20_000


def test_a_monitor_with_a_joint_column_gives_a_report_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_evidently()
    hours, lengths = np.arange(40.0), np.arange(1.0, 41.0)
    layouts = {"hour": learn_numeric(hours, 0.0, 39.0), "response_length": learn_numeric(lengths, 1.0, 40.0)}
    joint = learn_joint(layouts)
    assert joint is not None
    layouts[JOINT] = joint
    monitor = Monitor.model_validate(
        {
            "name": "bot",
            "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "ts", "response": "answer"}},
            "signals": ["response_length"],
        }
    )
    pages = Pages()
    made = sample(pages, monitor, layouts, START, START + timedelta(hours=15), 500)  # type: ignore[arg-type]
    assert list(made.columns) == ["hour", "response_length"]
    assert JOINT not in pages.asked
    compared: dict[str, str] = {}

    def compare(folder: Path, _timeout: float) -> None:
        compared.update(json.loads((folder / "kinds.json").read_text(encoding="utf-8")))
        (folder / "report.html").write_text("<body></body>", encoding="utf-8")

    monkeypatch.setattr(report, "_run_child", compare)
    made[JOINT] = 0.0
    write_report(made, made, {name: layout.kind for name, layout in layouts.items()}, tmp_path / "report.html")
    assert compared == {"hour": "numeric", "response_length": "numeric"}
