"""One bucket, whatever is configured: one read and one write transaction on our store, at most five on the source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from detectors.outcome import OUTCOME
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import cross_check
from monitor.config.models import Config
from monitor.core.operation import Assign, Author
from monitor.core.schedule import Bucket
from monitor.daemon import Daemon
from monitor.jobs.turns import try_catch_up
from monitor.store import buckets, claims, labels, reads, silences, windows
from monitor.store.database import Database
from monitor.store.operations import perform
from tests.support.hand import Hand
from tests.support.world import START

HOUR = timedelta(hours=1)
BASELINE = 12 * HOUR
CHANGE = START + 14 * HOUR
READ_ONLY = ("BEGIN", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def log(url: str) -> None:
    """Log fifteen hours, 120 requests each; in the last everything gets worse, and the hour after it is empty."""
    rng = np.random.default_rng(0)
    at = [START + place * timedelta(seconds=30) for place in range(15 * 120)]
    bad = np.array([moment >= CHANGE for moment in at])
    score = rng.beta(1, 2, len(at))
    frame = pd.DataFrame(
        {
            "id": [f"r{place}" for place in range(len(at))],
            "at": [moment.replace(tzinfo=None) for moment in at],
            "model": rng.choice(["big", "small"], len(at)),
            "tenant": rng.choice(["a", "b", "c"], len(at)),
            "request": [f"q{place // 2}" for place in range(len(at))],
            "amount": rng.normal(100, 20, len(at)) + 100 * bad,
            "cost": 0.01 + 0.05 * bad,
            "status": np.where(bad & (rng.random(len(at)) < 0.5), 500, 200),
            "answer": "fine",
            "score": score,
            "repaid": np.where(bad, rng.random(len(at)) < 0.5, rng.random(len(at)) < score).astype(float),
        }
    )
    frame.loc[frame.index % 2 == 1, "model"] = "candidate"
    engine = sa.create_engine(url)
    with engine.begin() as connection:  # a key, as logs have one: a table without is read in slices
        connection.exec_driver_sql(
            "CREATE TABLE log (id TEXT PRIMARY KEY, at TIMESTAMP, model TEXT, tenant TEXT, request TEXT, amount REAL,"
            " cost REAL, status INTEGER, answer TEXT, score REAL, repaid REAL)"
        )
        frame.to_sql("log", connection, index=False, if_exists="append")
    engine.dispose()


def configured(url: str, store: str, top: dict[str, Any] | None = None, **more: Any) -> Config:
    hook = {"url": "https://hook.example/", "secret": "whsec_c2VjcmV0LW9mLXRoZS1ob29r"}
    since = START.isoformat()
    metrics = {"amount": {"better": "lower", "role": "primary"}}
    monitor = {
        "name": "bot",
        "bucket": "1h",
        "window": "2h",
        "settle": "0s",
        "catch_up": "3650d",
        "min_samples": 10,
        "source": {
            "url": url,
            "table": "log",
            "columns": {
                "timestamp": "at",
                "id": "id",
                "model_version": "model",
                "response": "answer",
                "cost": "cost",
                "status": "status",
                "score": "score",
                "label": "repaid",
            },
        },
        "baseline": {"from": since, "to": (START + BASELINE).isoformat(), "min_rows": 10},
        "segments": ["tenant"],
        "features": ["amount"],
        "signals": ["failed"],
        "checks": [
            "drift",
            "performance",
            {"rate": {"signal": "failed"}},
            {"spend": {"daily": 100, "monthly": 3000}},
            {"spend": {"name": "tenants", "daily": 50, "by": "tenant"}},
            {"slo": {"signal": "failed", "objective": 0.99}},
        ],
        "experiments": [
            {
                "name": "try",
                "control": "big",
                "treatments": ["small"],
                "from": since,
                "metrics": metrics,
                "do": ["slack"],
            }
        ],
        "shadows": [
            {
                "name": "next",
                "champion": "big",
                "challenger": "candidate",
                "join": "request",
                "from": since,
                "metrics": {"amount": {"better": "lower"}},
                "do": ["slack"],
            }
        ],
        "breakers": [
            {"name": "money", "budget": "spend", "do": ["slack"]},
            {"name": "errors", "rate": "failed", "above": 0.2, "do": ["slack"]},
            {"name": "drifted", "rule": "anything", "do": ["slack"]},
        ],
        "rules": [
            {"name": "anything", "when": ["*"], "for": 1, "do": ["slack", "train", "back"]},
            {"when": ["experiment"], "do": ["slack"]},
        ],
        "savings": {"retraining": {"price": 100, "error_cost": 1}},
        **more,
    }
    actions = {
        "train": {"webhook": hook, "kind": "retrain", "mode": "auto", "not_after": "3650d"},
        "back": {"webhook": hook, "kind": "rollback", "mode": "auto", "not_after": "3650d"},
    }
    slack = {"token": "xoxb-1", "channel": "#ml"}
    made = Config.model_validate(
        {"store": store, "monitors": [monitor], "actions": actions, "slack": slack, **(top or {})}
    )
    assert cross_check(made) == []
    return made


@contextmanager
def counted(database: Database, source: sa.Engine) -> Iterator[Counter[str]]:
    """Count the transactions of a block: ``read`` and ``write`` of our store, and ``source``."""
    counts: Counter[str] = Counter()

    def begun_here(_connection: sa.Connection) -> None:
        counts["write"] += 1

    def begun_there(_connection: sa.Connection) -> None:
        counts["source"] += 1

    def sent(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        if statement in READ_ONLY:  # what has begun turns out to be one for reading
            counts["write"] -= 1
            counts["read"] += 1

    listeners = [
        (database.engine, "begin", begun_here),
        (database.engine, "before_cursor_execute", sent),
        (source, "begin", begun_there),
    ]
    for engine, event, listener in listeners:
        sa.event.listen(engine, event, listener)
    try:
        yield counts
    finally:
        for engine, event, listener in listeners:
            sa.event.remove(engine, event, listener)


class Counting:
    """A daemon that works its buckets off and counts the transactions of each."""

    def __init__(self, database: Database, made: Config) -> None:
        self.database, self.clock = database, Hand(START)
        self.daemon: Daemon = make_daemon(database, made, self.clock)
        self.watch = self.daemon.monitors[0]

    def advance(self, moment: datetime) -> None:
        self.clock.moment = moment
        while self.daemon.turn(self.watch):
            pass

    def compute(self, start: datetime) -> Counter[str]:
        """Compute one bucket at its end and count its transactions, without its claim."""
        bucket = Bucket(start, start + HOUR)
        self.clock.moment = max(self.clock.moment, bucket.end)
        self.watch.prepare()
        with self.database.write() as connection:
            claim = claims.claim(connection, "bot", bucket, self.watch.owner)
        assert claim is not None
        source = self.watch.source.reader._reader._engine  # type: ignore[attr-defined]
        with counted(self.database, source) as counts:
            assert self.watch.compute(claim)
        try_catch_up(self.daemon.catch_ups[0])
        return counts


@pytest.fixture
def source_url(tmp_path: Path) -> str:
    log(url := f"sqlite:///{tmp_path / 'log.db'}")
    return url


def test_every_bucket_takes_one_read_and_one_write(source_url: str, migrated_url: str) -> None:
    with open_store(made := configured(source_url, migrated_url), upgrade=True) as database:
        here = Counting(database, made)
        here.advance(START + BASELINE)
        names = ("quiet", "quiet again", "worse", "empty")
        counts = {name: here.compute(START + BASELINE + place * HOUR) for place, name in enumerate(names)}
        with database.write() as connection:
            buckets.mark_stale(connection, "bot", [CHANGE])
        counts["again"] = here.compute(CHANGE)
        with database.read() as connection:
            incidents, planned = reads.incident_rows(connection), reads.action_rows(connection)
        here.watch.close()
    assert {name: (count["read"], count["write"]) for name, count in counts.items()} == dict.fromkeys(counts, (1, 1))
    assert max(count["source"] for name, count in counts.items() if name != "again") <= 5
    assert counts["again"]["source"] <= 6  # the records around a late one are joined again by the shadow
    (fired,) = [incident for incident in incidents if incident.rule == "anything"]
    (train,) = [action for action in planned if action.name == "train"]
    retraining: Any = train.payload["data"]["retraining"]
    assert fired.state == "firing"
    assert [stretch["rows"] for stretch in retraining["windows"]] == [60, 12 * 60]  # without those of the challenger
    assert {action.kind for action in planned} >= {"firing", "retrain"}


def test_silences_inhibition_and_escalation_take_no_transaction_more(source_url: str, migrated_url: str) -> None:
    hook = {"kind": "webhook", "url": "https://boss.example/", "secret": "whsec_c2VjcmV0LW9mLXRoZS1ob29r"}
    top = {
        "receivers": {"boss": hook},
        "mute_time_intervals": [{"name": "then", "time_intervals": [{"years": ["1990"]}]}],
        "inhibit": [{"source_match": ["rule=no_data"], "target_match": ["check=slo"]}],
    }
    rule = {"name": "anything", "when": ["*"], "for": "1 of 3 buckets", "do": ["slack"]}
    rules = [{**rule, "mute_times": ["then"], "inconclusive_limit": 9, "escalate": [{"after": "1h", "do": ["boss"]}]}]
    with open_store(made := configured(source_url, migrated_url, top, rules=rules), upgrade=True) as database:
        here = Counting(database, made)
        here.advance(START + BASELINE)
        silence = {"monitor": "*", "rule": "*", "matchers": ["column=amount"], "comment": "", "created_by": "ann"}
        with database.write() as connection:
            silences.add_silence(connection, {**silence, "starts_at": START, "ends_at": START + 99 * HOUR})
        counts = [here.compute(START + BASELINE + place * HOUR) for place in range(3)]
        with database.read() as connection:
            (fired,) = [one for one in reads.incident_rows(connection) if one.rule == "anything"]
        perform(database, Assign(fired.id, "ben"), Author("ann", "cli", "responder"), Hand(START))
        counts.append(here.compute(START + BASELINE + 3 * HOUR))
        with database.read() as connection:
            planned = {one.name: one for one in reads.action_rows(connection, incident=fired.id)}
        here.watch.close()
    assert {(count["read"], count["write"]) for count in counts} == {(1, 1)}
    muted = {item["column"] for item in fired.evidence.values() if "mute" in item}
    told = {item["column"] for item in planned["slack"].payload["data"]["findings"]}
    assert (muted, "amount" in told, len(told) > 1) == ({"amount"}, False, True)
    boss = planned["boss"]
    assert (boss.kind, boss.reason) == ("firing", "escalated: not acknowledged 1h after its announcement")
    assert boss.payload["data"]["assignee"] == "ben"


def test_labels_that_were_imported_take_one_read_a_page_more(source_url: str, migrated_url: str) -> None:
    with open_store(made := configured(source_url, migrated_url), upgrade=True) as database:
        with database.write() as connection:
            labels.put(connection, "bot", {"r1700": "0"})
        here = Counting(database, made)
        here.advance(START + BASELINE)
        counts = here.compute(START + BASELINE)
        here.watch.close()
    assert (counts["read"], counts["write"]) == (2, 1)


def test_the_first_labels_count_in_the_very_next_bucket(source_url: str, migrated_url: str) -> None:
    """Whether there are imported labels is remembered from bucket to bucket, so the first ones are noticed late."""
    with open_store(made := configured(source_url, migrated_url), upgrade=True) as database:
        here = Counting(database, made)
        here.advance(START + BASELINE + HOUR)
        record = int(BASELINE / HOUR) * 120 + 120  # the first of the next hour, of which nobody knew the label
        engine = sa.create_engine(source_url)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE log SET repaid = NULL WHERE id = 'r{record}'")
        engine.dispose()
        with database.write() as connection:
            labels.put(connection, "bot", {f"r{record}": "1"})
        here.compute(START + BASELINE + HOUR)
        with database.read() as connection:
            baseline, start = here.watch.lifecycle.baseline, START + BASELINE + HOUR
            assert baseline is not None
            window = windows.load_window(connection, "bot", baseline, start, start + HOUR)
        profiles = window[start].profiles[None]
        here.watch.close()
    assert profiles[OUTCOME].n == 60  # all that were served
