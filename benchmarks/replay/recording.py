"""A recorded log in which everything happens: what was logged when, the configuration, and what is done meanwhile.

Written once into a folder, so that every version of driftd is given the same. ``recording.db`` holds the rows of the
three logs, each with the number of the bucket in which it is logged and, where its label comes later, the number of
the bucket in which that comes; ``plan.json`` says what happens before each bucket; ``driftd.yaml`` configures it all.
"""

from __future__ import annotations

import json
import math
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

START = datetime(2026, 11, 2, tzinfo=UTC)
BUCKET = timedelta(minutes=5)
DAY = 288
LABELS_LATE = 24
"""Buckets until a label comes."""
SECRET = "whsec_cmVwbGF5LW9mLXJlY29yZGVkLWxvZ3M="

TABLES = {
    "answers": (
        "id INTEGER PRIMARY KEY, at TEXT, request INTEGER, user TEXT, tenant TEXT, model TEXT, prompt TEXT, "
        "variant TEXT, plan TEXT, amount REAL, urgent INTEGER, question TEXT, context TEXT, response TEXT, "
        "latency REAL, input_tokens INTEGER, output_tokens INTEGER, cost REAL, status INTEGER, invented INTEGER"
    ),
    "scores": "id INTEGER PRIMARY KEY, at TEXT, model TEXT, region TEXT, income REAL, score REAL, paid INTEGER",
    "neighbour": "id INTEGER PRIMARY KEY, at TEXT, kind TEXT, value REAL, words TEXT",
}
LABELS = {"answers": "invented", "scores": "paid"}


@dataclass(frozen=True)
class Story:
    """What happens when, in shares of the live buckets."""

    buckets: int
    baseline: int

    def during(self, bucket: int, first: float, last: float) -> bool:
        """Say whether a bucket, counted from the start of the log, lies in a stretch of the live part."""
        live = (bucket - self.baseline) / self.buckets
        return first <= live < last

    def failing(self, bucket: int) -> bool:
        return self.during(bucket, 0.1, 0.15) or self.during(bucket, 0.45, 0.48)

    def model(self, bucket: int) -> str:
        if self.during(bucket, 0.3, 0.42):
            return "small-8b"
        return "small-7b-2" if self.during(bucket, 0.9, 1) else "small-7b"

    def price(self, bucket: int) -> float:
        return 2.5 if self.during(bucket, 0.16, 2) else 1.0

    def shifted(self, bucket: int) -> bool:
        return self.during(bucket, 0.52, 0.62)

    def degraded(self, bucket: int) -> bool:
        return self.during(bucket, 0.7, 0.8)

    def silent(self, bucket: int) -> bool:
        return self.during(bucket, 0.84, 0.84 + 5 / self.buckets)

    def plan(self) -> dict[str, Any]:
        """Return what the driver needs: times, and what it does before it wakes the daemon for a live bucket."""
        return {
            "start": START.isoformat(),
            "bucket_seconds": BUCKET.total_seconds(),
            "baseline": self.baseline,
            "buckets": self.buckets,
            "secret": SECRET,
            "tables": TABLES,
            "labels": LABELS,
            "unreadable": {
                "answers": self._stretch(0.2, 0.2 + 5 / self.buckets),
                "neighbour": self._stretch(0.3, 0.5),
            },
            "silence": {"monitor": "assistant", "rule": "*", "buckets": self._stretch(0.44, 0.5)},
            "approve_after": 2,
        }

    def _stretch(self, first: float, last: float) -> tuple[int, int]:
        return int(first * self.buckets), int(last * self.buckets)


def record(folder: Path, buckets: int, store: str | None = None, seed: int = 0) -> Story:
    """Write recording, plan and configuration into a folder.

    Parameters
    ----------
    buckets
        Live buckets, after a baseline of at most a day.
    store
        URL of our database; by default a SQLite file in the folder that the driver works in.
    """
    story = Story(buckets, min(DAY, max(36, buckets)))
    with sqlite3.connect(folder / "recording.db") as connection:
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({columns}, _logged INTEGER, _labelled INTEGER)")
        for name, rows in (("answers", answers), ("scores", scores), ("neighbour", others)):
            for row in rows(story, random.Random(f"{name}/{seed}")):
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    connection.close()
    (folder / "plan.json").write_text(json.dumps(story.plan(), indent=1))
    (folder / "driftd.yaml").write_text(yaml.safe_dump(configuration(story, store), sort_keys=False))
    return story


def moments(rng: random.Random, bucket: int, count: int) -> Iterator[str]:
    """Yield the times of the rows of a bucket, in order."""
    for share in sorted(rng.random() for _ in range(count)):
        at = START + (bucket + 0.999 * share) * BUCKET
        yield at.strftime("%Y-%m-%d %H:%M:%S.%f")


def logged_in(rng: random.Random, story: Story, bucket: int) -> int:
    """Return the bucket in which a row is logged: now and then the next one, which driftd finds out later."""
    return bucket + (bucket > story.baseline and bucket % 7 == 0 and rng.random() < 0.1)


PEOPLE = ("Ada", "Boris", "Chen", "Dana", "Emil", "Fatma")
PLACES = ("Lisbon", "Oslo", "Lagos", "Quito", "Hanoi", "Turin")


def answers(story: Story, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the log of an assistant: two tenants, an experiment of two variants, a shadow of every fourth request."""
    number = 0
    for bucket in range(story.baseline + story.buckets):
        if story.silent(bucket):
            continue
        busy = 1 + 0.3 * math.sin(2 * math.pi * bucket / DAY)
        for at in moments(rng, bucket, int(rng.gauss(20 * busy, 3))):
            number += 1
            row = request(story, rng, bucket, number)
            yield {**row, "at": at, **answer(story, rng, bucket, story.model(bucket), row)}
            if number % 4 == 0 and bucket >= story.baseline:
                shadow = answer(story, rng, bucket, "shadow-9b", row)
                yield {**row, "at": at, **shadow, "model": "shadow-9b", "latency": row["latency"] * 0.8}


def request(story: Story, rng: random.Random, bucket: int, number: int) -> dict[str, Any]:
    tenant = rng.choices(("north", "south"), (0.7, 0.3))[0]
    plans = ("free", "pro", "trial") if story.shifted(bucket) else ("free", "pro", "team")
    user = rng.randrange(500)
    tokens = 50 + int(rng.expovariate(1 / 150))
    return {
        "request": number,
        "user": f"u{user}",
        "tenant": tenant,
        "model": story.model(bucket),
        "prompt": "p2" if story.during(bucket, 0.62, 2) else "p1",
        "variant": "b" if user % 2 else "a",
        "plan": rng.choices(plans, (0.6, 0.3, 0.1))[0],
        "amount": rng.lognormvariate(3 + 0.5 * story.shifted(bucket), 0.4),
        "urgent": int(rng.random() < (0.12 if story.shifted(bucket) else 0.05)),
        "latency": rng.lognormvariate(0.2 if story.failing(bucket) else -0.5, 0.5),
        "input_tokens": tokens,
        "_logged": logged_in(rng, story, bucket),
        "_labelled": bucket + LABELS_LATE if rng.random() < 0.3 else None,
    }


def answer(story: Story, rng: random.Random, bucket: int, model: str, row: dict[str, Any]) -> dict[str, Any]:
    person, place, paid = rng.choice(PEOPLE), rng.choice(PLACES), rng.randrange(10, 99)
    invented = rng.random() < {"small-8b": 0.45, "shadow-9b": 0.1}.get(model, 0.15)
    told_place, told_paid = (rng.choice(PLACES), rng.randrange(100, 999)) if invented else (place, paid)
    refused = rng.random() < 0.03
    response = f"{person} lives in {told_place} and paid {told_paid} euros."
    if model == "small-8b":
        response += f" It is well known that {person} has always liked {told_place}."
    tokens = len(response.split()) + rng.randrange(20)
    return {
        "question": f"Where does {person} live and what was paid?",
        "context": f"{person} moved to {place} last spring. {person} paid {paid} euros for the ticket.",
        "response": "I'm sorry, but I can't help with that." if refused else response,
        "output_tokens": tokens,
        "cost": story.price(bucket) * (row["input_tokens"] + 4 * tokens) * 1e-5,
        "status": 500 if rng.random() < (0.45 if story.failing(bucket) else 0.004) else 200,
        "invented": int(invented),
    }


def scores(story: Story, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the log of a classifier whose labels come two hours later."""
    for bucket in range(story.baseline + story.buckets):
        for at in moments(rng, bucket, 12):
            score = rng.betavariate(1.5, 2.5)
            truth = rng.random() < (0.5 if story.degraded(bucket) else score)
            yield {
                "at": at,
                "model": "r1",
                "region": rng.choices(("east", "west", "far"), (0.5, 0.45, 0.05))[0],
                "income": rng.lognormvariate(10, 0.6),
                "score": score,
                "paid": int(truth),
                "_logged": logged_in(rng, story, bucket),
                "_labelled": bucket + LABELS_LATE,
            }


def others(story: Story, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Yield a log of no manners: numbers that are words, nothing, infinity, long and odd texts."""
    odd = ("", "n/a", None, "1e999", "\u202e\ufeff", "x" * 3000, 'quoted "; DROP TABLE', "12,5")
    for bucket in range(story.baseline + story.buckets):
        for at in moments(rng, bucket, rng.randrange(18)):
            bad = story.during(bucket, 0.1, 0.3) and rng.random() < 0.5
            yield {
                "at": at,
                "kind": rng.choice(odd) if bad else rng.choices(("a", "b", "c"), (0.8, 0.15, 0.05))[0],
                "value": rng.choice(odd) if bad else rng.gauss(0, 1),
                "words": rng.choice(odd) if bad else f"word{rng.randrange(5)} and more",
                "_logged": logged_in(rng, story, bucket),
                "_labelled": None,
            }


def configuration(story: Story, store: str | None) -> dict[str, Any]:
    """Return driftd.yaml; ``@HOOK@`` is where the driver listens, ``@FOLDER@`` where it works.

    It must be valid in every version that is compared. Deadlines are long, for a slow machine must not look like a
    slow source.
    """
    live = START + story.baseline * BUCKET
    learnt = {"from": START.isoformat(), "to": live.isoformat(), "min_rows": 100}
    common = {"bucket": "5m", "window": "30m", "settle": "0s", "catch_up": "3650d", "min_samples": 30}
    source = {"url": "sqlite:///@FOLDER@/log.db", "timeout": "60s"}
    return {
        "store": store or "sqlite:///@FOLDER@/driftd.db",
        "slack": {"token": "xoxb-replay", "channel": "#replay", "base_url": "@HOOK@/api/"},
        "actions": {
            "undo": hook("rollback", mode="auto", cooldown="30m", not_after="30m"),
            "rehearse": hook("rollback", mode="auto", dry_run=True),
            "learn": hook("retrain", mode="approve", cooldown="1h", not_after="30m"),
            "tell": hook("notify"),
        },
        "monitors": [
            {"name": "assistant", "baseline": learnt, **common, **assistant(source, live)},
            {"name": "risk", "baseline": learnt, **common, **risk(source)},
            {
                "name": "neighbour",
                **common,
                "bucket": "15m",
                "window": "1h",
                "source": {**source, "table": "neighbour", "columns": {"timestamp": "at", "id": "id"}},
                "baseline": {"rolling": "4h", "min_rows": 50},
                "start": live.isoformat(),
                "rules": [{"do": ["slack"], "for": 2}],
                "no_data": {"after": 4, "do": ["slack"]},
            },
        ],
    }


def hook(kind: str, **settings: Any) -> dict[str, Any]:
    return {"kind": kind, "webhook": {"url": f"@HOOK@/{kind}", "secret": SECRET, "timeout": "60s"}, **settings}


def assistant(source: dict[str, Any], live: datetime) -> dict[str, Any]:
    columns = {
        "timestamp": "at",
        "id": "id",
        "model_version": "model",
        "prompt_version": "prompt",
        "tenant": "tenant",
        "question": "question",
        "context": "context",
        "response": "response",
        "label": "invented",
    }
    return {
        "source": {**source, "table": "answers", "columns": columns},
        "features": {"include": ["amount", "urgent", "plan", "latency"]},
        "segments": ["tenant"],
        "signals": ["failed", "hallucinated", "response_length", {"refusal": {"name": "declined"}}],
        "success": None,
        "checks": [
            "drift",
            {
                "drift": {
                    "name": "shape",
                    "columns": ["amount"],
                    "segments": False,
                    "method": ["psi", "wasserstein", "anderson_darling", "mean", "quantile"],
                }
            },
            {
                "drift": {
                    "name": "mix",
                    "columns": ["plan", "urgent"],
                    "method": ["chi_square", "psi", "hellinger"],
                    "threshold": 0.3,
                    "segments": False,
                }
            },
            {"quality": {"segments": False}},
            "latency",
            {"latency": {"name": "target", "p95": 3.0}},
            {"rate": {"signal": "hallucinated", "labels_after": "2h"}},
            {"rate": {"name": "refusals", "signal": "declined", "max": 0.2}},
            {"slo": {"signal": "failed", "objective": 0.98, "period": "7d"}},
            {"spend": {"daily": 9.0, "monthly": 400.0, "per_request_tokens": 2000}},
            {"spend": {"name": "by-tenant", "by": "tenant", "daily": 3.0, "limits": {"north": 6.0}}},
        ],
        "rules": [
            {
                "name": "answers",
                "when": ["rate", "refusals"],
                "for": 2,
                "severity": "critical",
                "do": ["slack", "undo", "rehearse"],
                "repeat_interval": "1h",
            },
            {"name": "errors", "when": ["slo", "target"], "severity": "critical", "do": ["slack", "undo", "tell"]},
            {
                "name": "inputs",
                "when": ["drift", "shape", "mix", "quality", "latency"],
                "for": 2,
                "do": ["slack", "learn"],
            },
            {"name": "money", "when": ["spend", "by-tenant"], "do": ["slack", "tell"]},
            {"name": "trial", "when": ["experiment.variants", "shadow.next"], "do": ["tell"]},
        ],
        "no_data": {"after": 3, "do": ["slack"]},
        "breakers": [
            {"name": "day", "budget": "spend", "ahead": 1, "do": ["tell"]},
            {"name": "tenants", "budget": "by-tenant", "do": ["slack"]},
            {"name": "failing", "rate": "failed", "above": 0.3, "open_for": "10m", "do": ["slack", "tell"]},
            {"name": "bad-answers", "rule": "answers"},
        ],
        "savings": {"quality": "hallucinated", "better": "lower"},
        "experiments": [
            {
                "name": "variants",
                "arm": "variant",
                "control": "a",
                "treatments": ["b"],
                "unit": "user",
                "from": live.isoformat(),
                "do": ["slack"],
                "metrics": {
                    "hallucinated": {"better": "lower", "minimum": 0.1},
                    "latency": {"better": "lower", "role": "guardrail", "minimum": 0.1},
                    "cost": {"per": "output_tokens", "better": "lower"},
                },
            },
        ],
        "shadows": [
            {
                "name": "next",
                "champion": "small-7b",
                "challenger": "shadow-9b",
                "join": "request",
                "within": "10m",
                "from": live.isoformat(),
                "metrics": {"latency": {"better": "lower"}},
                "do": ["slack"],
            },
        ],
    }


def risk(source: dict[str, Any]) -> dict[str, Any]:
    columns = {"timestamp": "at", "id": "id", "model_version": "model", "score": "score", "label": "paid"}
    return {
        "source": {**source, "table": "scores", "columns": columns},
        "bucket": "30m",
        "window": "2h",
        "features": {"include": ["income", "region", "score"]},
        "checks": ["drift", "quality", {"performance": {"labels_after": "2h"}}],
        "rules": [{"for": 2, "do": ["slack", "learn"]}],
        "alert_budget": "1/day",
    }
