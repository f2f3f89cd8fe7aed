"""MLflow's tracking database, made and written by MLflow itself; many traces by copies of what it wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.support.logs.base import Call, insert

REAL = Path(__file__).with_name("mlflow_app.py")


def create(url: str, traces: int, folder: Path) -> None:
    """Let a real MLflow make its tables and log a few traces, in a process of its own."""
    # -P: this folder holds a file of the name of the package.
    command = [sys.executable, "-P", str(REAL), url, str(traces)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr


def write(engine: sa.Engine, calls: list[Call]) -> None:
    """Add many traces with the rows that MLflow writes for one of its own."""
    milli = {call.id: int(call.start.timestamp() * 1000) for call in calls}
    with engine.begin() as connection:
        experiment = connection.exec_driver_sql("SELECT max(experiment_id) FROM experiments").scalar_one()
    insert(
        engine,
        "trace_info",
        [
            {
                "request_id": call.id,
                "experiment_id": experiment,
                "timestamp_ms": milli[call.id],
                "execution_time_ms": round(call.seconds * 1000),
                "status": "ERROR" if call.failed else "OK",
                "request_preview": call.question,
                "response_preview": None if call.failed else call.response,
                "trace_name": "answer",
                "input_tokens": call.input_tokens,
                "output_tokens": call.output_tokens,
                "total_tokens": call.input_tokens + call.output_tokens,
                "total_cost": call.cost or None,
            }
            for call in calls
        ],
    )
    insert(
        engine,
        "trace_request_metadata",
        [
            {"key": key, "value": value, "request_id": call.id}
            for call in calls
            for key, value in (
                ("mlflow.trace.user", call.tenant),
                ("mlflow.source.git.commit", "abc"),
                ("mlflow.source.type", "LOCAL"),
            )
        ],
    )
    insert(
        engine,
        "spans",
        [
            {
                "trace_id": call.id,
                "experiment_id": experiment,
                "span_id": name,
                "status": "OK",
                "name": name,
                "start_time_unix_nano": milli[call.id] * 10**6 + place,
                "content": "{}",
                "model_name": call.model if place else None,
                "model_provider": "openai" if place else None,
            }
            for call in calls
            for place, name in enumerate(("root", "llm"))
        ],
    )
    insert(engine, "assessments", [row for call in calls for row in _assessments(engine, call, milli[call.id])])


def _assessments(engine: sa.Engine, call: Call, milli: int) -> list[dict[str, Any]]:
    valid: Any = True if engine.dialect.name == "postgresql" else 1
    said: list[tuple[str, str, str, float]] = [("grounded", "LLM_JUDGE", str(call.grounded), call.grounded)]
    if call.thumbs is not None:
        said.append(("thumbs", "HUMAN", "true" if call.thumbs else "false", float(call.thumbs)))
    return [
        {
            "assessment_id": f"a-{call.number}-{place}",
            "trace_id": call.id,
            "name": name,
            "assessment_type": "feedback",
            "value": value,
            "created_timestamp": milli + 5000,
            "last_updated_timestamp": milli + 5000,
            "source_type": source,
            "valid": valid,
            "aggregate_value": number,
            "is_numeric_value": valid,
        }
        for place, (name, source, value, number) in enumerate(said)
    ]
