"""The model's performance through the daemon: labels that come weeks late, estimates before they do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from detectors.base import Status
from detectors.outcome import OUTCOME
from monitor.cli.connections import open_reader, open_store
from monitor.cli.factory import make_daemon
from monitor.config.models import Config
from monitor.daemon import Daemon
from monitor.jobs.one_shot import check
from monitor.store import estimate_accuracy, reads
from monitor.store.tables import baselines
from tests.support.hand import Hand
from tests.support.world import START

HOUR = timedelta(hours=1)
LATE = 3 * HOUR


class Bank:
    """A log of a classifier's scores, whose labels are filled in later."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'bank.db'}"
        self.engine = sa.create_engine(self.url)
        self.random = np.random.default_rng(0)
        self.execute("CREATE TABLE loans (id INTEGER PRIMARY KEY, at TEXT, p REAL, repaid INTEGER, truth INTEGER)")
        self.execute("CREATE INDEX by_time ON loans (at)")

    def execute(self, statement: str, rows: list[dict[str, Any]] | None = None) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), rows)

    def log(self, start: datetime, length: timedelta, *, noise: float = 0.0, labelled: bool = True) -> None:
        count = int(length.total_seconds() / 6)
        p = self.random.beta(1, 2, count)
        honest = self.random.random(count) >= noise
        truth = np.where(honest, self.random.random(count) < p, self.random.random(count) < 0.5)
        rows = [
            {
                "at": (start + n * length / count).strftime("%Y-%m-%d %H:%M:%S.%f"),
                "p": float(p[n]),
                "repaid": int(truth[n]) if labelled else None,
                "truth": int(truth[n]),
            }
            for n in range(count)
        ]
        self.execute("INSERT INTO loans (at, p, repaid, truth) VALUES (:at, :p, :repaid, :truth)", rows)

    def labels_arrive(self, until: datetime) -> None:
        text = until.strftime("%Y-%m-%d %H:%M:%S.%f")
        self.execute(f"UPDATE loans SET repaid = truth WHERE repaid IS NULL AND at < '{text}'")  # noqa: S608

    def config(self, folder: Path, bucket: str = "30m", **settings: Any) -> Config:
        monitor = {
            "name": "loans",
            "source": {
                "url": self.url,
                "table": "loans",
                "columns": {"timestamp": "at", "id": "id", "score": "p", "label": "repaid"},
            },
            "bucket": bucket,
            "window": "1h",
            "settle": "0s",
            "catch_up": "3650d",
            "features": ["score"],
            "baseline": {"from": START.isoformat(), "to": (START + 24 * HOUR).isoformat()},
            "checks": [{"performance": {"labels_after": "3h"} | settings}],
        }
        return Config.model_validate({"store": f"sqlite:///{folder / 'driftd.db'}", "monitors": [monitor]})


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = Bank(tmp_path)
    yield made
    made.engine.dispose()


def findings_at(daemon: Daemon, start: datetime) -> dict[str, Any]:
    with daemon.database.read() as connection:
        return {row.method: row for row in reads.findings_at(connection, "loans", start)}


def test_labels_that_come_late_are_judged_when_they_have_come(bank: Bank, tmp_path: Path) -> None:
    bank.log(START, 25 * HOUR)
    bank.log(START + 25 * HOUR, 5 * HOUR, noise=0.9, labelled=False)
    config = bank.config(tmp_path)
    with open_store(config, upgrade=True) as database:
        clock = Hand(START)
        daemon = make_daemon(database, config, clock)
        for minutes in range(24 * 60, 30 * 60 + 1, 30):
            clock.moment = START + timedelta(minutes=minutes)
            bank.labels_arrive(clock.moment - LATE + timedelta(minutes=15))
            daemon.tick_all()
        early = findings_at(daemon, START + 27 * HOUR)
        late = findings_at(daemon, START + 29.5 * HOUR)
        with database.read() as connection:
            at = START + 30 * HOUR
            told = {row["metric"]: row for row in estimate_accuracy.record(connection, config.monitors[0], at)}
            records = connection.execute(sa.select(baselines.c.calibration)).scalar_one()["records"]
        daemon.monitors[0].close()
    assert {"accuracy", "roc_auc"} <= set(records)
    assert all(len(record["seen"]) == 24 for record in records.values())
    assert early["roc_auc"].status != Status.DRIFTED
    assert early["estimated_roc_auc"].status == Status.OK
    assert late["roc_auc"].status == Status.DRIFTED
    assert late["roc_auc"].n_window > 500
    assert late["roc_auc"].detail["value"] < 0.65 < late["roc_auc"].detail["estimated"]
    assert late["roc_auc"].detail["estimate_held"] is False
    assert told["roc_auc"]["windows"] == 6
    assert 0.2 < told["roc_auc"]["within_interval"] < 0.95  # right until the change, wrong after it
    assert told["roc_auc"]["mean_distance"] > 0.02


def test_labels_that_come_after_a_fixed_baseline_was_learnt_are_taken_up(bank: Bank, tmp_path: Path) -> None:
    bank.log(START, 25 * HOUR, labelled=False)
    config = bank.config(tmp_path, labels_after="30h")
    with open_store(config, upgrade=True) as database:
        clock = Hand(START)
        daemon = make_daemon(database, config, clock)
        labels, records = {}, {}
        for minutes in range(24 * 60, 58 * 60 + 1, 60):
            clock.moment = START + timedelta(minutes=minutes)
            bank.labels_arrive(clock.moment - 28 * HOUR)
            daemon.tick_all()
            standing = daemon.monitors[0].lifecycle.baseline
            assert standing is not None
            if standing.state == "active":
                labels[standing.id] = standing.profiles[None][OUTCOME].n
                records[standing.id] = len(standing.calibration.records["roc_auc"].residuals)
        daemon.monitors[0].close()
    held, checked = list(labels.values()), list(records.values())
    assert held[0] == checked[0] == 0
    assert held == sorted(held)
    assert 5 < len(held) < 20
    assert held[-1] == 24 * 600
    assert checked[-1] == 24


def test_a_one_shot_check_measures_what_labels_there_are(bank: Bank, tmp_path: Path) -> None:
    bank.log(START, 25 * HOUR)
    bank.log(START + 25 * HOUR, HOUR, noise=0.9)
    monitor = bank.config(tmp_path, labels_after="0s").monitors[0]
    with open_reader(monitor) as reader:
        told = check(reader, monitor, START + 26 * HOUR)
        healthy = check(reader, monitor, START + 25 * HOUR)
    found = {f["method"]: f for f in told["findings"] if f["check"] == "performance"}
    assert told["status"] == "firing"
    assert found["roc_auc"]["status"] == "drifted"
    assert found["estimated_roc_auc"]["status"] == "ok"
    assert healthy["status"] == "ok"


def test_a_check_without_its_roles_says_which_are_needed(bank: Bank, tmp_path: Path) -> None:
    bank.log(START, 25 * HOUR)
    config = bank.config(tmp_path)
    monitor = config.monitors[0]
    columns = {name: spec for name, spec in monitor.source.columns.items() if name != "label"}
    blind = monitor.model_copy(update={"source": monitor.source.model_copy(update={"columns": columns})})
    with open_reader(blind) as reader:
        told = check(reader, blind, START + 25 * HOUR)
    assert told["status"] == "error"
    assert "`label`" in told["reason"]


def test_a_regressions_loss_is_estimated_from_its_columns_in_the_daemons_own_way(tmp_path: Path) -> None:
    """The error hangs on a column, the prediction says nothing of it; the window has more of the hard rows."""
    rng = np.random.default_rng(0)
    url = f"sqlite:///{tmp_path / 'houses.db'}"
    engine = sa.create_engine(url)
    hard = {0: (25, 0.0), 1: (1, 0.7)}
    truth_of_window = 0.0
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE houses (id INTEGER PRIMARY KEY, at TEXT, age REAL, said REAL, paid REAL)")
        )
        connection.execute(sa.text("CREATE INDEX by_time ON houses (at)"))
        start = START
        for place, (hours, low) in hard.items():
            count = hours * 600
            age, paid = rng.uniform(low, 1, count), rng.normal(50, 10, count)
            said = paid + (0.5 + 5 * age) * rng.normal(size=count)
            truth_of_window = float(np.abs(said - paid).mean())
            connection.execute(
                sa.text("INSERT INTO houses (at, age, said, paid) VALUES (:at, :age, :said, :paid)"),
                [
                    {
                        "at": (start + n * hours * HOUR / count).strftime("%Y-%m-%d %H:%M:%S.%f"),
                        "age": float(age[n]),
                        "said": float(said[n]),
                        "paid": float(paid[n]) if place == 0 else None,
                    }
                    for n in range(count)
                ],
            )
            start += hours * HOUR
    columns = {"timestamp": "at", "id": "id", "prediction": "said", "label": "paid"}
    monitor = Config.model_validate(
        {
            "store": f"sqlite:///{tmp_path / 'driftd.db'}",
            "monitors": [
                {
                    "name": "houses",
                    "source": {"url": url, "table": "houses", "columns": columns},
                    "bucket": "10m",
                    "window": "1h",
                    "settle": "0s",
                    "catch_up": "3650d",
                    "features": ["age"],
                    "baseline": {"from": START.isoformat(), "to": (START + 24 * HOUR).isoformat()},
                    "checks": ["performance"],
                }
            ],
        }
    ).monitors[0]
    with open_reader(monitor) as reader:
        found = {f["method"]: f for f in check(reader, monitor, START + 26 * HOUR)["findings"]}
        calm = {f["method"]: f for f in check(reader, monitor, START + 25 * HOUR)["findings"]}
    engine.dispose()
    guess = found["estimated_mae"]
    assert guess["status"] == "drifted"
    assert guess["detail"]["value"] == pytest.approx(truth_of_window, rel=0.1)
    assert guess["detail"]["low"] <= truth_of_window <= guess["detail"]["high"]
    assert guess["detail"]["baseline_value"] == pytest.approx(2.4, rel=0.1)
    assert not guess["detail"]["known_to_hold"]
    assert "not verified" in guess["reason"]
    assert found["mae"]["status"] == "inconclusive"
    assert calm["estimated_mae"]["status"] == "ok"
    assert calm["mae"]["detail"]["estimate_held"]
