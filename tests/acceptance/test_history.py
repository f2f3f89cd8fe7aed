"""`driftd backtest`, `simulate` and `baseline show`: the past by the present rules, through the real command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from detectors.evaluate import poisson_interval
from monitor.cli.replay_output import describe_alerts
from monitor.jobs.backtest_report import judge_budget
from tests.support.nightly import nightly
from tests.support.world import START, World, rows_of

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CHANGE = START + 3 * DAY
BASELINE = {"from": START.isoformat(), "to": (START + 2 * DAY).isoformat()}
STRETCH = ["--monitor", "shop", "--from", (START + 2 * DAY).isoformat(), "--to", (START + 4 * DAY).isoformat()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    made.configure(baseline=BASELINE)
    made.log(rows_of(START, 3 * DAY))
    yield made
    made.close()


def test_a_backtest_tells_the_pages_and_how_late_a_known_change_was_found(world: World) -> None:
    world.log(rows_of(CHANGE, DAY, seed=1, shift=0.5))
    marked = world.folder / "changes.json"
    marked.write_text(json.dumps([{"at": CHANGE.isoformat(), "what": "a new form"}]))
    code, told = world.json("backtest", *STRETCH, "--changes", str(marked))
    assert code == 0
    assert set(told) >= {"weeks", "pages", "pages_per_week", "budget_per_week", "incidents", "changes"}
    assert told["weeks"] == pytest.approx(2 / 7)
    assert told["pages_per_week"] == pytest.approx(told["pages"] * 3.5)
    assert (told["budget_per_week"], sum(told["by_week"])) == (1.0, told["pages"])
    incident = next(i for i in told["incidents"] if i["opened_at"] > CHANGE.isoformat())
    assert set(incident) >= {"opened_at", "resolved_at", "checks", "columns", "reason", "suspected_change"}
    assert ("drift" in incident["checks"], "amount" in incident["columns"]) == (True, True)
    assert any(part["column"] == "amount" and "values " in part["explanation"] for part in incident["explanation"])
    assert incident["changes"][0]["at"] == incident["fired_at"]
    (change,) = told["changes"]
    assert change["at"] == CHANGE.isoformat()
    assert 0 < change["delay_seconds"] <= 3600


def test_a_short_stretch_is_told_by_its_count_and_not_as_a_rate(world: World) -> None:
    world.log(rows_of(CHANGE, HOUR, seed=1, shift=0.5))
    stretch = ["--monitor", "shop", "--from", CHANGE.isoformat(), "--to", (CHANGE + HOUR / 2).isoformat()]
    done = world.run("backtest", *stretch)
    assert done.returncode == 0
    said = done.stdout.splitlines()[0]
    assert said.startswith(
        "shop: 1 alert in 30 minutes; too short a period to compare with the alert budget of 1.00 a week"
    )
    _, told = world.json("backtest", *stretch)
    assert (told["budget"], told["budget_kept"]) == ("undecided", True)
    assert told["pages_low"] < told["pages_per_week"] < told["pages_high"]


def test_a_rate_is_told_with_its_interval_over_weeks_and_broken_follows_from_it() -> None:
    told = {"monitor": "shop", "pages": 9, "weeks": 2.0, "budget_per_week": 1.0, "pages_per_week": 4.5}
    low, high = poisson_interval(9, 2.0)
    said = describe_alerts({**told, "pages_low": low, "pages_high": high, "budget": judge_budget(9, 2.0, 1.0)})
    assert (
        said
        == "9 alerts in 2.0 weeks, 4.50 a week (95 % interval 2.06 to 8.54); more than the alert budget of 1.00 a week"
    )


def test_an_unchanged_stretch_keeps_the_budget(world: World) -> None:
    world.log(rows_of(CHANGE, DAY, seed=1))
    _, told = world.json("backtest", *STRETCH)
    assert (told["pages"], told["budget_kept"], told["incidents"]) == (0, True, [])
    assert told["baseline"]["calibration"].startswith("calibrated on 0.3 weeks")


@pytest.mark.parametrize(
    ("drift", "column", "size"),
    [
        ("shift", "amount", "0.5"),
        nightly(("scale", "amount", "1.5")),
        nightly(("missing", "amount", "0.2")),
        ("new_category", "plan", "0.1"),
    ],
)
def test_a_simulated_drift_pages_and_the_same_stretch_without_it_does_not(
    world: World, drift: str, column: str, size: str
) -> None:
    world.log(rows_of(CHANGE, DAY, seed=1))
    asked = ["--drift", drift, "--column", column, "--size", size, "--at", CHANGE.isoformat()]
    code, told = world.json("simulate", *STRETCH, *asked)
    assert code == 0
    assert told["without"]["pages"] == 0
    assert any(column in incident["columns"] for incident in told["incidents"])
    assert told["changes"][0]["delay_seconds"] <= 2 * 3600


def test_what_cannot_be_simulated_is_said_with_what_can(world: World) -> None:
    done = world.run("simulate", *STRETCH, "--drift", "shfit", "--column", "amount", "--at", CHANGE.isoformat())
    assert done.returncode == 2
    assert "shift" in done.stderr


def test_the_baseline_shows_its_nulls_thresholds_and_expected_pages(world: World) -> None:
    world.log(rows_of(CHANGE, HOUR, seed=1))
    world.run("backfill", "--monitor", "shop", "--from", CHANGE.isoformat(), "--to", (CHANGE + HOUR).isoformat())
    code, shown = world.json("baseline", "show", "--monitor", "shop")
    assert code == 0
    told = shown["calibration"]
    assert (told["budget_per_week"], told["weeks"]) == (1.0, pytest.approx(2 / 7))
    assert 0 < told["expected_low"] <= told["expected_pages_per_week"] <= told["expected_high"]
    assert told["expected_pages_per_week"] <= 1
    rows = {(check["column"], check["method"]): check for check in told["checks"]}
    assert {("amount", "rank"), ("amount", "cusum"), ("plan", "jensen_shannon"), ("(joint)", "mmd")} <= set(rows)
    rank = rows["amount", "rank"]
    assert rank["null_50"] <= rank["null_90"] <= rank["null_99"] <= rank["null_max"] < rank["threshold"]
