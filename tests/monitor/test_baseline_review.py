"""What is said of a baseline's range, on logs with a known history: `init`, `config check` and `check`."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from detectors.base import Status
from detectors.binning import learn_numeric
from detectors.profile import Profile
from detectors.records import Column
from monitor.actions.receivers.slack.config import SlackConfig
from monitor.actions.receivers.webhook.config import WebhookConfig
from monitor.checks.baseline_problems import review_baseline
from monitor.checks.baseline_review import BaselineProblem, Review, review_finding
from monitor.cli import app
from monitor.config.models import BASELINE_RULE, Config, Monitor
from monitor.config.rules import matches
from monitor.profiling.timeline import Timeline
from monitor.sources.dialects.sqlite import SqliteDialect

NOW = datetime(2026, 11, 18, 10, 20, tzinfo=UTC)
"""A Wednesday: which hours are unusual depends on the weekday."""
DAYS = 15
ROWS_AN_HOUR = 30
RECEIVERS = {"team": {**SlackConfig.example}, "hook": {**WebhookConfig.example}}
Change = Callable[[np.ndarray, dict[str, np.ndarray]], None]
"""Changes columns in place, by how many days ago each row was logged."""


def write_log(path: Path, change: Change | None = None, days: float = DAYS, seed: int = 0) -> None:
    """Log an unchanged application until ``NOW``, and what a change makes of it."""
    rng = np.random.default_rng(seed)
    count = int(24 * days * ROWS_AN_HOUR)
    ago = np.sort(rng.uniform(0, days, count))[::-1]
    columns = {
        "model_version": np.full(count, "m1", dtype=object),
        "latency": rng.lognormal(0, 0.4, count),
        "amount": rng.lognormal(3, 1, count),
        "country": rng.choice(np.array(["DE", "FR", "US"], dtype=object), count, p=[0.5, 0.3, 0.2]),
        "score": rng.normal(0.5, 0.2, count),
    }
    if change is not None:
        change(ago, columns)
    times = [(NOW - timedelta(days=float(each), seconds=1)).strftime("%Y-%m-%d %H:%M:%S") for each in ago]
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE requests (id INTEGER PRIMARY KEY, created_at TEXT, model_version TEXT, latency REAL, "
            "amount REAL, country TEXT, score REAL)"
        )
        connection.executemany(
            "INSERT INTO requests (created_at, model_version, latency, amount, country, score) VALUES (?,?,?,?,?,?)",
            zip(times, *(values.tolist() for values in columns.values()), strict=True),
        )
        connection.execute("CREATE INDEX by_time ON requests (created_at)")
    connection.close()


def swap(ago: np.ndarray, columns: dict[str, np.ndarray]) -> None:
    """Serve another model for the last three days: slower, and with other scores."""
    columns["model_version"][ago < 3] = "m2"
    columns["latency"][ago < 3] *= 1.6
    columns["score"][ago < 3] += 0.2


def bad_batch(ago: np.ndarray, columns: dict[str, np.ndarray]) -> None:
    day = (ago >= 5) & (ago < 6)
    columns["country"][day] = "US"


def trend(ago: np.ndarray, columns: dict[str, np.ndarray]) -> None:
    columns["score"] += 0.2 * 0.08 * (DAYS - ago)


@pytest.fixture
def driftd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command in a folder with a log; the clock of its database stands at ``NOW``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SqliteDialect, "now", lambda *_: NOW)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def start(driftd: Callable[..., Any]) -> str:
    """Write a first configuration, and return what was said."""
    done = driftd("init", "--url", "sqlite:///log.db", "--table", "requests")
    assert done.exit_code == 0, done.output
    return str(done.output)


def baseline_setting() -> str:
    [line] = [each for each in Path("driftd.yaml").read_text().splitlines() if "baseline:" in each]
    return line


def test_a_swap_inside_the_last_days_is_said_and_found(driftd: Callable[..., Any], tmp_path: Path) -> None:
    write_log(tmp_path / "log.db", swap)
    said = start(driftd)
    assert "two versions of model_version: m1 until" in said
    assert re.search(r"mean of latency 1\.\d+ → 1\.\d+", said)
    assert "mean of score" in said or "mean of prediction" in said
    setting = baseline_setting()
    assert "from: " in setting
    end = datetime.fromisoformat(re.findall(r"to: ([0-9TZ:-]+)", setting)[0])
    assert timedelta(days=2.9) < NOW - end < timedelta(days=3.3)
    done = driftd("check")
    assert done.exit_code == 1, done.output
    assert "model_version 'm2'" in done.output


def test_a_rolling_baseline_with_a_swap_in_it_compares_with_what_lies_before(
    driftd: Callable[..., Any], tmp_path: Path
) -> None:
    write_log(tmp_path / "log.db", swap)
    start(driftd)
    file = tmp_path / "driftd.yaml"
    file.write_text(file.read_text().replace(baseline_setting(), "    baseline: {rolling: 14d}"))
    done = driftd("check", "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["status"]) == (1, "firing")
    compared = datetime.fromisoformat(told["baseline"]["compared_with"]["to"])
    assert NOW - compared > timedelta(days=2.9)
    assert "two versions of model_version" in told["baseline"]["notes"][0]
    drifted = {each["check"] for each in told["findings"] if each["status"] == "drifted"}
    assert {"baseline", "drift"} <= drifted
    assert "worst: baseline" not in told["reason"]
    assert told["suspected_change"]["value"] == "m2"
    first = datetime.fromisoformat(told["suspected_change"]["first_seen"])
    assert timedelta(days=2.9) < NOW - first < timedelta(days=3.1)


def test_a_bad_batch_day_is_said_with_a_clean_range_and_is_no_alert(driftd: Callable[..., Any], tmp_path: Path) -> None:
    write_log(tmp_path / "log.db", bad_batch)
    said = start(driftd)
    assert re.search(r"2[345] hours from .* are unusual: share of country", said)
    assert "the longest clean range is `baseline: {from: " in said
    assert "rolling: 14d" in baseline_setting()
    done = driftd("config", "check", "--json")
    [monitor] = json.loads(done.stdout)
    assert [each["kind"] for each in monitor["baseline"]["problems"]] == ["stretch"]
    assert driftd("check").exit_code == 0


def test_a_slow_trend_is_said_with_its_pace(driftd: Callable[..., Any], tmp_path: Path) -> None:
    write_log(tmp_path / "log.db", trend)
    said = start(driftd)
    assert "it has a trend over its whole range" in said
    pace = re.search(r"\(\+(0\.0\d+) sd a day\)", said)
    assert pace is not None
    assert 0.05 < float(pace.group(1)) < 0.1
    assert re.search(r"over its newest part the trend is small: `baseline: \{from: \S+:00:00Z, to: \S+:00:00Z\}`", said)
    assert "from: " in baseline_setting()


def test_a_clean_log_gets_no_note(driftd: Callable[..., Any], tmp_path: Path) -> None:
    write_log(tmp_path / "log.db")
    assert "notes on the baseline" not in start(driftd)
    assert "rolling: 14d" in baseline_setting()
    done = driftd("check")
    assert done.exit_code == 0, done.output
    assert "notes on the baseline" not in done.output


def test_ten_days_are_said_to_be_too_few_for_weekends(driftd: Callable[..., Any], tmp_path: Path) -> None:
    write_log(tmp_path / "log.db", days=10)
    assert "less than two whole weeks" in start(driftd)


MONITOR = Monitor.model_validate(
    {"name": "m", "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "at"}}}
)
START = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_finding_about_the_baseline_has_a_rule_of_its_own_and_hides_nothing() -> None:
    shift = BaselineProblem("shift", START, None, "since then the data differs", ("x",), 0.5)
    [finding] = review_finding(Review(START, START + timedelta(days=14), (shift,)))
    assert (finding.status, finding.about, finding.excess) == (Status.DRIFTED, "pipe", 2.5)
    everything, own = MONITOR.rules
    assert (everything.when, own.when, own.severity) == (["*"], [BASELINE_RULE], "info")
    assert not matches(everything, finding)
    assert matches(own, finding)


def test_a_rule_that_names_the_baseline_is_the_only_one_and_no_rules_stay_none() -> None:
    settings = MONITOR.model_dump(mode="json", by_alias=True, include={"name", "source"})
    own = [{"when": ["*"], "do": ["slack"]}, {"when": ["baseline"], "severity": "critical"}]
    assert [rule.severity for rule in Monitor.model_validate({**settings, "rules": own}).rules] == [
        "warning",
        "critical",
    ]
    assert Monitor.model_validate({**settings, "rules": []}).rules == []
    told = Monitor.model_validate({**settings, "rules": [{"do": ["team", "hook"]}]})
    assert told.rules[1].do == []
    config = Config.model_validate({"monitors": [told], "receivers": RECEIVERS})
    assert config.monitors[0].rules[1].do == ["team"]  # people, and no software
    assert Config.model_validate({"monitors": config.monitors, "receivers": RECEIVERS}).monitors == config.monitors


def test_what_does_not_make_a_baseline_unfit_is_no_drift() -> None:
    stretch = BaselineProblem("stretch", START, START + timedelta(hours=3), "3 hours are unusual", ("x",), 2.0)
    [finding] = review_finding(Review(START, START + timedelta(days=14), (stretch,)))
    assert finding.status is Status.OK
    assert "3 hours are unusual" in finding.reason
    assert review_finding(None) == []


def test_a_review_reads_back_what_it_writes() -> None:
    problem = BaselineProblem("gap", START, START + timedelta(hours=3), "no row", (), 0.0)
    review = Review(START, START + timedelta(days=14), (problem,), clean=(START + timedelta(hours=4), START))
    assert Review.from_json(json.loads(json.dumps(review.to_json()))) == review
    assert Review.from_json(None) is None


def timeline_of(rows: np.ndarray, start: datetime = START, level: np.ndarray | None = None) -> Timeline:
    """Return hours of one numeric column, so many rows each, with a mean each."""
    rng = np.random.default_rng(0)
    layout = learn_numeric(rng.normal(size=2000), -5.0, 5.0)
    timeline = Timeline({"x": layout}, start, timedelta(hours=1), len(rows), 1)
    for hour, count in enumerate(rows.tolist()):
        profile = Profile.of(Column.floats(rng.normal(0 if level is None else level[hour], size=count)), layout)
        timeline.add(start + timedelta(hours=hour), count, {None: {"x": profile}})
    return timeline


@pytest.mark.parametrize("hours", [2, 4])
def test_a_change_on_monday_afternoon_is_no_weekend(hours: int) -> None:
    """The workdays alone are too few to show it."""
    friday = datetime(2026, 11, 6, 18, tzinfo=UTC)
    level = np.where(np.arange(72) >= 72 - hours, 1.5, 0.0)
    problems = review_baseline(MONITOR, timeline_of(np.full(72, 90), friday, level), {}).problems
    shifts = [one for one in problems if one.kind != "season"]
    assert [(one.kind, one.start) for one in shifts] == [("shift", friday + timedelta(hours=72 - hours))]
    assert not any("differ on weekends" in one.text for one in problems)


@pytest.mark.parametrize("hours", [0, 1, 5])
def test_a_baseline_of_hardly_a_row_can_be_reviewed(hours: int) -> None:
    rows = np.zeros(336, dtype=int)
    rows[336 - hours :] = 3
    assert review_baseline(MONITOR, timeline_of(rows), {}).problems == ()


def test_a_night_without_rows_is_no_gap_and_an_outage_is() -> None:
    rows = np.where(np.arange(336) % 24 < 6, 0, 30)
    assert review_baseline(MONITOR, timeline_of(rows), {}).problems == ()
    rows[200:212] = 0
    [gap] = review_baseline(MONITOR, timeline_of(rows), {}).problems
    assert (gap.kind, gap.start, gap.end) == ("gap", START + timedelta(hours=200), START + timedelta(hours=212))
    assert "about 360 are usual" in gap.text


def test_a_log_that_begins_inside_the_range_is_looked_at_from_its_first_row_on() -> None:
    rows = np.full(400, 30)
    rows[:60] = 0
    review = review_baseline(MONITOR, timeline_of(rows), {})
    assert review.problems == ()
    assert review.start == START + timedelta(hours=60)


def test_versions_with_which_no_column_changes_are_said_and_make_nothing_unfit() -> None:
    middle = (START + timedelta(days=7)).timestamp()
    versions = {"model_version": {"m1": [5000, START.timestamp(), middle], "m2": [5000, middle, middle + 7 * 86_400]}}
    review = review_baseline(MONITOR, timeline_of(np.full(336, 30)), versions)
    [mix] = review.problems
    assert (mix.kind, review.unfit, review.clean) == ("versions", [], None)
    assert "m1 until 2026-11-08 00:00 (50% of rows), m2 since 2026-11-08 00:00 (50% of rows)" in mix.text
