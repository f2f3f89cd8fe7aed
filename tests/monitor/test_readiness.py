"""What a log can tell, by what its newest rows hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from detectors.sensitivity import Sensitivity
from monitor.checks.calibration import Calibration
from monitor.cli import app
from monitor.cli.connections import open_store
from monitor.config.load import load
from monitor.config.presets import PRESETS
from monitor.config.presets.base import Preset
from monitor.sources.base import ColumnInfo
from monitor.sources.readiness import CAPABILITIES, future_note, report
from monitor.store import tables
from tests.support.world import START, World, rows_of

WINTER = datetime(2026, 11, 28, 12, tzinfo=UTC)
SUMMER = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def column(name: str, present: float, sampled: int = 1000) -> ColumnInfo:
    return ColumnInfo(name, name, "text", "text", None, sampled, 1 - present, 5)


@pytest.mark.parametrize(
    ("columns", "capability", "answer", "says"),
    [
        ([column("latency", 1.0)], "latency", "yes", "100%"),
        ([column("latency", 0.4)], "latency", "partly", "40%"),
        ([column("latency", 0.0)], "latency", "no", "empty in the newest 1,000"),
        ([column("latency", 1.0, sampled=0)], "latency", "no rows", "no rows yet"),
        ([], "latency", "no", "no column is mapped to `latency`"),
        ([column("feedback", 0.03)], "user feedback", "yes", "3%"),
        ([column("cost", 1.0)], "cost", "yes", "`cost`"),
        (
            [column("model_version", 1.0), column("input_tokens", 1.0), column("output_tokens", 0.5)],
            "cost",
            "partly",
            "output_tokens",
        ),
        ([column("label", 0.1), column("prediction", 1.0)], "accuracy against labels", "yes", "10%"),
    ],
)
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
    assert "store_prompts_in_spend_logs" in rows["truncated answers (finish reason)"].fix


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_advice_is_about_what_the_report_asks_for(preset: Preset) -> None:
    needed = {name for capability in CAPABILITIES for way in capability.ways for name in way}
    known = {*needed, "session_id", "organization", "release"}
    assert set(preset.advice) <= known


def time_column(newest: datetime | None, *, naive: bool = True) -> list[ColumnInfo]:
    return [ColumnInfo("timestamp", "at", "text", "text", "timestamp", 9, 0.0, 9, newest=newest, naive=naive)]


@pytest.mark.parametrize(
    ("now", "ahead", "says"),
    [
        (WINTER, HOUR, "1 h 0 min in the future of the database's clock; it has no time zone and is read as UTC"),
        (WINTER, HOUR, "`timestamp: {column: 'at', zone: Europe/Berlin}`, or another zone at UTC+01:00"),
        (SUMMER, 2 * HOUR - 3 * MINUTE, "1 h 57 min in the future"),
        (SUMMER, 2 * HOUR - 3 * MINUTE, "zone: Europe/Berlin}`, or another zone at UTC+02:00"),
        (SUMMER, 2 * HOUR + 3 * MINUTE, "Europe/Berlin"),  # two clocks that differ by three minutes
        (WINTER, 5.5 * HOUR, "Asia/Kolkata}`, or another zone at UTC+05:30"),
        (WINTER, 400 * HOUR, "no zone is so far from UTC"),
    ],
)
def test_a_naive_time_in_the_future_is_said_with_the_zone_that_explains_it(
    now: datetime, ahead: timedelta, says: str
) -> None:
    assert says in str(future_note(time_column(now + ahead), now))


@pytest.mark.parametrize("newest", [None, WINTER, WINTER + 5 * MINUTE, WINTER - 9 * HOUR])
def test_a_time_that_is_not_in_the_future_needs_no_note(newest: datetime | None) -> None:
    assert future_note(time_column(newest), WINTER) is None
    assert future_note([], WINTER) is None


def test_a_zoned_time_in_the_future_is_no_question_of_the_zone() -> None:
    note = future_note(time_column(WINTER + HOUR, naive=False), WINTER)
    assert "1 h 0 min in the future" in str(note)
    assert "check the clock" in str(note)
    assert "Berlin" not in str(note)


@pytest.mark.parametrize(("kind", "zone"), [("naive", None), ("naive", "Asia/Tokyo"), ("aware", None)])
def test_init_config_check_and_readiness_say_it(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, zone: str | None
) -> None:
    """A log in the local time of Tokyo, which is nine hours ahead of UTC all year."""
    engine = sa.create_engine(store_url)
    if engine.url.password:
        monkeypatch.setenv("DRIFTD_SOURCE_PASSWORD", str(engine.url.password))
    log = sa.Table(
        "calls", sa.MetaData(), sa.Column("created_at", sa.DateTime(timezone=kind == "aware")), sa.Column("x", sa.Float)
    )
    now = datetime.now(UTC)
    ahead = timedelta(0) if kind == "aware" else 9 * HOUR
    moments = [now + ahead - number * MINUTE for number in range(300)]
    if kind == "naive":
        moments = [moment.replace(tzinfo=None) for moment in moments]
    with engine.begin() as connection:
        log.create(connection)
        connection.execute(sa.insert(log), [{"created_at": moment, "x": 1.0} for moment in moments])
    engine.dispose()
    out, run = tmp_path / "driftd.yaml", CliRunner().invoke
    url = engine.url.render_as_string(hide_password=False)
    made = run(app, ["init", "--url", url, "--table", "calls", "--out", str(out)])
    wrong = kind == "naive"
    says = "zone: Asia/Tokyo}`, or another zone at UTC+09:00"
    assert (made.exit_code, says in made.output) == (0, wrong), made.output
    if zone is not None:
        told = out.read_text().replace("timestamp: 'created_at'", f"timestamp: {{column: created_at, zone: {zone}}}")
        out.write_text(told)
        assert load(out).monitors[0].source.columns["timestamp"].zone == zone
        wrong = False
    for command in (["config", "check"], ["readiness"]):
        shown = run(app, [*command, "--config", str(out)])
        assert (shown.exit_code, says in shown.output) == (0, wrong), shown.output
        (entry,) = json.loads(run(app, [*command, "--config", str(out), "--json"]).output)
        assert any("in the future" in note for note in entry["notes"]) == wrong


def test_init_writes_a_url_that_is_right_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'app.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE calls (created_at TEXT, x REAL)")
        connection.exec_driver_sql("INSERT INTO calls VALUES ('2026-11-01 00:00:00', 1.0)")
    engine.dispose()
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    for out in ("driftd.yaml", "conf/driftd.yaml"):
        asked = ["init", "--url", "sqlite:///app.db", "--table", "calls", "--out", out]
        assert run(app, asked).exit_code == 0
        checked = run(app, ["config", "check", "--config", out])
        assert checked.exit_code == 0, checked.output
    assert "url: 'sqlite:///app.db'" in Path("driftd.yaml").read_text()


def test_readiness_says_the_smallest_change_that_is_found(tmp_path: Path) -> None:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    world.log(rows_of(START, HOUR))
    path = world.configure()
    run = CliRunner().invoke

    def report_of_shop() -> dict[str, Any]:
        answered = run(app, ["readiness", "--config", str(path), "--json"])
        assert answered.exit_code == 0, answered.output
        (entry,) = json.loads(answered.output)
        return entry  # type: ignore[no-any-return]

    before = report_of_shop()
    assert before["sensitivity"] == []
    assert "the store is empty" in before["not_measured"]
    calibration = Calibration(definition="d", sensitivity={"amount": Sensitivity("sd", 0.0, 0.41, 0.2)})
    learnt = {
        "monitor": "shop",
        "definition": "d",
        "state": "active",
        "layout": "l",
        "rows": 600,
        "layouts": b"",
        "start": START,
        "end": START + HOUR,
        "created_at": START + HOUR,
        "calibration": calibration.to_json(),
    }
    with open_store(load(path), upgrade=True) as database:
        assert report_of_shop()["not_measured"] == "no baseline has been learnt yet; `driftd run` learns it"
        with database.write() as connection:
            connection.execute(sa.insert(tables.baselines), [learnt])
    after = report_of_shop()
    assert after["not_measured"] is None
    assert after["sensitivity"] == [
        {
            "column": "amount",
            "unit": "sd",
            "before": 0.0,
            "window": 0.41,
            "day": 0.2,
            "finds": "a shift of 0.41 sd within a window, a shift of 0.2 sd within a day",
        }
    ]
    assert "amount: a shift of 0.41 sd within a window" in run(app, ["readiness", "--config", str(path)]).output
    world.close()
