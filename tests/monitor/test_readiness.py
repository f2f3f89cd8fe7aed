"""What a log can tell, by what its newest rows hold."""

from __future__ import annotations

import pytest

from monitor.presets import PRESETS
from monitor.presets.base import Preset
from monitor.readiness import CAPABILITIES, report
from monitor.sources.base import ColumnInfo


def column(name: str, present: float, sampled: int = 1000) -> ColumnInfo:
    return ColumnInfo(name, name, "text", "text", None, sampled, 1 - present, 5)


@pytest.mark.parametrize(
    ("columns", "capability", "answer", "says"),
    [
        ([column("latency", 1.0)], "latency", "yes", "100%"),
        ([column("latency", 0.4)], "latency", "partly", "40%"),
        ([column("latency", 0.0)], "latency", "no", "empty in the newest 1,000"),
        ([column("latency", 1.0, sampled=0)], "latency", "no rows", "empty so far"),
        ([], "latency", "no", "nothing is mapped as `latency`"),
        ([column("feedback", 0.03)], "what users say (feedback)", "yes", "3%"),
        ([column("cost", 1.0)], "cost", "yes", "`cost`"),
        (
            [column("model_version", 1.0), column("input_tokens", 1.0), column("output_tokens", 0.5)],
            "cost",
            "partly",
            "output_tokens",
        ),
        ([column("label", 0.1), column("prediction", 1.0)], "accuracy against labels", "yes", "10%"),
    ],
)  # fmt: skip
def test_each_answer_has_its_reason(columns: list[ColumnInfo], capability: str, answer: str, says: str) -> None:
    rows = {row.capability: row for row in report(columns, {}, None)}
    assert len(rows) == len(CAPABILITIES)
    assert rows[capability].answer == answer
    assert says in rows[capability].reason
    assert bool(rows[capability].fix) == (answer != "yes")


def test_the_tool_is_named_with_what_would_log_it() -> None:
    lacking = {"status": "there is no column LiteLLM_SpendLogs.status"}
    rows = {row.capability: row for row in report([column("finish_reason", 0.0)], lacking, PRESETS["litellm"])}
    assert rows["error rate"].reason == lacking["status"]
    assert "May 2025" in rows["error rate"].fix
    assert "store_prompts_in_spend_logs" in rows["cut answers, as the model says"].fix


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_advice_is_about_what_the_report_asks_for(preset: Preset) -> None:
    needed = {name for capability in CAPABILITIES for way in capability.ways for name in way}
    known = {*needed, "session_id", "organization", "release"}
    assert set(preset.advice) <= known
