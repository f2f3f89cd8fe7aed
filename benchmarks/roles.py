"""Does traffic that is not served change what driftd finds and does about served traffic? ``make bench-roles``.

The recorded log of ``make bench-replay`` is run twice by the same code and configuration, each time by the daemon's own
jobs: with served traffic alone, and with shadow, arm, evaluation and probe records in the same tables. They have other
values, versions, categories, costs and errors, come late, and go on while served traffic is silent. Everything that is
stored and sent is compared, except what a shadow or an unserved arm says about itself. Ends with 1 at any difference.

    make bench-roles ARGS="--buckets 300 --seed 2"
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from benchmarks.replay.__main__ import drive
from benchmarks.replay.compare import KINDS, SENT, Differences, Kind, differences, rows_of, sent, summary
from benchmarks.replay.recording import Story, moments, record

ROOT = Path(__file__).resolve().parent.parent
SHADOW, ARM = "shadow-9b", "replayed-7b"
MARKS = {
    "assistant": {
        "evaluation": {"column": "tenant", "values": ["ci"]},
        "probe": {"column": "prompt_version", "values": ["ping"]},
    },
    "risk": {"evaluation": {"column": "region", "values": ["synthetic"]}},
    "neighbour": {"probe": {"column": "kind", "values": ["health-check"]}},
}
"""Marks of evaluations and probes in the three logs."""
EARLIER = 24
"""Buckets before the first served record that have other records."""
ODD = ("timeout", None, "1e999", "x" * 500, -1e12)
Row = dict[str, Any]


def add_others(folder: Path, story: Story, seed: int) -> float:
    """Add the other records to a recording; return their number as a share of that of the served ones."""
    rng = random.Random(f"others/{seed}")
    with closing(sqlite3.connect(folder / "recording.db")) as connection, connection:
        connection.row_factory = sqlite3.Row
        answers = [dict(row) for row in connection.execute("SELECT * FROM answers ORDER BY id")]
        served = connection.execute("SELECT (SELECT count(*) FROM answers) + (SELECT count(*) FROM scores)").fetchone()[
            0
        ]
        rows = [("answers", row) for row in [*other_arms(rng, story, answers), *other_calls(rng, story, answers)]]
        rows += other_scores(rng, story)
        for number, (table, row) in enumerate(rows):
            named = {**row, "id": 10_000_000 + number}
            marks = ", ".join("?" * len(named))
            connection.execute(f"INSERT INTO {table} ({', '.join(named)}) VALUES ({marks})", tuple(named.values()))
    return len(rows) / served


def other_arms(rng: random.Random, story: Story, answers: Sequence[Row]) -> Iterator[Row]:
    """Yield the answers of a shadow and of an unserved arm to a part of the requests, slower, dearer and worse."""
    for row in answers:
        if row["_logged"] >= story.baseline and rng.random() < 0.2:
            late = rng.choice((0, 0, 0, 1, 5))
            other = {"model": rng.choice((SHADOW, ARM)), "latency": 9 * row["latency"], "cost": 40 * row["cost"]}
            yield {**row, **other, "_logged": row["_logged"] + late, "status": 500, "response": "No."}


def other_calls(rng: random.Random, story: Story, answers: Sequence[Row]) -> Iterator[Row]:
    """Yield evaluations and probes in bursts, from before the first served record on and while there is none."""
    for bucket in range(-EARLIER, story.baseline + story.buckets):
        burst = 12 if bucket % 6 == 0 or bucket < 0 or story.silent(bucket) else 1
        for at in moments(rng, bucket, burst):
            row = rng.choice(answers)
            evaluated = {"tenant": "ci", "model": f"candidate-{bucket // 12}", "prompt": "p9", "user": "robot"}
            probed = {"prompt": "ping", "model": rng.choice(("small-8b", "probe-1")), "question": None}
            odd = {"plan": f"plan {rng.random()}", "amount": rng.choice(ODD), "urgent": 7, "latency": rng.choice(ODD)}
            dear = {"cost": 1e4, "input_tokens": 10**7, "output_tokens": 10**7, "status": 500, "invented": 1}
            logged = max(0, bucket) + rng.choice((0, 0, 0, 1, 5))
            yield {
                **row,
                **rng.choice((evaluated, probed)),
                **odd,
                **dear,
                "at": at,
                "_logged": logged,
                "_labelled": None,
            }


def other_scores(rng: random.Random, story: Story) -> Iterator[tuple[str, Row]]:
    """Yield synthetic records of the classifier, and health checks of the neighbour."""
    for bucket in range(-EARLIER, story.baseline + story.buckets):
        logged = {"_logged": max(0, bucket) + rng.choice((0, 1)), "_labelled": max(0, bucket)}
        for at in moments(rng, bucket, 2):
            synthetic = {
                "model": f"r{bucket}",
                "region": "synthetic",
                "income": rng.choice(ODD),
                "score": 0.0,
                "paid": 1,
            }
            yield "scores", {"at": at, **synthetic, **logged}
            yield "neighbour", {"at": at, "kind": "health-check", "value": rng.choice(ODD), "words": "ok", **logged}


def remove_shadow(folder: Path) -> None:
    """Leave only served traffic in a recording."""
    with closing(sqlite3.connect(folder / "recording.db")) as connection, connection:
        connection.execute("DELETE FROM answers WHERE model = ?", (SHADOW,))


def declare_roles(folder: Path) -> None:
    """Declare the roles in the configuration: marks, the shadow, and an experiment with an arm that no user gets.

    No message is sent about the shadow and that experiment, since it would be about the other records.
    """
    path = folder / "driftd.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    for monitor in config["monitors"]:
        monitor["traffic"] = MARKS[monitor["name"]]
    assistant = config["monitors"][0]
    live = assistant["shadows"][0]["from"]
    assistant["shadows"][0]["do"] = []
    arms = {"name": "offline", "control": "small-7b", "treatments": [ARM], "unserved": [ARM], "from": live}
    assistant["experiments"].append({**arms, "metrics": {"latency": {"better": "lower"}}})
    for rule in assistant["rules"]:
        rule["when"] = ["experiment.variants" if name == "shadow.next" else name for name in rule["when"]]
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def compare(alone: Path, mixed: Path) -> list[Differences]:
    """Compare all that was stored and sent about served traffic, byte for byte."""
    with closing(sqlite3.connect(alone / "driftd.db")) as old, closing(sqlite3.connect(mixed / "driftd.db")) as new:
        found = [differences(kind.name, about_served(old, kind), about_served(new, kind)) for kind in KINDS]
    return [*found, differences(SENT, sent(alone), sent(mixed))]


def about_served(connection: sqlite3.Connection, kind: Kind) -> dict[tuple[str, ...], Row]:
    """Return the rows of a kind, without those about a shadow or an unserved arm."""
    rows = rows_of(connection, kind)
    if kind.name == "buckets":
        return {key: {**row, "revision": None} for key, row in rows.items()}  # a recount is one
    if kind.name == "findings":
        return {key: row for key, row in rows.items() if key[2] != "shadow" and key[3].split(".")[0] != "offline"}
    if kind.name == "comparisons":
        return {key: row for key, row in rows.items() if key[2] == "variants"}
    return rows


def measure(folder: Path, buckets: int, seed: int) -> tuple[list[Differences], float]:
    """Record, run both sides at the same time, and compare; return also the share of other records."""
    sides = {name: folder / name for name in ("alone", "mixed")}
    sides["alone"].mkdir(parents=True)
    story = record(sides["alone"], buckets, seed=seed)
    declare_roles(sides["alone"])
    remove_shadow(sides["alone"])
    shutil.copytree(sides["alone"], sides["mixed"])
    share = add_others(sides["mixed"], story, seed)
    with ThreadPoolExecutor(len(sides)) as pool:
        list(pool.map(lambda side: drive(ROOT, side / "run"), sides.values()))
    return compare(sides["alone"] / "run", sides["mixed"] / "run"), share


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the differences."""
    parser = argparse.ArgumentParser(prog="make bench-roles", description=__doc__.splitlines()[0])
    parser.add_argument("--buckets", type=int, default=300, help="live buckets of 5 minutes")
    parser.add_argument("--seed", type=int, default=0, help="draws the log and the other records")
    parser.add_argument("--keep", type=Path, help="empty folder that stores and logs are left in")
    asked = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="driftd-roles-") as scratch:
        found, share = measure((asked.keep or Path(scratch)).resolve(), asked.buckets, asked.seed)
    print(f"{asked.buckets} buckets, {share:.0%} other records, {time.monotonic() - began:.0f} s")
    print(summary(found))
    return 1 if any(one.total for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
