"""The demo's application: answers requests at the arrival times of a recorded trace, and logs the answers."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path
from random import Random

from monitor.core.clock import Clock

DATA = Path(__file__).parent / "data"
LOG_TABLE = """
CREATE TABLE records (
    request_id TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,
    model TEXT NOT NULL,
    question TEXT,
    context TEXT,
    response TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER
)
"""
INSERT = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def arrivals(start: datetime) -> list[tuple[datetime, int, int]]:
    """Return time, prompt tokens and completion tokens of every request, with the trace shifted to ``start``."""
    with gzip.open(DATA / "trace_azure2023_conv.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]) for row in rows]
    return [
        (start + (moment - times[0]), int(row["ContextTokens"]), int(row["GeneratedTokens"]))
        for moment, row in zip(times, rows, strict=True)
    ]


def answers() -> dict[str, list[dict[str, str]]]:
    """Return the logged answers of each model, shuffled with a fixed seed."""
    with gzip.open(DATA / "begin_wow.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    models: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        models.setdefault(row["model"], []).append(row)
    for answers in models.values():
        Random(0).shuffle(answers)  # noqa: S311  a demo's order of answers is no secret
    return models


class Application:
    """Serves one model at a time and logs each request when it arrives."""

    def __init__(self, path: Path, clock: Clock, start: datetime, swap_after: timedelta) -> None:
        self.clock = clock
        self.swap_at = start + swap_after
        self.model = "ctrl"
        self.swapped = False
        self.first_bad: datetime | None = None
        self.written = 0
        self.requests = arrivals(start)
        self._answers: Mapping[str, cycle[dict[str, str]]] = {model: cycle(rows) for model, rows in answers().items()}
        self._lock = threading.Lock()
        self._log = sqlite3.connect(path, check_same_thread=False)
        self._log.execute("PRAGMA journal_mode = WAL")
        self._log.execute(LOG_TABLE)
        self._log.execute("CREATE INDEX records_created_at ON records (created_at, request_id)")

    @property
    def ends_at(self) -> datetime:
        """Return the time of the last request."""
        return self.requests[-1][0]

    def deploy(self, model: str) -> None:
        """Serve another model from now on; the deploy hook calls this."""
        with self._lock:
            self.model = model

    def serve(self) -> int:
        """Answer and log every request that has arrived by now; return the number of requests."""
        now, rows = self.clock.now(), []
        with self._lock:
            while self.written < len(self.requests) and self.requests[self.written][0] <= now:
                rows.append(self._answer(*self.requests[self.written]))
                self.written += 1
        with self._log:
            self._log.executemany(INSERT, rows)
        return len(rows)

    def _answer(self, moment: datetime, prompt_tokens: int, completion_tokens: int) -> tuple[object, ...]:
        if moment >= self.swap_at and not self.swapped:
            self.model, self.swapped, self.first_bad = "doha", True, moment
        answer = next(self._answers[self.model])
        return (
            f"req-{self.written:05d}",
            moment.strftime("%Y-%m-%d %H:%M:%S.%f"),
            self.model,
            answer["question"],
            answer["context"],
            answer["response"],
            prompt_tokens,
            completion_tokens,
        )

    def close(self) -> None:
        """Close the log."""
        self._log.close()
