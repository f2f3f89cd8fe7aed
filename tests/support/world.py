"""A small world to test in: an application's log in any database, a configuration, and the real command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
import yaml

from tests.support import prefork

START = datetime(2026, 11, 1, tzinfo=UTC)
DRIFTD = Path(sys.executable).with_name("driftd")

LOG = sa.Table(
    "inference log",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("Zeit", sa.DateTime, index=True),
    sa.Column("model", sa.String(40)),
    sa.Column("amount", sa.Float),
    sa.Column("plan", sa.String(20)),
    sa.Column("all null", sa.Float),
    sa.Column("answer", sa.Text),
)


def rows_of(
    start: datetime,
    length: timedelta,
    per_minute: float = 10,
    seed: int = 0,
    shift: float = 0.0,
    without: str | None = None,
    **changes: Any,
) -> list[dict[str, Any]]:
    """Return rows at even times; ``shift`` moves the amount, ``changes`` replace columns, one is left out."""
    rng = np.random.default_rng(seed)
    count = max(1, int(length.total_seconds() / 60 * per_minute))
    step = length / count
    plans = rng.choice(["free", "pro", "team"], count, p=[0.6, 0.3, 0.1])
    amounts = rng.normal(100 + 20 * shift, 20, count)
    rows = [
        {
            "Zeit": (start + place * step).replace(tzinfo=None),
            "model": "v1",
            "amount": float(amounts[place]),
            "plan": str(plans[place]),
            "all null": None,
            "answer": "fine",
            **changes,
        }
        for place in range(count)
    ]
    return [{name: value for name, value in row.items() if name != without} for row in rows]


class World:
    """An application's database and a folder with a configuration."""

    def __init__(self, folder: Path, source_url: str, store_url: str | None = None) -> None:
        self.folder = folder
        self.source_url = source_url
        self.store_url = store_url or f"sqlite:///{folder / 'driftd.db'}"
        self.engine = sa.create_engine(source_url)
        LOG.metadata.create_all(self.engine)

    def log(self, rows: list[dict[str, Any]]) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.insert(LOG), rows)

    def execute(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def configure(self, extra: Mapping[str, Any] | None = None, **monitor: Any) -> Path:
        """Write driftd.yaml: one monitor over the log, a day of baseline, buckets of 15 minutes."""
        config = {
            "store": self.store_url,
            "monitors": [
                {
                    "name": "shop",
                    "source": {
                        "url": self.source_url,
                        "table": str(LOG.name),
                        "columns": {"timestamp": "Zeit", "id": "id", "model_version": "model", "response": "answer"},
                    },
                    "bucket": "15m",
                    "window": "1h",
                    "settle": "0s",
                    "baseline": {"from": START.isoformat(), "to": (START + timedelta(days=1)).isoformat()},
                    **monitor,
                }
            ],
            **(extra or {}),
        }
        path = self.folder / "driftd.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path

    def run(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return prefork.run(arguments, cwd=self.folder, env=self.environment(), timeout=timeout)

    def start(self, *arguments: str, errors: int | None = None) -> prefork.Command:
        """Start the command line in the background; what it prints is added to ``daemon.log``."""
        with (self.folder / "daemon.log").open("a") as out:
            return prefork.Command(
                arguments, out, out if errors is None else errors, cwd=self.folder, env=self.environment()
            )

    def json(self, *arguments: str) -> tuple[int, Any]:
        """Run a command with --json and return its exit code and its answer."""
        done = self.run(*arguments, "--json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def environment(self) -> dict[str, str]:
        return {**os.environ, "DRIFTD_CONFIG": str(self.folder / "driftd.yaml")}

    def close(self) -> None:
        self.engine.dispose()
