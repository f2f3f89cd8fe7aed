"""The database's own plan of a page: the filter on the time must reach the index of the tool's table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from tests.presets.conftest import Opener
from tests.support.logs import langfuse_v2, litellm, phoenix
from tests.support.logs.base import START, Call, calls

LOGS: dict[str, tuple[Callable[[sa.Engine], Any], Callable[[sa.Engine, list[Call]], Any]]] = {
    "litellm": (litellm.create, litellm.write),
    "phoenix": (phoenix.create, phoenix.write),
    "langfuse-v2": (langfuse_v2.create, langfuse_v2.write),
}


@pytest.mark.parametrize("preset", LOGS)
def test_a_page_is_found_by_the_index_on_the_time(engine: sa.Engine, opened: Opener, preset: str) -> None:
    create, write = LOGS[preset]
    create(engine)
    write(engine, list(calls(4000, days=10)))
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    reader = opened(preset, page_size=20, arrow=False)
    pages: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if " AS k0" in statement:
            pages.append((statement, parameters))

    event.listen(reader._engine, "before_cursor_execute", note)  # type: ignore[attr-defined]
    rows = sum(
        len(page["id"]) for page in reader.read(START, START + timedelta(hours=3), ["id", "model_version", "latency"])
    )
    assert rows == 50
    assert len(pages) == 3
    for statement, parameters in pages:
        plan = _plan(engine, statement, parameters)
        main = {"litellm": "LiteLLM_SpendLogs", "phoenix": "spans", "langfuse-v2": "observations"}[preset]
        assert f"Seq Scan on {main}" not in plan.replace('"', ""), plan
        assert f"SCAN {main}" not in plan and "SCAN r\n" not in plan + "\n", plan
        assert "index" in plan.lower(), plan


def _plan(engine: sa.Engine, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    return "\n".join(str(row[-1]) for row in rows)
