"""The guard beside presidio: quality by type, speed, latency, and three hundred attempts to get past it.

Run ``make bench-guard`` (``ARGS="--only pii"`` for one part, ``--data DIR`` for sets that are not shipped).
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.guard import heldout, latency, pii, redteam
from detectors import SIGNALS
from detectors.scan import PUBLIC, injection, profanity, scan, secrets
from detectors.scan import pii as personal

OTHERS = ("secrets", "profanity", "injection")
SHIPPED = Path(__file__).parent.parent / "data"
HELD_OUT = "formats of 32 countries in own sentences, half of them look-alikes"
PII_SETS = ("pii_synth_v2", "pii_generated_large")


def find(name: str, folder: Path) -> Path | None:
    """Return where a set is, or say loudly that it is absent."""
    for place in (folder / name, SHIPPED / name):
        if place.exists():
            return place
    print(f"\n!! ABSENT: {name} is not shipped and not in {folder}; give its folder with --data DIR. NOT MEASURED.")
    return None


def pii_quality(folder: Path) -> None:
    from benchmarks.guard import peers

    analyse = peers.presidio()
    for name in PII_SETS:
        path = find(f"{name}.dev.jsonl.gz", folder)
        if path:
            data = pii.rows(path)
            ours = [[(span.type, span.start, span.end, 1.0) for span in scan(text, ("pii",))] for text, _ in data]
            print(f"\n{pii.table(name, data, ours, [analyse(text) for text, _ in data])}")
    data = heldout.rows()
    ours = [[(span.type, span.start, span.end, 1.0) for span in scan(text, ("pii",))] for text, _ in data]
    print(f"\n{pii.table(HELD_OUT, data, ours, [analyse(text) for text, _ in data])}")
    print("\nA hit shares at least half of what finding and gold cover together. DATE_TIME's gold holds week days and")
    print("years, which neither side looks for; names, places and organisations need a model and are not compared.")


def speed() -> None:
    from benchmarks.guard import peers

    analyse = peers.presidio()
    for items in (5, 1):
        texts = pii.sample_texts(4000, seed=1, items=items)
        theirs = pii.rate(analyse, texts[:400], repeats=3)
        rates = {
            "driftd PII, as a signal (disguises and encodings too)": pii.signal_rate(SIGNALS["pii"], texts),
            "driftd PII, the rules alone": pii.rate(personal.scan, texts),
            **{f"driftd {name}, as a signal": pii.signal_rate(SIGNALS[name], texts) for name in OTHERS},
            "presidio, predefined pattern recognisers": theirs,
        }
        print(f"\nRecords a second on one core, 500 characters, every fourth with {items} items of personal data:")
        for name, value in rates.items():
            print(f"  {name:55s} {value:>10,.0f}   {value / theirs:>6.0f} x presidio")
    print("\nThe PII signal against presidio by density, both in turn on the same texts:")
    for items, every in ((0, 1), (1, 4), (1, 1), (2, 1), (3, 1), (5, 4), (5, 1)):
        texts = pii.sample_texts(2000, seed=3, items=items, every=every)
        ratio = pii.times_as_fast(SIGNALS["pii"], texts, analyse)
        print(f"  {items} items in {'every text' if every == 1 else 'every fourth text':20s} {ratio:>6.0f} x presidio")


def labelled(title: str, texts: pd.Series, labels: pd.Series, flag: Callable[[str], bool]) -> None:
    """Print precision, recall, F1 and the false alarm rate of a yes-or-no scanner."""
    begun = time.perf_counter()
    said = texts.map(flag).astype(bool)
    took = time.perf_counter() - begun
    truth = labels == 1
    hits, alarms, gaps = int((said & truth).sum()), int((said & ~truth).sum()), int((~said & truth).sum())
    print(
        f"  {title:58s} P {hits / max(1, hits + alarms):.3f}  R {hits / max(1, hits + gaps):.3f}  "
        f"F1 {2 * hits / max(1, 2 * hits + alarms + gaps):.3f}  false alarms {alarms}/{int((~truth).sum())}  "
        f"({len(texts) / took:,.0f} texts/s)"
    )


def ordinary_texts(fields: tuple[str, ...] = ("response", "context", "question")) -> pd.Series:
    """Return what people and models say and read in the shipped dialogue sets, each text once."""
    texts: dict[str, None] = {}
    for name in ("begin_wow", "begin_cmu", "begin_tc", "q2_wow"):
        with gzip.open(SHIPPED / f"{name}.dev.jsonl.gz", "rt", encoding="utf-8") as lines:
            for record in map(json.loads, lines):
                texts.update(dict.fromkeys(str(record.get(field) or "") for field in fields))
    return pd.Series([text for text in texts if text])


def other_scanners(folder: Path) -> None:
    print("\nYes-or-no scanners on labelled texts:")
    path = find("secrets_gitleaks.dev.parquet", folder)
    if path:
        data = pd.read_parquet(path)
        labelled(
            "secrets: gitleaks' own examples and near misses", data.text, data.label, lambda t: bool(secrets.scan(t))
        )
    path = find("injection_bipia.dev.parquet", folder)
    if path:
        data = pd.read_parquet(path)
        labelled("injection phrases: BIPIA contexts", data.context, data.label, lambda t: bool(injection.scan(t)))
        labelled(
            "embedded_instruction: BIPIA contexts", data.context, data.label, lambda t: bool(injection.find_embedded(t))
        )
        for task, part in data.groupby("task"):
            labelled(f"  of these, {task}", part.context, part.label, lambda t: bool(injection.find_embedded(t)))
    ordinary, contexts = ordinary_texts(), ordinary_texts(("context",))
    never, nowhere = pd.Series([0] * len(ordinary)), pd.Series([0] * len(contexts))
    labelled("injection: ordinary answers and contexts", ordinary, never, lambda t: bool(scan(t, ("injection",))))
    labelled("embedded_instruction: ordinary contexts", contexts, nowhere, lambda t: bool(injection.find_embedded(t)))
    labelled("secrets: the same", ordinary, never, lambda t: bool(scan(t, ("secrets",))))
    path = find("jailbreak.dev.parquet", folder)
    if path:
        data = pd.read_parquet(path)
        labelled("injection: jailbreaks in the wild (smoke)", data.text, data.label, lambda t: bool(injection.scan(t)))
    path = find("offensive.dev.parquet", folder)
    if path:
        data = pd.read_parquet(path)
        labelled("profanity: tweets sampled by a lexicon", data.text, data.label, lambda t: bool(profanity.scan(t)))
        labelled("profanity, English list only", data.text, data.label, lambda t: bool(profanity.scan(t, ("en",))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["pii", "speed", "latency", "others", "redteam"], help="one part of it")
    parser.add_argument("--data", type=Path, default=SHIPPED, help="where sets lie that are not shipped")
    options = parser.parse_args()
    parts: dict[str, tuple[str, Callable[[], object]]] = {
        "pii": ("Personal data by type", lambda: pii_quality(options.data)),
        "speed": ("Speed", speed),
        "latency": ("Latency of the guard", latency.report),
        "others": ("Secrets, injection, profanity", lambda: other_scanners(options.data)),
        "redteam": ("Red team", lambda: print("\n" + redteam.table())),
    }
    print(f"Types that are counted but not acted on unless named: {', '.join(sorted(PUBLIC))}.")
    for name, (title, run) in parts.items():
        if options.only in (None, name):
            print(f"\n## {title}")
            run()


if __name__ == "__main__":
    main()
