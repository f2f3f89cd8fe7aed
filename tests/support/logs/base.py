"""Logs of many records in the tables of the tools that write them, for tests and for benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

START = datetime(2026, 11, 1, tzinfo=UTC)
MODELS = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "small-7b")
WORDS = [
    "the",
    "refund",
    "was",
    "issued",
    "on",
    "Monday",
    "and",
    "the",
    "parcel",
    "left",
    "our",
    "house",
    "in",
    "Leipzig",
    "two",
    "days",
    "later",
    "with",
    "a",
    "label",
]


@dataclass(frozen=True)
class Call:
    """One call of a model, as every tool would log it in its own way."""

    number: int
    start: datetime
    seconds: float
    first_token: float
    model: str
    tenant: str
    input_tokens: int
    output_tokens: int
    cost: float
    failed: bool
    question: str
    response: str
    thumbs: bool | None
    grounded: float

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)

    @property
    def id(self) -> str:
        return f"call-{self.number:08d}"


def calls(count: int, days: float = 1.0, start: datetime = START, seed: int = 1) -> Iterator[Call]:
    """Yield calls in the order of their start, spread evenly over the days; every tenth has no known price."""
    chance = np.random.default_rng(seed)
    step = timedelta(days=days) / count
    for number in range(count):
        seconds = round(float(chance.lognormal(0, 0.5)), 3)
        words = chance.choice(WORDS, 12)
        moment = start + number * step
        yield Call(
            number=number,
            start=moment - timedelta(microseconds=moment.microsecond % 1000),
            seconds=seconds,
            first_token=round(seconds / 4, 3),
            model=MODELS[int(chance.integers(3))],
            tenant=f"tenant-{chance.integers(5)}",
            input_tokens=int(chance.integers(20, 400)),
            output_tokens=int(chance.integers(5, 200)),
            cost=0.0 if number % 10 == 0 else round(float(chance.uniform(0.0001, 0.01)), 6),
            failed=number % 50 == 7,
            question=f"Where is my parcel {number}? " + " ".join(words[:4]),
            response=" ".join(words),
            thumbs=None if number % 5 else bool(chance.random() < 0.7),
            grounded=round(float(chance.beta(6, 2)), 3),
        )


def insert(engine: sa.Engine, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that have the same keys, fast enough for a hundred thousand."""
    if not rows:
        return
    quote = engine.dialect.identifier_preparer.quote_identifier
    names = ", ".join(map(quote, rows[0]))
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        if engine.dialect.name == "postgresql":
            with cursor.copy(f"COPY {quote(table)} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(tuple(row.values()))
        else:
            marks = ", ".join("?" for _ in rows[0])
            cursor.executemany(
                f"INSERT INTO {quote(table)} ({names}) VALUES ({marks})", [tuple(row.values()) for row in rows]
            )
        raw.commit()
    finally:
        raw.close()


def naive(engine: sa.Engine, moment: datetime) -> Any:
    """Return a time without its zone, in UTC, as the database stores it."""
    plain = moment.astimezone(UTC).replace(tzinfo=None)
    return plain if engine.dialect.name == "postgresql" else plain.isoformat(" ", "milliseconds")
