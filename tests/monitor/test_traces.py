"""Real traffic as logs: what /metrics and the page show equals pandas and decimals on the raw files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import traces
from tests.support.nightly import nightly


@pytest.mark.parametrize("name", ["azure_code", nightly("azure_conv"), "llmperf", "models"])
def test_what_is_shown_of_a_real_trace_equals_the_raw_file(name: str, tmp_path: Path) -> None:
    logs = {"llmperf": traces.llmperf, "models": traces.models}
    log = logs[name]() if name in logs else traces.azure(name.removeprefix("azure_"))
    rows = traces.run(name, log, tmp_path)
    assert len(rows) > 30
    assert [row for row in rows if not row.held] == []
    assert {row.figure for row in rows} >= {"input tokens", "cost, USD", "requests per second", "unpriced"}


def test_the_same_from_postgresql(tmp_path: Path, postgres_url: str) -> None:
    rows = traces.run("llmperf", traces.llmperf().head(1500), tmp_path, postgres_url)
    assert [row for row in rows if not row.held] == []


def test_a_wrong_figure_is_found() -> None:
    row = traces.Row("t", "tokens", 100.0, 100.0, 103.0, 0.02)
    assert not row.held
    assert not traces.Row("t", "tokens", 100.0, float("nan"), 100.0, 0.02).held
    assert traces.report([row]) == 1


def test_a_failed_request_of_the_raw_file_is_one_of_the_log() -> None:
    raw = pd.read_csv(traces.DATA / "latency_llmperf.csv.gz")
    log = traces.llmperf()
    assert (log["status"] == 200).sum() == raw["error_code"].isna().sum()
    assert (log["status"] == 429).sum() == 392
