"""`driftd drilldown` on a real log: it names the column that changed, also when no column changed alone."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import yaml

from tests.support import prefork
from tests.support.world import START

HOUR = timedelta(hours=1)


def log(url: str, change: str) -> None:
    rng = np.random.default_rng(3)
    n = 4000
    one = rng.normal(size=n)
    rows = {"a": one, "b": one + 0.3 * rng.normal(size=n), "c": rng.normal(size=n)}
    plan = rng.choice(["free", "pro"], n, p=[0.7, 0.3])
    late = np.arange(n) >= n * 4 // 5
    if change == "rotation":
        rows["b"][late] = rng.permutation(rows["b"][late])
    if change == "plan":
        plan[late] = rng.choice(["free", "pro"], int(late.sum()), p=[0.2, 0.8])
    step = 5 * HOUR / n
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE log (id INTEGER, at TEXT, a REAL, b REAL, c REAL, plan TEXT)"))
        connection.execute(
            sa.text("INSERT INTO log VALUES (:id, :at, :a, :b, :c, :plan)"),
            [
                {"id": k, "at": (START + k * step).strftime("%Y-%m-%d %H:%M:%S.%f"), "plan": str(plan[k])}
                | {name: float(values[k]) for name, values in rows.items()}
                for k in range(n)
            ],
        )
    engine.dispose()


def drilled(folder: Path, change: str) -> dict[str, Any]:
    url = f"sqlite:///{folder / 'log.db'}"
    log(url, change)
    monitor = {
        "name": "m",
        "source": {"url": url, "table": "log", "columns": {"timestamp": "at", "id": "id"}},
        "bucket": "10m",
        "window": "1h",
        "features": ["a", "b", "c", "plan"],
        "baseline": {"from": START.isoformat(), "to": (START + 4 * HOUR).isoformat()},
    }
    path = folder / "driftd.yaml"
    path.write_text(yaml.safe_dump({"store": f"sqlite:///{folder / 'd.db'}", "monitors": [monitor]}))
    at = (START + 5 * HOUR).isoformat()
    ran = prefork.run(["drilldown", "--config", path, "--at", at, "--json"])
    ran.check_returncode()
    return dict(json.loads(ran.stdout))


@pytest.mark.parametrize("change", ["none", "plan", "rotation"])
def test_the_changed_column_is_named_and_an_unchanged_window_is_not_told_apart(tmp_path: Path, change: str) -> None:
    told = drilled(tmp_path, change)
    seen, together = told["domain_classifier"], told["reconstruction"]
    growth = {one["column"]: one["residual_growth"] for one in told["columns"]}
    if change == "none":
        assert seen["p_value"] > 1e-3
        assert together["p_value"] > 1e-3
    if change == "plan":
        assert seen["auc"] > 0.7
        assert told["columns"][0]["column"] == "plan"
    if change == "rotation":
        assert seen["p_value"] > 1e-3
        assert together["p_value"] < 1e-6
        assert max(growth, key=lambda name: abs(growth[name])) in {"a", "b"}
