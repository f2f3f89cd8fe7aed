"""An application that logs a call every two seconds, and the daemon beside it, in process, with time as an argument."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
import yaml

from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.load import load
from monitor.daemon import Daemon
from monitor.store import reads
from monitor.store.database import Database
from tests.support.hand import Hand
from tests.support.world import START

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
EVERY = timedelta(seconds=2)
SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
CALLS = sa.Table(
    "calls",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime, index=True),
    sa.Column("model", sa.String(20)),
    sa.Column("prompt", sa.String(20)),
    sa.Column("amount", sa.Float),
    sa.Column("words", sa.Float),
)
Row = dict[str, Any]


class Application:
    """Logs a call every two seconds: which model and prompt, and how far off, is a function of the time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = sa.create_engine(f"sqlite:///{folder / 'log.db'}")
        CALLS.metadata.create_all(self.engine)

    def log(self, first: datetime, last: datetime, row: Callable[[datetime], Row]) -> None:
        rng = np.random.default_rng(int(first.timestamp()))
        rows = []
        for place in range((last - first) // EVERY):
            at = first + place * EVERY
            made = {"model": "m1", "prompt": "p1", "amount": 0.0, "words": 0.0, **row(at)}
            made["amount"] += float(rng.normal(100, 20))
            made["words"] += float(rng.normal(50, 10))
            rows.append({"at": at.replace(tzinfo=None), **made})
        with self.engine.begin() as connection:
            connection.execute(sa.insert(CALLS), rows)

    def configure(self, **monitor: Any) -> Path:
        columns = {"timestamp": "at", "id": "id", "model_version": "model", "prompt_version": "prompt"}
        webhook = {"url": "http://127.0.0.1:1/rollback", "secret": SECRET}
        config = {
            "store": f"sqlite:///{self.folder / 'driftd.db'}",
            "actions": {"back": {"webhook": webhook, "mode": "auto", "not_after": "3650d"}},
            "monitors": [
                {
                    "name": "bot",
                    "source": {"url": f"sqlite:///{self.folder / 'log.db'}", "table": "calls", "columns": columns},
                    "bucket": "1m",
                    "window": "10m",
                    "settle": "0s",
                    "baseline": {"from": START.isoformat(), "to": (START + HOUR).isoformat()},
                    "catch_up": "3650d",
                    "segments": ["model_version", "prompt_version"],
                    "checks": ["drift"],
                    "rules": [{"when": ["drift"], "do": ["back"]}],
                    **monitor,
                }
            ],
        }
        path = self.folder / "driftd.yaml"
        path.write_text(yaml.safe_dump(config))
        return path


class Watching:
    """The daemon in process, with its clock as an argument."""

    def __init__(self, path: Path) -> None:
        self.config = load(path)
        self.context = open_store(self.config, upgrade=True)
        self.database: Database = self.context.__enter__()
        self.clock = Hand(START)
        self.daemon: Daemon = make_daemon(self.database, self.config, self.clock)

    def until(self, moment: datetime, step: timedelta = MINUTE) -> None:
        """Go on to a moment, a step at a time."""
        while self.clock.moment < moment:
            self.clock.moment = min(moment, self.clock.moment + step)
            self.daemon.tick_all()

    def rows(self) -> tuple[list[Any], list[Any]]:
        with self.database.read() as connection:
            return list(reads.incident_rows(connection)), list(reads.action_rows(connection))

    def close(self) -> None:
        for watch in self.daemon.monitors:
            watch.close()
        self.context.__exit__(None, None, None)
