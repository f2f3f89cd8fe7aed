"""`driftd check` on someone's table: the verdict, its exit code, and bad input of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import START, World, rows_of

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
AT = ["check", "--monitor", "shop", "--at", (START + 2 * DAY).isoformat()]


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    made = World(tmp_path, sqlite_url)
    made.log(rows_of(START, DAY))
    yield made
    made.close()


@pytest.fixture
def world_on_both(tmp_path: Path, store_url: str) -> Iterator[World]:
    """Lend a log in each kind of database."""
    made = World(tmp_path, store_url)
    made.log(rows_of(START, DAY))
    yield made
    made.close()


def window(**changes: Any) -> list[dict[str, Any]]:
    return rows_of(START + 2 * DAY - HOUR, HOUR, seed=1, **changes)


def of(verdict: dict[str, Any], check: str, column: str | None) -> dict[str, Any]:
    """Return the worst finding of a check on a column; `driftd check` puts the worst first."""
    return next(f for f in verdict["findings"] if f["check"] == check and f["column"] == column)


def test_a_healthy_window_exits_0(world_on_both: World) -> None:
    world_on_both.configure()
    world_on_both.log(window())
    code, verdict = world_on_both.json(*AT)
    assert (code, verdict["status"]) == (0, "ok")
    assert set(verdict) >= {"monitor", "window", "status", "findings"}
    for finding in verdict["findings"]:
        keys = ("check", "column", "method", "segment", "statistic", "threshold", "status", "reason")
        assert set(finding) >= {*keys, "n_baseline", "n_window"}
    null = of(verdict, "drift", "all null")
    assert null["status"] == "inconclusive"
    assert of(verdict, "drift", "amount")["n_window"] == 600


def test_a_new_version_is_named_as_the_suspected_change(world_on_both: World) -> None:
    world_on_both.configure()
    world_on_both.log(window(shift=0.5, model="v2"))
    code, verdict = world_on_both.json(*AT)
    assert code == 1
    suspect = verdict["suspected_change"]
    assert (suspect["kind"], suspect["column"], suspect["value"]) == ("model_version", "model_version", "v2")
    assert suspect["first_seen"].startswith((START + 2 * DAY - HOUR).isoformat()[:16])
    assert "suspected: model_version 'v2'" in world_on_both.run(*AT).stdout


@pytest.mark.parametrize(
    ("changes", "check", "column"),
    [
        ({"shift": 0.5}, "drift", "amount"),
        ({"plan": "team"}, "drift", "plan"),
        ({"plan": "gold"}, "unseen", "plan"),
        ({"amount": None}, "missing", "amount"),
        ({"amount": 1e9}, "range", "amount"),
        ({"per_minute": 60}, "volume", None),
    ],
)
def test_what_changed_fires_by_name_and_exits_1(
    world: World, changes: dict[str, Any], check: str, column: str | None
) -> None:
    world.configure(better={"volume": "unchanged"})
    world.log(window(**changes))
    code, verdict = world.json(*AT)
    assert (code, verdict["status"]) == (1, "firing")
    assert of(verdict, check, column)["status"] == "drifted"


def test_more_traffic_is_recorded_as_an_improvement_and_alerts_nobody(world: World) -> None:
    world.configure()
    world.log(window(per_minute=60))
    code, verdict = world.json(*AT)
    growth = of(verdict, "volume", None)
    assert (code, growth["status"], growth["direction"]) == (0, "drifted", "better")


@pytest.mark.parametrize(("better", "code"), [("higher", 0), ("lower", 1), ("neutral", 1), ("unchanged", 1)])
def test_the_direction_in_which_a_column_improves_is_configurable(world: World, better: str, code: int) -> None:
    world.configure(better={"amount": better})
    world.log(window(shift=0.5))
    assert world.json(*AT)[0] == code


def test_a_segment_is_measured_apart(world: World) -> None:
    world.configure(segments=["model_version"])
    world.log([*window(), *window(shift=1.0, model="v2", per_minute=4)])
    _, verdict = world.json(*AT)
    methods = ("drift", "amount", "kolmogorov_smirnov")
    found = {
        f["segment"]: f["status"] for f in verdict["findings"] if (f["check"], f["column"], f["method"]) == methods
    }
    assert found["model_version=v2"] == "drifted"
    assert found["model_version=v1"] == "ok"


def test_an_empty_window_could_not_tell_and_exits_2(world_on_both: World) -> None:
    world_on_both.configure()
    code, verdict = world_on_both.json(*AT)
    assert (code, verdict["status"]) == (2, "inconclusive")
    assert verdict["reason"]


@pytest.mark.parametrize("rows", [1, 30])
def test_too_few_rows_say_nothing_of_the_model_but_the_volume_fell(world: World, rows: int) -> None:
    world.configure()
    world.log(window()[:rows])
    code, verdict = world.json(*AT)
    assert (code, verdict["status"]) == (1, "firing")
    assert [f["check"] for f in verdict["findings"] if f["status"] == "drifted"] == ["volume"]
    assert of(verdict, "drift", "amount")["reason"].startswith("too_few")
    world.configure(checks=["drift"])
    assert world.json(*AT)[0] == 2


def test_a_table_of_one_row_and_an_empty_one_could_not_tell(world_on_both: World) -> None:
    world_on_both.configure()
    world_on_both.execute('DELETE FROM "inference log"')
    assert world_on_both.json(*AT)[1]["status"] == "inconclusive"
    world_on_both.log(window()[:1])
    assert world_on_both.json(*AT)[1]["status"] == "inconclusive"


def test_an_empty_baseline_could_not_tell(world: World) -> None:
    world.configure(baseline={"from": "2020-01-01", "to": "2020-01-02"})
    code, verdict = world.json(*AT)
    assert (code, verdict["status"]) == (2, "inconclusive")
    assert "no_baseline" in verdict["reason"]


def test_a_column_that_is_gone_from_the_source_is_an_error_with_a_suggestion(world: World) -> None:
    world.configure(features=["amuont"])
    code, verdict = world.json(*AT)
    assert (code, verdict["status"]) == (2, "error")
    assert "'amount'" in verdict["reason"]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"table": "no such table"}, "no such table"),
        ({"columns": {"timestamp": "Zeitt"}}, "Zeit"),
        ({"url": "postgresql+psycopg://nobody@127.0.0.1:1/none"}, "reach"),
    ],
)
def test_a_source_that_cannot_be_read_exits_2_with_a_sentence(world: World, broken: dict[str, Any], says: str) -> None:
    source = {"url": world.source_url, "table": "inference log", "columns": {"timestamp": "Zeit"}, **broken}
    world.configure(source=source)
    code, verdict = world.json(*AT)
    assert (code, verdict["status"]) == (2, "error")
    assert says in verdict["reason"]


def test_wrong_usage_exits_2_and_names_the_line(world: World) -> None:
    path = world.configure(windw="1h")
    done = world.run(*AT)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Did you mean 'window'?" in done.stderr
    assert world.run("check", "--monitor", "shpo").returncode == 2
    assert world.run("chekc").returncode == 2


def test_config_check_lists_columns_with_type_null_share_and_role(world: World) -> None:
    world.configure()
    code, (entry,) = world.json("config", "check")
    assert code == 0
    columns = {column["column"]: column for column in entry["columns"]}
    assert columns["Zeit"]["role"] == "timestamp"
    assert columns["all null"]["null_share"] == 1.0
    assert columns["amount"]["type"] == "numeric"
    assert columns["plan"]["watched"] == "categorical"
    assert columns["id"]["watched"] is None


def test_a_monitor_without_rules_is_measured_and_alerts_nobody(world: World) -> None:
    world.configure(rules=[])
    world.log(window(shift=0.5))
    code, verdict = world.json(*AT)
    assert (code, verdict["status"]) == (0, "ok")
    assert of(verdict, "drift", "amount")["status"] == "drifted"


def test_a_baseline_from_a_file(world: World) -> None:
    lines = ["amount,plan", *(f"{row['amount']},{row['plan']}" for row in rows_of(START, DAY))]
    (world.folder / "old.csv").write_text("\n".join(lines))
    world.configure(baseline={"file": "old.csv"})
    world.log(window(shift=1.0))
    code, verdict = world.json(*AT)
    assert code == 1
    assert of(verdict, "drift", "amount")["status"] == "drifted"
    assert of(verdict, "drift", "plan")["status"] == "ok"
