"""Records a second of every signal on one core, and of the default ones for LLM answers together.

    python benchmarks/signal_speed.py [records]

Answers of 600 characters and contexts of 3,000, cut from the answers and passages of BEGIN (see data/README.md), all
of them different; JSON and SQL of about the same length for the signals of formats. The best of three runs, each over
texts that no run before has read, after the libraries are loaded.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from detectors import SIGNALS, Signal
from detectors.records import Column, Records
from monitor.core.record_batch import RecordBatch
from monitor.profiling.signals import with_signals

DATA = Path(__file__).parent / "data" / "begin_wow.dev.jsonl.gz"
NOT_SHOWN = ("entailment",)  # needs a model of one's own
TOGETHER = (
    "response_length",
    "refusal",
    "repetition",
    "truncation",
    "groundedness",
    "number_mismatch",
    "entity_mismatch",
    "hallucinated",
    "pii",
    "secrets",
    "profanity",
    "injection",
    "language",
    "price",
)
"""Those of this list that are registered."""
RUNS = 3


def texts(rng: np.random.Generator, words: list[str], count: int, length: int) -> list[str]:
    """Cut texts of whole sentences, the words of the data in the order of the data from random places on."""
    starts, doubled = rng.integers(len(words), size=count), words + words
    return [" ".join(doubled[start : start + length // 2])[:length] for start in starts]


def batch(seed: int, count: int) -> dict[str, Column]:
    """Make records with every role."""
    rng = np.random.default_rng(seed)
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    said = " ".join(row["response"] for row in rows).split()
    given = " ".join(dict.fromkeys(row["context"] for row in rows)).split()
    answers = texts(rng, said, count, 600)
    logs = [(-rng.exponential(0.3, 150)).round(4).tolist() for _ in range(count)]
    return {
        "response": Column.of(answers),
        "context": Column.of(texts(rng, given, count, 3000)),
        "question": Column.of(texts(rng, said, count, 80)),
        "samples": Column.of([json.dumps(answers[row : row + 3]) for row in range(count)]),
        "logprobs": Column.of([json.dumps(part) for part in logs]),
        "finish_reason": Column.of([None] * count),
        "feedback": Column.of(["thumbs_up"] * count),
        "status": Column.of(["success"] * count),
        "error_type": Column.of([None] * count),
        "model_version": Column.of(["gpt-4o-mini"] * count),
        **{
            name: Column.floats(rng.integers(1, 500, count).astype(float))
            for name in ("input_tokens", "output_tokens", "latency", "time_to_first_token", "cost")
        },
    }


def formatted(records: Records, kind: str) -> dict[str, Column]:
    """Replace the answers by JSON or SQL."""
    answers = [str(value) for value in records["response"].values]
    if kind == "json":
        made = [json.dumps({"answer": text[:520], "id": row, "tags": ["a", "b"]}) for row, text in enumerate(answers)]
    else:
        made = [
            "SELECT o.id, u.name, count(*) AS n FROM orders AS o JOIN users AS u ON o.user_id = u.id "
            f"WHERE o.day BETWEEN '2026-01-01' AND '2026-02-01' AND u.kind IN ('x', 'y', '{row}') "
            "GROUP BY o.id, u.name HAVING count(*) > 3 ORDER BY n DESC LIMIT 10"
            for row in range(len(answers))
        ]
    return {**records, "response": Column.of(made)}


def speed(signal: Signal, batches: list[dict[str, Column]]) -> float:
    signal.compute({role: column.take(np.arange(3)) for role, column in batches[-1].items()})
    best = 0.0
    for records in batches[:RUNS]:
        began = time.perf_counter()
        signal.compute(records)
        best = max(best, len(records["response"]) / (time.perf_counter() - began))
    return best


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core, for all threads of all libraries
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    batches = [batch(seed, count) for seed in range(RUNS + 1)]
    print(f"{'signal':<28}{'records a second':>18}")
    for place, (name, signal) in enumerate(SIGNALS.items()):
        if name not in NOT_SHOWN and set(signal.needs) <= set(batches[0]):
            fresh = [batch(1000 * place + run, count) for run in range(RUNS)] + batches[-1:]
            print(f"{name:<28}{speed(signal, fresh):>18,.0f}")
    answer = {"answer": {"type": "string"}, "id": {"type": "integer"}}
    schema = {"type": "object", "required": ["answer"], "properties": answer}
    configure = SIGNALS["json_schema"].configure
    if configure is not None:
        rate = speed(configure(schema=schema), [formatted(one, "json") for one in batches])
        print(f"{'json_schema, of JSON':<28}{rate:>18,.0f}")
    for name, kind in (("valid_json", "json"), ("valid_sql", "sql")):
        rate = speed(SIGNALS[name], [formatted(one, kind) for one in batches])
        print(f"{f'{name}, of {kind.upper()}':<28}{rate:>18,.0f}")
    names = [name for name in TOGETHER if name in SIGNALS and set(SIGNALS[name].needs) <= set(batches[0])]
    best = 0.0
    for run in range(RUNS):
        records = RecordBatch(batch(1_000_000 + run, count))
        began = time.perf_counter()
        with_signals(records, names)
        best = max(best, count / (time.perf_counter() - began))
    print(f"{len(names)} together{'':<16}{best:>18,.0f}   ({', '.join(names)})")


if __name__ == "__main__":
    main()
