"""An application that asks MLflow which version it serves, and logs its records to PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg

from tests.support.mlflow_server import MlflowServer

ALIAS = "champion"
OLD, GOOD, BAD = "large-60b", "large-70b", "small-7b"
VERSIONS = {OLD: "1", GOOD: "2", BAD: "3"}
"""Number of each version in MLflow."""
NAMES = {number: name for name, number in VERSIONS.items()}
FAILED, LATENCY = {BAD: 0.4}, {BAD: 1.5}
"""Share of failures and median latency; 2 % and 1 s for the others."""
PER_SECOND = 20
PAST = timedelta(hours=1)
"""Length of the baseline."""
RECENT = timedelta(minutes=2)
"""Time after the baseline for which records are there before the daemon starts."""
CREATE = """create table log (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    model text not null,
    latency double precision not null,
    status integer not null
)"""
Row = tuple[datetime, str, float, int]


class Application:
    """Writes a batch of records each second.

    Parameters
    ----------
    reloads
        Whether it asks for the version again after the swap; if not, a rollback of the alias helps nobody.
    """

    def __init__(self, url: str, mlflow: MlflowServer, model: str, reloads: bool) -> None:
        self._url = url.replace("postgresql+psycopg", "postgresql")
        self._mlflow, self._model, self._reloads = mlflow, model, reloads
        self._rng = np.random.default_rng(1)
        self._stop, self._version = threading.Event(), GOOD
        self.first_bad: datetime | None = None
        self.first_good: datetime | None = None
        """First record of the good version after bad ones."""
        self.errors: list[str] = []

    def write_past(self, end: datetime) -> None:
        """Write the records of the baseline, which ends at a time, and those until now."""
        start, now = end - PAST, datetime.now(UTC)
        rows = self._draw(OLD, start, start + PAST / 5) + self._draw(GOOD, start + PAST / 5, now)
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(CREATE)
            connection.execute("create index on log (at)")
            self._insert(connection, rows)
        self._until = now

    def swap(self) -> None:
        """Move the alias to the bad version, as a deployment does."""
        self._mlflow.set_alias(self._model, ALIAS, int(VERSIONS[BAD]))

    def read_version(self) -> str:
        """Return the version that the alias points at."""
        return NAMES[self._mlflow.read_alias(self._model, ALIAS)]

    @contextmanager
    def run(self) -> Iterator[None]:
        """Write until the block ends."""
        thread = threading.Thread(target=self._write, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(30)

    def _write(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._stop.wait(1.0):
                try:
                    self._write_batch(connection)
                except Exception as error:  # noqa: BLE001 - reported with the result
                    self.errors.append(repr(error))

    def _write_batch(self, connection: psycopg.Connection) -> None:
        if self._reloads or self._version == GOOD:
            self._version = self.read_version()
        now = datetime.now(UTC)
        rows = self._draw(self._version, self._until, now)
        self._insert(connection, rows)
        self._until = now
        if not rows:
            return
        if self._version == BAD:
            self.first_bad = self.first_bad or rows[0][0]
        elif self.first_bad and self._version == GOOD:
            self.first_good = self.first_good or rows[0][0]

    def _draw(self, version: str, start: datetime, end: datetime) -> list[Row]:
        """Return the records of a version between two times."""
        count = round((end - start).total_seconds() * PER_SECOND)
        latencies = LATENCY.get(version, 1.0) * self._rng.lognormal(0.0, 0.5, count)
        failed = self._rng.random(count) < FAILED.get(version, 0.02)
        return [
            (start + (end - start) * place / count, version, float(latencies[place]), 500 if failed[place] else 200)
            for place in range(count)
        ]

    @staticmethod
    def _insert(connection: psycopg.Connection, rows: Sequence[Row]) -> None:
        with (
            connection.cursor() as cursor,
            cursor.copy("copy log (at, model, latency, status) from stdin") as copy,
        ):
            for row in rows:
                copy.write_row(row)
