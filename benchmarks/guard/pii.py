"""PII by type: precision, recall and F1 beside presidio, and records a second."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.guard.peers import TYPES, Found
from detectors.records import Column
from detectors.signals.base import Signal

Spans = list[tuple[str, int, int]]


WORDS = (
    "the customer wrote that delivery was late again and asked for a refund of order placed last week because "
    "nobody answered while support team promised to look into it before end of month thanks"
)


def rows(path: Path) -> list[tuple[str, Spans]]:
    """Read texts and gold spans."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return [(r["text"], [(kind, start, end) for start, end, kind, *_ in r["spans"]]) for r in records]


def matched(gold: Spans, found: Spans) -> int:
    """Count pairs that share at least half of what both cover; each span is used once."""
    left = list(found)
    hits = 0
    for _, start, end in gold:
        for span in left:
            both = min(end, span[2]) - max(start, span[1])
            if both > 0 and 2 * both >= max(end, span[2]) - min(start, span[1]):
                left.remove(span)
                hits += 1
                break
    return hits


def score(
    data: Iterable[tuple[str, Spans]], found: list[Found], side: int, least: float = 0.0
) -> dict[str, tuple[int, int, int]]:
    """Return hits, findings and gold spans of every type."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for (_, gold), spans in zip(data, found, strict=True):
        for kind, names in TYPES.items():
            wanted = [span for span in gold if span[0] == kind]
            given = [(t, a, b) for t, a, b, s in spans if t in names[side] and s >= least]
            counts[kind][0] += matched(wanted, given)
            counts[kind][1] += len(given)
            counts[kind][2] += len(wanted)
    return {kind: (h, f, g) for kind, (h, f, g) in counts.items()}


def f1(hits: int, found: int, gold: int) -> float:
    return 2 * hits / (found + gold) if found + gold else 0.0


def table(name: str, data: list[tuple[str, Spans]], ours: list[Found], theirs: list[Found] | None) -> str:
    """Compare both sides by type and over all types."""
    mine = score(data, ours, 0)
    sides = {"driftd": mine}
    if theirs is not None:
        sides["presidio"] = score(data, theirs, 1)
        sides["presidio, score >= 0.4"] = score(data, theirs, 1, 0.4)
    lines = [f"### {name}: {len(data)} texts", ""]
    lines.append("| type | gold | " + " | ".join(f"{side}: P / R / F1" for side in sides) + " |")
    lines.append("|---|---|" + "---|" * len(sides))
    for kind in [*TYPES, "micro"]:
        cells = []
        for counts in sides.values():
            h, f, g = (sum(c) for c in zip(*counts.values(), strict=True)) if kind == "micro" else counts[kind]
            cells.append(f"{h / f if f else 0:.3f} / {h / g if g else 0:.3f} / **{f1(h, f, g):.3f}**")
        gold = sum(c[2] for c in mine.values()) if kind == "micro" else mine[kind][2]
        lines.append(f"| {kind} | {gold} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sample_texts(count: int, seed: int, *, items: int = 5, every: int = 4) -> list[str]:
    """Make texts of 500 characters, one of ``every`` with so many items of personal data, drawn anew for each."""
    rng = random.Random(seed)
    words = WORDS.split()
    texts = []
    for place in range(count):
        text = " ".join(rng.choice(words) for _ in range(110))
        if items and place % every == 0:
            at = rng.randrange(50, 300)
            text = f"{text[:at]} {_personal(rng, items)} {text[at:]}"
        texts.append(text[:500])
    return texts


def _personal(rng: random.Random, items: int) -> str:
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    doubled = [d if place % 2 else (d * 2 - 9 * (d > 4)) for place, d in enumerate(digits)]
    card = "".join(map(str, digits)) + str(-sum(doubled) % 10)
    every = [
        f"Contact jane.doe{rng.randrange(10**6)}@example.com",
        f"call +1 212-555-{rng.randrange(10**4):04d}",
        f"card {card[:4]} {card[4:8]} {card[8:12]} {card[12:]}",
        f"ip 10.{rng.randrange(256)}.0.{rng.randrange(256)}",
        "iban GB82WEST12345698765432.",
    ]
    return ", ".join(every if items >= len(every) else rng.sample(every, items))


def signal_rate(signal: Signal, texts: list[str]) -> float:
    """Return records a second of a signal that gets all texts at once, as the daemon gives them."""
    records = {"response": Column.of(texts)}
    return len(texts) * rate(lambda _text: signal.compute(records), texts[:1])


def times_as_fast(signal: Signal, texts: list[str], peer: Callable[[str], object], runs: int = 5) -> float:
    """Return how many texts the signal reads while the peer reads one: the median of runs in turn."""
    records = {"response": Column.of(texts)}
    signal.compute(records)
    peer(texts[0])
    ratios = []
    for run in range(runs):
        some = texts[run * 40 : run * 40 + 40]
        begun = time.process_time()
        for text in some:
            peer(text)
        theirs = (time.process_time() - begun) / len(some)
        begun = time.process_time()
        signal.compute(records)
        ratios.append(theirs * len(texts) / (time.process_time() - begun))
    return sorted(ratios)[runs // 2]


def rate(scan: Callable[[str], object], texts: list[str], repeats: int = 3) -> float:
    """Return records a second of processor time, the median of some runs: others may use the machine too."""
    scan(texts[0])
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        for text in texts:
            scan(text)
        times.append(time.process_time() - begun)
    return len(texts) / sorted(times)[len(times) // 2]
