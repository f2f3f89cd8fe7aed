"""Labels that people gave outside of the source: imported, joined by id, and made a rate of."""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import structlog
import yaml
from click.testing import Result
from typer.testing import CliRunner

from detectors.records import Column
from monitor.cli import app
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.core.yamlfile import ConfigError
from monitor.jobs.label_overlay import LabelOverlayReader
from monitor.sources.connect import connect
from monitor.store import labels, reads
from monitor.store.database import Database
from tests.support.hand import Hand
from tests.support.world import START

HOUR = timedelta(hours=1)
ROWS = 3000
PER_HOUR = 600


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Five hours of answers, of which a fifth is bad; the score sees most of it, the log holds no label."""
    rng = np.random.default_rng(0)
    bad = rng.random(ROWS) < 0.2
    new = np.where(bad, rng.random(ROWS) < 0.8, rng.random(ROWS) < 0.1)
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("CREATE TABLE log (id TEXT, at TEXT, response TEXT, context TEXT, own TEXT)")
        for row in range(ROWS):
            at = (START + row * HOUR / PER_HOUR).strftime("%Y-%m-%d %H:%M:%S.%f")
            values = (f"{row:05}", at, "green" if new[row] else "red", "red", "no" if row == 7 else None)
            connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?)", values)
    np.save(tmp_path / "bad.npy", bad)
    monitor = {
        "name": "bot",
        "source": {
            "url": f"sqlite:///{tmp_path / 'log.db'}",
            "table": "log",
            "columns": {"timestamp": "at", "id": "id", "response": "response", "context": "context"},
        },
        "bucket": "10m",
        "window": "1h",
        "settle": "0s",
        "catch_up": "3650d",
        "features": [],
        "signals": ["novelty"],
        "baseline": {"from": START.isoformat(), "to": (START + 3 * HOUR).isoformat()},
        "checks": [{"rate": {"signal": "novelty"}}],
    }
    path = tmp_path / "driftd.yaml"
    path.write_text(yaml.safe_dump({"store": f"sqlite:///{tmp_path / 'driftd.db'}", "monitors": [monitor]}))
    return path


def tick(config: Path) -> dict[str, Any]:
    """Compute whatever is owed; return what the newest bucket says of the rate."""
    read = load(config, {})
    with open_store(read, upgrade=True) as database:
        daemon = make_daemon(database, read, Hand(START + 5 * HOUR))
        for _ in range(4):
            daemon.tick_all()
        with database.read() as connection:
            found = {row.method: row for row in reads.findings_at(connection, "bot", START + 5 * HOUR - HOUR / 6)}
        for watch in daemon.monitors:
            watch.close()
    return {**found["rate_rise"].detail, "reason": found["rate_rise"].reason}


def invoke(config: Path, *words: str) -> Result:
    try:
        return CliRunner().invoke(app, ["labels", "import", *words, "--config", str(config)])
    finally:
        structlog.reset_defaults()  # the command set the log up for the runner's own stderr, which is closed


def run(config: Path, *words: str) -> Any:  # noqa: ANN401
    done = invoke(config, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def reviewed(config: Path, rows: range, **columns: list[Any]) -> pd.DataFrame:
    bad = np.load(config.parent / "bad.npy")
    return pd.DataFrame(
        {
            "id": [f"{row:05}" for row in rows],
            "label": ["yes" if bad[row] else "no" for row in rows],
            "timestamp": [(START + row * HOUR / PER_HOUR).isoformat() for row in rows],
            **columns,
        }
    )


def test_imported_labels_make_a_rate_of_a_score(config: Path) -> None:
    before = tick(config)
    assert before["kind"] == "index"
    assert before["value"] == pytest.approx(0.24, abs=0.04)
    rows = range(2400, 3000, 2)
    path = config.parent / "reviewed.csv"
    reviewed(config, rows).to_csv(path, index=False)
    told = run(config, str(path))
    assert told == {"monitor": "bot", "labels": 300, "without_a_label": 0, "buckets_to_compute_again": 6}
    after = tick(config)
    assert (after["kind"], after["labels"]) == ("rate", 300)
    truth = np.load(config.parent / "bad.npy")[2400:].mean()
    assert after["low"] <= truth <= after["high"]
    assert abs(after["value"] - truth) < abs(before["value"] - truth)
    assert "300 labels" in after["reason"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_keeps_ids_as_they_are(config: Path, ending: str) -> None:
    frame = reviewed(config, range(4)).rename(columns={"id": "record", "label": "verdict"})
    frame.loc[3, "verdict"] = None
    path = config.parent / f"reviewed.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    elif ending == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    told = run(config, str(path), "--id", "record", "--label", "verdict")
    assert (told["labels"], told["without_a_label"]) == (3, 1)
    with open_store(load(config, {})) as database, database.read() as connection:
        held = labels.load_labels(connection, "bot", ["00000", "00001", "00002", "00003"])
    assert sorted(held) == ["00000", "00001", "00002"]


def test_the_last_import_wins_and_a_file_without_times_asks_for_every_bucket(config: Path) -> None:
    tick(config)
    path = config.parent / "reviewed.csv"
    for verdict in ("no", "yes"):
        reviewed(config, range(3), label=[verdict] * 3).drop(columns="timestamp").to_csv(path, index=False)
        told = run(config, str(path))
    assert told["buckets_to_compute_again"] == 0  # they are asked for already
    with open_store(load(config, {})) as database, database.read() as connection:
        assert set(labels.load_labels(connection, "bot", ["00000"]).values()) == {"yes"}
    tick(config)
    stretch = ("--from", (START + HOUR).isoformat(), "--to", (START + 2 * HOUR).isoformat())
    assert run(config, str(path), *stretch)["buckets_to_compute_again"] == 6


def test_an_imported_label_wins_over_the_sources_own(config: Path) -> None:
    data = yaml.safe_load(config.read_text())
    data["monitors"][0]["source"]["columns"]["label"] = "own"
    config.write_text(yaml.safe_dump(data))
    monitor = load(config, {}).monitors[0]
    database = Database(f"sqlite:///{config.parent / 'driftd.db'}")
    with open_store(load(config, {}), upgrade=True), database.write() as connection:
        labels.put(connection, "bot", {"00006": "yes"})
        labels.put(connection, "another", {"00005": "yes"})
    reader = LabelOverlayReader(connect(monitor.source), database, monitor)

    def read() -> Column:
        (page,) = reader.read(START, START + HOUR / 60, ["id", "label"])
        return page["label"]

    assert [value for value, gone in zip(read().values, read().missing, strict=True) if not gone] == ["yes", "no"]
    with database.write() as connection:
        labels.put(connection, "bot", {"00007": "yes"})
    assert [value for value, gone in zip(read().values, read().missing, strict=True) if not gone] == ["yes", "yes"]
    assert "label" in reader.schema()
    reader.close()
    database.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [(["--id", "idd"], "no column 'idd'.*Did you mean 'id'"), (["--time", "label"], "not an ISO 8601 time")],
)
def test_a_file_that_does_not_fit_is_told_why(config: Path, words: list[str], says: str) -> None:
    path = config.parent / "reviewed.csv"
    reviewed(config, range(3)).to_csv(path, index=False)
    done = invoke(config, str(path), *words)
    assert isinstance(done.exception, ConfigError)
    assert re.search(says, str(done.exception))


def test_a_monitor_without_ids_cannot_join_labels(config: Path) -> None:
    data = yaml.safe_load(config.read_text())
    del data["monitors"][0]["source"]["columns"]["id"]
    config.write_text(yaml.safe_dump(data))
    done = invoke(config, "x.csv")
    assert "map the role `id`" in str(done.exception)
