"""Experiments in the daemon: sums and a verdict at every bucket, late rows, a restart, another definition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from monitor.actions.notifications import thread_key
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.profiling.ab_counts import Arms
from monitor.profiling.comparison_reads import join_shadow, read_pages
from monitor.sources.connect import connect
from monitor.store import comparisons, reads, silences, tables
from monitor.store.database import Database
from monitor.store.finding_history import load_points
from tests.monitor.test_experiments import EXPERIMENT, requests
from tests.support.hand import Hand
from tests.support.nightly import ON_POSTGRESQL_NIGHTLY
from tests.support.one_way import one_way
from tests.support.receiver import listening, slack
from tests.support.receivers import settings_of, slack_settings
from tests.support.world import START

__all__ = ["one_way"]  # the fixture
pytestmark = pytest.mark.usefixtures("one_way")

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
STEP = 20 * MINUTE
"""The length of a bucket and of a window, and the time between two looks of the daemon."""


class Trial:
    """A log of four hours with an experiment in it, and a daemon whose clock is set by hand."""

    def __init__(self, folder: Path, store_url: str, frame: pd.DataFrame, **experiment: Any) -> None:
        self.url = f"sqlite:///{folder / 'log.db'}"
        self.engine = sa.create_engine(self.url)
        frame.set_index("at").to_sql("log", self.engine)
        self.frame, self.store_url = frame, store_url
        self.experiment = {**EXPERIMENT, **experiment}

    def config(self, **changes: Any) -> Config:
        monitor = {
            "name": "bot",
            "source": {"url": self.url, "table": "log", "columns": {"timestamp": "at", "id": "id"}},
            "bucket": "20m",
            "window": "20m",
            "settle": "0s",
            "catch_up": "3650d",
            "features": ["latency"],
            "start": (START + HOUR).isoformat(),
            "baseline": {"from": START.isoformat(), "to": (START + HOUR).isoformat()},
            "experiments": [self.experiment],
            **changes,
        }
        return Config.model_validate(
            {"store": self.store_url, "monitors": [monitor], "slack": {"token": "xoxb-1", "channel": "#ml"}}
        )

    def run(self, database: Database, config: Config, *moments: datetime) -> None:
        """Run a new daemon at some moments."""
        clock = Hand(moments[0])
        daemon = make_daemon(database, config, clock)
        for moment in moments:
            clock.moment = moment
            daemon.tick_all()
        daemon.monitors[0].close()

    def exact(self, until: datetime, config: Config) -> Arms:
        """Count the log at once."""
        monitor = config.monitors[0]
        (spec,) = monitor.experiments
        arms, reader = Arms(spec), connect(monitor.source)
        for page in read_pages(reader, monitor, spec, START, until):
            arms.add(page)
        reader.close()
        return arms


def stored(database: Database) -> Any:
    with database.read() as connection:
        return comparisons.load_states(connection, "bot")["experiment", "small-model"]


def found(database: Database) -> dict[str, Any]:
    with database.read() as connection:
        newest = reads.newest_bucket(connection, "bot")
        rows = reads.findings_at(connection, "bot", newest.start)
    return {f"{row.check}.{row.column}": row for row in rows if row.check == "experiment"}


def messages(database: Database) -> list[Any]:
    with database.read() as connection:
        rows = [row for row in reads.action_rows(connection) if row.kind == "verdict"]
    return sorted(rows, key=lambda row: row.created_at)


def winning(folder: Path, store_url: str) -> Trial:
    return Trial(folder, store_url, requests(np.random.default_rng(0), 16_000, 0.6), do=["slack"])


@pytest.fixture
def trial(tmp_path: Path, sqlite_url: str) -> Iterator[Trial]:
    made = winning(tmp_path, sqlite_url)
    yield made
    made.engine.dispose()


@pytest.fixture
def trial_on_both(tmp_path: Path, migrated_url: str) -> Iterator[Trial]:
    """Lend it with each kind of store."""
    made = winning(tmp_path, migrated_url)
    yield made
    made.engine.dispose()


def every(until: datetime) -> list[datetime]:
    return [START + HOUR + STEP * place for place in range(1, int((until - START - HOUR) / STEP) + 1)]


def test_the_sum_of_buckets_is_the_whole_log_to_the_last_bit_and_a_late_row_replaces_its_buckets(
    trial_on_both: Trial,
) -> None:
    trial = trial_on_both
    config = trial.config()
    with open_store(config, upgrade=True) as database:
        trial.run(database, config, *every(START + 3 * HOUR))
        held = stored(database)
        exact = trial.exact(START + 3 * HOUR, config)
        assert held.next == START + 3 * HOUR
        assert held.total == exact.to_json()
        late = trial.frame.iloc[:500].assign(id=lambda rows: rows["id"] + 10**6, solved=False)
        late["at"] = (START + 2 * HOUR + 31 * MINUTE).strftime("%Y-%m-%d %H:%M:%S.%f")
        late.to_sql("log", trial.engine, index=False, if_exists="append")
        trial.run(database, config, START + 5 * HOUR, START + 5 * HOUR)
        assert stored(database).total == trial.exact(START + 5 * HOUR, config).to_json() != exact.to_json()


def test_the_verdict_is_told_once_and_every_bucket_has_its_interval(trial: Trial) -> None:
    config = trial.config()
    with open_store(config, upgrade=True) as database:
        trial.run(database, config, *every(START + 4 * HOUR))
        (message,) = messages(database)
        assert message.payload["data"]["experiment"]["verdict"] == "win"
        assert "small-7b is better than big-4" in message.payload["data"]["headline"]
        rows = found(database)
        assert rows["experiment.small-model"].reason.startswith("win: ")
        assert rows["experiment.small-model.solved"].detail["low"] > 0
        key = "experiment/small-model.solved/gain/model=small-7b"
        with database.read() as connection:
            history = load_points(connection, "bot", [key], START, START + 4 * HOUR)[key]
        assert [row.start for row in history] == [START + STEP * place for place in range(12)]
        with database.read() as connection:
            assert not reads.incident_rows(connection)


@ON_POSTGRESQL_NIGHTLY
def test_a_daemon_that_comes_late_counts_what_lies_before_it_and_one_that_changes_its_mind_begins_anew(
    trial_on_both: Trial,
) -> None:
    trial = trial_on_both
    with open_store(trial.config(), upgrade=True) as database:
        alone = trial.config(experiments=[])
        trial.run(database, alone, *every(START + 3 * HOUR))
        config = trial.config()
        trial.run(database, config, START + 3 * HOUR + STEP, START + 3 * HOUR + 2 * STEP)
        assert stored(database).total == trial.exact(START + 3 * HOUR + 2 * STEP, config).to_json()
        before = stored(database).definition
        trial.experiment["metrics"] = {"solved": {"minimum": 0.1}}
        other = trial.config()
        trial.run(database, other, START + 4 * HOUR, START + 4 * HOUR)
        assert stored(database).definition != before
        assert stored(database).total == trial.exact(START + 4 * HOUR, other).to_json()
        trial.run(database, alone, START + 4 * HOUR + STEP)
        with database.read() as connection:
            assert not comparisons.load_states(connection, "bot")
            assert not connection.execute(
                sa.select(tables.aggregates).where(tables.aggregates.c.kind == "experiment")
            ).all()


def test_a_loss_fires_the_rule_that_names_it_and_no_other_and_ends_with_the_experiment(
    tmp_path: Path, sqlite_url: str
) -> None:
    end = START + 3 * HOUR
    trial = Trial(tmp_path, sqlite_url, requests(np.random.default_rng(1), 40_000, 0.4), to=end.isoformat())
    rules = [{"name": "lost", "when": ["experiment.small-model"]}, {"name": "all", "when": ["*"]}]
    config = trial.config(rules=rules)
    with open_store(config, upgrade=True) as database:
        trial.run(database, config, *every(START + 3 * HOUR))
        with database.read() as connection:
            (incident,) = reads.incident_rows(connection, only_open=True)
        assert (incident.rule, incident.state) == ("lost", "firing")
        (item,) = incident.evidence.values()
        assert (item["segment"], item["about"]) == ("model=small-7b", "model")
        trial.run(database, config, START + 4 * HOUR)
        assert "the comparison has ended" in found(database)["experiment.small-model"].reason
        with database.read() as connection:
            assert not reads.incident_rows(connection, only_open=True)
    trial.engine.dispose()


def test_a_loss_waits_for_approval_to_go_back_to_the_control_and_a_wrong_split_is_held(
    tmp_path: Path, sqlite_url: str
) -> None:
    columns = {"timestamp": "at", "id": "id", "model_version": "model"}
    hook = settings_of("webhook", url="http://127.0.0.1:9/x", effect={"kind": "rollback"})
    for split, state in ((0.5, "awaiting_approval"), (0.4, "held")):
        folder = tmp_path / state
        folder.mkdir()
        frame = requests(np.random.default_rng(1), 40_000, 0.4, split=split)
        trial = Trial(folder, f"sqlite:///{folder / 'driftd.db'}", frame, arm="model_version")
        rules = [{"when": ["experiment.small-model"], "do": ["back"]}]
        source = {"url": trial.url, "table": "log", "columns": columns}
        made = trial.config(rules=rules, source=source)
        config = made.model_copy(update={"receivers": {"back": hook}})
        with open_store(config, upgrade=True) as database:
            trial.run(database, config, *every(START + 2 * HOUR))
            with database.read() as connection:
                (action,) = [row for row in reads.action_rows(connection) if row.name == "back"]
        assert action.state == state
        if state != "held":
            data = action.payload["data"]
            assert data["observed_version"] == {"model_version": "small-7b"}
            assert data["target"]["model_version"] == "big-4"
        trial.engine.dispose()


def test_a_wrong_split_speaks_of_the_pipe_and_a_column_that_is_not_logged_stops_nothing(
    tmp_path: Path, sqlite_url: str
) -> None:
    trial = Trial(tmp_path, sqlite_url, requests(np.random.default_rng(2), 40_000, 0.4, split=0.4))
    config = trial.config()
    with open_store(config, upgrade=True) as database:
        trial.run(database, config, *every(START + 2 * HOUR))
        row = found(database)["experiment.small-model"]
        assert (row.status, row.about) == ("drifted", "pipe")
        assert row.statistic > row.threshold
        with trial.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE log DROP COLUMN solved")
        trial.run(database, config, START + 2 * HOUR + STEP)
        row = found(database)["experiment.small-model"]
        assert row.status == "inconclusive"
        assert "the compared column 'solved' is not logged" in row.reason
    trial.engine.dispose()


def test_the_command_tells_what_the_daemon_counted(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    from monitor.cli.experiments import experiments

    config = trial.config()
    with open_store(config, upgrade=True) as database:
        trial.run(database, config, *every(START + 3 * HOUR))
        told = stored(database).report["small-7b"]
    capsys.readouterr()
    assert experiments(config, as_json=True, quiet=True) == 0
    counted = capsys.readouterr().out
    assert experiments(config, None, START + 3 * HOUR, as_json=True, quiet=True) == 0
    read = capsys.readouterr().out
    first, second = json.loads(counted), json.loads(read)
    assert first["experiments"][0]["counted_from"] == "the daemon's buckets before 2026-11-01T03:00:00+00:00"
    assert second["experiments"][0]["counted_from"] == "log"
    assert first["experiments"][0]["metrics"] == second["experiments"][0]["metrics"] == told["metrics"]


def test_a_silenced_verdict_is_told_when_the_silence_ends(trial: Trial) -> None:
    config = trial.config()
    with open_store(config, upgrade=True) as database:
        rule = {"monitor": "bot", "rule": "experiment.small-model", "comment": "", "created_by": "me"}
        with database.write() as connection:
            silences.add_silence(connection, {**rule, "starts_at": START, "ends_at": START + 3 * HOUR})
        trial.run(database, config, *every(START + 3 * HOUR - STEP))
        assert stored(database).report["small-7b"]["verdict"] == "win"
        assert messages(database) == []
        trial.run(database, config, *every(START + 4 * HOUR))
        (message,) = messages(database)
    assert message.payload["data"]["experiment"]["verdict"] == "win"
    assert message.created_at == START + 3 * HOUR
    assert message.not_after is None  # however old its bucket is


def test_a_verdict_reaches_slack_in_a_thread_of_its_own(trial: Trial) -> None:
    config = trial.config()
    with listening(slack()) as chat, open_store(config, upgrade=True) as database:
        trial.run(database, config, *every(START + 3 * HOUR))
        told = config.model_copy(update={"receivers": {"slack": slack_settings(chat.url)}})
        daemon = make_daemon(database, told, Hand(START + 3 * HOUR))
        daemon.deliver()
        (request,) = [one for one in chat.requests if one.path.endswith("chat.postMessage")]
        assert "win" in str(request.form()["text"])


SHADOW = {
    "name": "small",
    "arm": "model",
    "champion": "big",
    "challenger": "small",
    "join": "request",
    "same": "json",
    "within": "7m",
    "from": START.isoformat(),
    "metrics": {"latency": {"better": "lower", "minimum": 0.05}},
}


def shadowed(rng: np.random.Generator, count: int, wrong: float = 0.1) -> pd.DataFrame:
    """Return both sides of requests over two hours; the challenger's record comes up to six minutes later."""
    hard = rng.lognormal(0, 1, count)
    asked = np.sort(rng.uniform(0, 2, count))
    said = [f'{{"total": {number}}}' for number in rng.integers(0, 100, count)]
    other = ["{}" if bad else answer for bad, answer in zip(rng.random(count) < wrong, said, strict=True)]
    frames = [
        pd.DataFrame({"request": np.arange(count), "model": name, "response": words, "latency": took, "hour": when})
        for name, words, took, when in (
            ("big", said, hard + 0.5, asked),
            ("small", other, hard, asked + rng.uniform(0, 0.1, count)),
        )
    ]
    frame = pd.concat([frames[0], frames[1].iloc[: count - 30]]).reset_index(drop=True)
    frame["id"] = frame.index
    frame["at"] = [(START + HOUR * place).strftime("%Y-%m-%d %H:%M:%S.%f") for place in frame.pop("hour")]
    return frame


@ON_POSTGRESQL_NIGHTLY
def test_pairs_are_joined_across_buckets_and_late_answers_of_a_challenger_are_counted(
    tmp_path: Path, migrated_url: str
) -> None:
    frame = shadowed(np.random.default_rng(3), 6000)
    late = frame[(frame["model"] == "small") & (frame["request"] % 50 == 0)]
    trial = Trial(tmp_path, migrated_url, frame.drop(late.index))
    config = trial.config(
        experiments=[], shadows=[SHADOW], source=source_of(trial.url), rules=[{"when": ["shadow.small.latency"]}]
    )
    with open_store(config, upgrade=True) as database:
        trial.run(database, config, START + HOUR, *every(START + 2 * HOUR))
        before = shadow_of(database)
        assert before.report["unmatched_by_side"]["big"] > 100
        late.to_sql("log", trial.engine, index=False, if_exists="append")
        trial.run(database, config, *[START + 2 * HOUR + STEP * place for place in range(1, 16)])
        told = shadow_of(database).report
        assert shadow_of(database).next >= START + 6 * HOUR
        seen = frame[frame["model"] == "small"]
        assert told["pairs"] + told["unmatched_by_side"].get("big", 0) == 6000
        assert told["pairs"] >= len(seen) - len(late) + 60  # audits look back at most 24 windows
        assert told["agreement"]["value"] == pytest.approx(0.9, abs=0.02)
        assert told["metrics"]["latency"]["verdict"] == "win"
        assert told["metrics"]["latency"]["difference"]["value"] == pytest.approx(-0.5)
        assert "total" not in str(told)
        with database.read() as connection:
            newest = reads.newest_bucket(connection, "bot")
            rows = {row.column: row for row in reads.findings_at(connection, "bot", newest.start)}
        assert rows["small"].about == "pipe"
        assert rows["small.latency"].status == "ok"
    trial.engine.dispose()


def test_what_a_shadow_concludes_is_told_once_in_a_thread_of_its_own(tmp_path: Path, sqlite_url: str) -> None:
    frame = shadowed(np.random.default_rng(3), 6000)
    trial = Trial(tmp_path, sqlite_url, frame)
    shadow = {**SHADOW, "do": ["slack"], "min_agreement": 0.5}
    config = trial.config(experiments=[], shadows=[shadow], source=source_of(trial.url))
    with open_store(config, upgrade=True) as database:
        trial.run(database, config, START + HOUR, *[START + HOUR + STEP * place for place in range(1, 16)])
        told = shadow_of(database).report
        with database.read() as connection:
            sent = connection.execute(sa.select(tables.actions).where(tables.actions.c.kind == "verdict")).all()
    trial.engine.dispose()
    assert (told["verdict"], told["announced"]) == ("win", "win")
    assert len(sent) == 1
    (message,) = sent
    assert message.name == "slack"
    assert message.incident == thread_key("bot", "small", "small", "shadow")
    assert "shadow small: small is better than big" in message.payload["data"]["headline"]
    assert message.payload["type"] == "driftd.shadow.verdict"


def test_what_a_shadow_concludes_of_the_past_is_told_when_it_has_caught_up(tmp_path: Path, sqlite_url: str) -> None:
    trial = Trial(tmp_path, sqlite_url, shadowed(np.random.default_rng(3), 6000))
    shadow = {**SHADOW, "do": ["slack"], "min_agreement": 0.5}
    config = trial.config(experiments=[], shadows=[shadow], source=source_of(trial.url))
    late = START + timedelta(days=1)
    with open_store(config, upgrade=True) as database:
        trial.run(database, config, late, *[late + STEP * place for place in range(1, 16)])
        with database.read() as connection:
            sent = connection.execute(sa.select(tables.actions).where(tables.actions.c.kind == "verdict")).all()
    trial.engine.dispose()
    (message,) = sent
    assert "shadow small: small is better than big" in message.payload["data"]["headline"]
    assert message.created_at >= late
    assert message.not_after >= late + timedelta(days=1)


def test_a_shadow_counted_by_buckets_equals_the_log_at_once(tmp_path: Path, sqlite_url: str) -> None:
    frame = shadowed(np.random.default_rng(4), 3000)
    trial = Trial(tmp_path, sqlite_url, frame)
    config = trial.config(experiments=[], shadows=[SHADOW], source=source_of(trial.url))
    (spec,) = config.monitors[0].shadows
    reader = connect(config.monitors[0].source)
    found = [
        [sums for _, sums in join_shadow(reader, config.monitors[0], spec, START, START + 3 * HOUR, step)]
        for step in (10 * MINUTE, 3 * HOUR)
    ]
    apart = [
        sums
        for place in range(18)
        for _, sums in join_shadow(
            reader, config.monitors[0], spec, START + 10 * MINUTE * place, START + 10 * MINUTE * (place + 1), HOUR
        )
    ]
    reader.close()
    whole, (once,), single = sum(found[0][1:], found[0][0]), found[1], sum(apart[1:], apart[0])
    assert whole.to_json() == once.to_json() == single.to_json()
    assert once.summarize()["pairs"] == 2970
    assert (whole - found[0][3] + found[0][3]).to_json() == whole.to_json()
    trial.engine.dispose()


def source_of(url: str) -> dict[str, Any]:
    columns = {"timestamp": "at", "id": "id", "response": "response"}
    return {"url": url, "table": "log", "columns": columns}


def shadow_of(database: Database) -> Any:
    with database.read() as connection:
        return comparisons.load_states(connection, "bot")["shadow", "small"]
