"""`driftd check` where labels come late: the window that it judges is the newest one whose labels are due."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import yaml

from detectors.performance.fall import find_fall
from monitor.cli.check import check as run_check
from monitor.config.load import load
from monitor.jobs.one_shot import check
from monitor.sources.connect import connect
from tests.support.world import START

HOUR = timedelta(hours=1)
DAY = 24 * HOUR
AT = START + 4 * DAY
INVERTED = AT - DAY - HOUR


class Bank:
    """A log of a classifier's scores whose labels come a day late, and are inverted from a moment on."""

    def __init__(self, folder: Path, inverted: datetime = INVERTED) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder / 'bank.db'}"
        engine = sa.create_engine(self.url)
        rng = np.random.default_rng(0)
        count = int((AT - START) / timedelta(seconds=12))
        p = rng.beta(0.5, 0.5, count)
        truth = rng.random(count) < p
        rows = []
        for n in range(count):
            at = START + n * (AT - START) / count
            rows.append(
                {
                    "at": at.strftime("%Y-%m-%d %H:%M:%S.%f"),
                    "p": float(p[n]),
                    "repaid": int(truth[n] != (at >= inverted)) if at < AT - DAY else None,
                }
            )
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE loans (id INTEGER PRIMARY KEY, at TEXT, p REAL, repaid INTEGER)"))
            connection.execute(sa.text("CREATE INDEX by_time ON loans (at)"))
            connection.execute(sa.text("INSERT INTO loans (at, p, repaid) VALUES (:at, :p, :repaid)"), rows)
        self.engine = engine

    def execute(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def configure(self, **monitor: Any) -> Path:
        told = {
            "name": "loans",
            "source": {
                "url": self.url,
                "table": "loans",
                "columns": {"timestamp": "at", "id": "id", "score": "p", "label": "repaid"},
            },
            "bucket": "10m",
            "window": "1h",
            "settle": "0s",
            "features": ["score"],
            "baseline": {"from": START.isoformat(), "to": (START + 2 * DAY).isoformat()},
            "checks": ["quality", {"performance": {"labels_after": "1d"}}],
            **monitor,
        }
        path = self.folder / "driftd.yaml"
        path.write_text(yaml.safe_dump({"store": f"sqlite:///{self.folder / 'driftd.db'}", "monitors": [told]}))
        return path

    def check(self, **monitor: Any) -> dict[str, Any]:
        config = load(self.configure(**monitor), {})
        reader = connect(config.monitors[0].source)
        try:
            return check(reader, config.monitors[0], AT)
        finally:
            reader.close()


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = Bank(tmp_path)
    yield made
    made.engine.dispose()


@pytest.mark.parametrize("baseline", ["fixed", "rolling"])
def test_inverted_labels_that_come_a_day_late_exit_1(bank: Bank, baseline: str) -> None:
    changes = {"baseline": {"rolling": "3d"}} if baseline == "rolling" else {}
    verdict = bank.check(**changes)
    assert verdict["status"] == "firing", verdict["reason"]
    measured = next(finding for finding in verdict["findings"] if finding["method"] == "accuracy")
    assert measured["status"] == "drifted"
    assert measured["n_window"] == 300
    assert verdict["labelled_window"]["end"] == (AT - DAY).isoformat()
    assert verdict["window"]["end"] == AT.isoformat()


def test_the_exit_codes_of_the_command(bank: Bank, capsys: pytest.CaptureFixture[str]) -> None:
    config = load(bank.configure(), {})
    assert run_check(config, None, AT, as_json=False) == 1
    assert f"labels are of the records from {(AT - DAY - HOUR).isoformat()} to " in capsys.readouterr().out
    assert run_check(config, None, AT - HOUR, as_json=False) == 0
    bank.execute("UPDATE loans SET repaid = NULL WHERE at >= '2026-11-03 23:00'")
    capsys.readouterr()
    assert run_check(config, None, AT, as_json=False) == 2
    assert "performance could not be measured: too_few: the window has 0" in capsys.readouterr().out


def test_estimates_stand_in_for_labels_that_nobody_promised(bank: Bank) -> None:
    bank.execute("UPDATE loans SET repaid = NULL WHERE at >= '2026-11-03'")
    verdict = bank.check(checks=[{"performance": {}}])
    assert verdict["status"] == "ok"
    assert "labelled_window" not in verdict


def test_labels_that_were_inverted_inside_a_rolling_baseline_are_not_what_it_is_made_of(tmp_path: Path) -> None:
    inverted = START + 2 * DAY
    bank = Bank(tmp_path, inverted)
    verdict = bank.check(baseline={"rolling": "3d"})
    bank.engine.dispose()
    assert verdict["status"] == "firing", verdict["reason"]
    said = re.match(
        r"the baseline uses labels up to (\S+) only, because the accuracy changed from 0\.8", verdict["note"]
    )
    assert said is not None
    assert timedelta(0) <= inverted - datetime.fromisoformat(said.group(1)) <= 2 * HOUR


def test_steady_labels_have_no_fall() -> None:
    """A metric that wanders, or whose windows are noisy, is no metric that fell: two in a hundred series at most."""
    rng = np.random.default_rng(0)
    found = 0
    for seed in range(300):
        wander = np.cumsum(rng.normal(0, 0.004, 200)) if seed % 3 == 0 else np.zeros(200)
        heavy = rng.standard_t(3, 200) * 0.03 if seed % 3 == 1 else rng.normal(0, 0.03, 200)
        found += find_fall(0.8 + wander + heavy, 0.05) is not None
    assert found <= 6
    collapse = np.append(0.8 + rng.normal(0, 0.03, 150), 0.3 + rng.normal(0, 0.03, 20))
    assert find_fall(collapse, 0.05) == 150
    assert find_fall(1.1 - collapse, 0.05) is None
