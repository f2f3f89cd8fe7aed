"""Hostile texts and files: `make bench-hostile`.

1. Records: texts that are the worst case of every pattern of the product, repeats of separators, escapes, deep JSON and
   ten megabytes, each by itself through all signals of texts in the workers of the daemon. How much CPU time does the
   slowest take, and how many are quarantined?
2. The daemon: `driftd run` with one monitor whose log is these texts, logged within a minute, and two calm monitors.
   How late are the buckets of the calm ones, before and meanwhile, how much memory do daemon and workers take, and does
   every bucket of the hostile monitor complete?
3. Files: bombs of YAML, gzip, Parquet and JSON, given to the commands that read such files.

Ends with 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np

from benchmarks.detection.tables import table
from detectors import SIGNALS
from detectors.records import Column
from monitor.profiling.signal_workers import MEMORY, RECORD_SECONDS, SignalWorkers
from monitor.profiling.signals import QUARANTINED
from tests.support import hostile
from tests.support.process import eventually, free_port, running

COMMAND = [sys.executable, "-c", "from monitor.cli import main; main()"]
ROLES = ("response", "question", "context", "samples", "logprobs", "finish_reason", "feedback")
OPTIONS = ("json_schema", "matches", "entailment")
NAMES = [name for name, one in SIGNALS.items() if set(one.needs) <= set(ROLES) and name not in OPTIONS]
LENGTHS = (1_000, 5_000, 20_000)
LARGE = ("a" * 10_000_000, "I cannot help, perhaps. " * 400_000, "\\u0041" * 1_600_000, '{"a":' * 2_000_000)
STEP = 5.0
"""Seconds of a bucket."""
SPREAD = 60.0
"""Seconds within which the hostile texts are logged."""
CALM = ("calm", "calm-signals")
MOST_DELAY, MOST_MEMORY, MOST_SECONDS = STEP, 1 << 30, 10.0
"""Goals: delay of a calm bucket, memory of the daemon and of a command, seconds of a command."""


def make_texts(count: int, seed: int) -> list[str]:
    """Return the large texts, and others drawn at random: of each shape and each kind, in several lengths."""
    made: list[str] = []
    for again in itertools.count(seed):
        made += (shape.text(length) for shape in hostile.shapes(again) for length in LENGTHS)
        made += (text for length in LENGTHS for _, text in hostile.texts(length, again))
        if len(made) >= count:
            break
    chosen = random.Random(seed).sample(made, count - len(LARGE))
    return [text.encode("utf-8", "replace").decode() for text in (*LARGE, *chosen)]


def show(text: str) -> str:
    """Return the beginning of a text for a table."""
    return f"{ascii(text[:40])} … {len(text)} code points"


def records(texts: list[str]) -> bool:
    """Evaluate each text by itself."""
    workers, taken, reasons = SignalWorkers(), [], Counter[str]()
    for text in texts:
        given = {role: Column.of([text[:200_000]]) for role in ROLES}
        before = cpu_seconds()
        columns = workers(NAMES, given)
        taken.append(cpu_seconds() - before)
        if QUARANTINED in columns:
            reasons[str(columns[QUARANTINED].values[0])] += 1
    workers.close()
    slowest = np.argsort(taken)[::-1][:5]
    rows = [[f"{taken[place]:.2f}", show(texts[place])] for place in slowest]
    print(table([f"CPU s of {len(NAMES)} signals", "the slowest records"], rows))
    quantiles = ", ".join(f"{value * 1000:.0f} ms" for value in np.quantile(taken[1:], [0.5, 0.99]))
    print(f"{len(texts)} texts; median and 99th percentile: {quantiles}; quarantined: {dict(reasons) or 0}\n")
    return max(taken[1:]) <= RECORD_SECONDS + 1  # the first includes the start of a worker


def cpu_seconds() -> float:
    """Return the CPU time of the children of this process, ended or not."""
    ended = os.times()
    alive = sum(cpu_of(child) for child in children(os.getpid()))
    return ended.children_user + ended.children_system + alive


def cpu_of(process: int) -> float:
    with suppress(OSError):
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
    return 0.0


def children(process: int) -> list[int]:
    """Return the ids of the children of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == process:
                found.append(int(stat.parent.name))
    return found


class Memory:
    """The peak resident memory of a process and of each of its children, by what they run."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._ending = threading.Event()
        self.peaks: dict[str, int] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ending.wait(0.2):
            for process in (self._process, *children(self._process)):
                with suppress(OSError, AttributeError):
                    modules = re.findall(rb"monitor[\w.]+", Path(f"/proc/{process}/cmdline").read_bytes())
                    name = "main" if process == self._process else modules[-1].decode() if modules else "other"
                    peak = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1]) * 1024
                    self.peaks[name] = max(peak, self.peaks.get(name, 0))


def configure(folder: Path, port: int) -> None:
    columns = {"timestamp": "at", "id": "id", **{role: role for role in ROLES}}
    common = {"bucket": f"{STEP:g}s", "window": "30s", "settle": "1s", "start": datetime.now(UTC).isoformat()}
    monitors = [
        {**common, "name": name, "source": {"url": f"sqlite:///{folder}/{name}.db", "table": "log", "columns": columns}}
        for name in (*CALM, "hostile")
    ]
    monitors[1]["signals"], monitors[2]["signals"] = ["refusal", "response_words"], NAMES
    for monitor in monitors:
        with closing(sqlite3.connect(folder / f"{monitor['name']}.db", isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"CREATE TABLE log (id INTEGER PRIMARY KEY, at TEXT, {' TEXT, '.join(ROLES)} TEXT)")
            connection.execute("CREATE INDEX by_time ON log (at)")
    settings = {
        "store": f"sqlite:///{folder}/driftd.db",
        "server": {"listen": f"127.0.0.1:{port}"},
        "monitors": monitors,
    }
    (folder / "driftd.yaml").write_text(json.dumps(settings))


def write(folder: Path, name: str, texts: list[str]) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    marks = ", ".join("?" * (1 + len(ROLES)))
    with closing(sqlite3.connect(folder / f"{name}.db", isolation_level=None, timeout=30)) as connection:
        rows = [(now, *(text for _ in ROLES)) for text in texts]
        connection.executemany(f"INSERT INTO log (at, {', '.join(ROLES)}) VALUES ({marks})", rows)


def daemon(folder: Path, texts: list[str]) -> bool:
    """Run the daemon while the texts are logged, until it has computed all their buckets."""
    port = free_port()
    configure(folder, port)
    with running([*COMMAND, "run"], log=folder / "log", env={"DRIFTD_CONFIG": str(folder / "driftd.yaml")}) as process:
        eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200, 60, "the start")
        memory, began = Memory(process.pid), time.monotonic()
        phases = [datetime.now(UTC)]
        log_calmly(folder, 6 * STEP)
        phases.append(datetime.now(UTC))
        sent = 0
        while sent < len(texts):
            due = min(len(texts), 1 + int(len(texts) * (time.monotonic() - began - 6 * STEP) / SPREAD))
            write(folder, "hostile", texts[sent:due])
            sent = due
            log_calmly(folder, 1.0)
        last = datetime.now(UTC)
        while newest(folder, "hostile") < last - timedelta(seconds=STEP) and time.monotonic() - began < 3600:
            log_calmly(folder, 1.0)
        late = time.monotonic() - began - 6 * STEP - SPREAD
        log_calmly(folder, 2 * STEP)
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        memory.stop()
    return report(folder, phases, memory, metrics, late)


def log_calmly(folder: Path, seconds: float) -> None:
    """Log ordinary records of the calm monitors for some seconds."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for name in CALM:
            write(folder, name, [hostile.ORDINARY] * 5)
        time.sleep(min(0.25, max(0.0, ends - time.monotonic())))


def rows_of(folder: Path, monitor: str) -> list[tuple[datetime, datetime | None, str | None]]:
    """Return start, end of the computation and result of the buckets of a monitor."""
    with closing(sqlite3.connect(f"file:{folder}/driftd.db?mode=ro", uri=True, timeout=30)) as connection:
        query = "SELECT start, finished_at, result FROM buckets WHERE monitor = ? ORDER BY start"
        return [
            (moment(start), moment(at) if at else None, why) for start, at, why in connection.execute(query, (monitor,))
        ]


def moment(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def newest(folder: Path, monitor: str) -> datetime:
    ends = [start for start, at, _ in rows_of(folder, monitor) if at]
    return max(ends, default=datetime.min.replace(tzinfo=UTC))


def report(folder: Path, phases: list[datetime], memory: Memory, metrics: str, late: float) -> bool:
    rows, worst = [], 0.0
    for name in CALM:
        ended = [(start, at) for start, at, _ in rows_of(folder, name) if at is not None]
        delays = [(start, (at - start).total_seconds() - STEP - 1.0) for start, at in ended]
        before = [delay for start, delay in delays if phases[0] <= start < phases[1]]
        meanwhile = [delay for start, delay in delays if start >= phases[1]]
        worst = max(worst, *meanwhile)
        figures = [np.median(before), max(before), np.median(meanwhile), np.quantile(meanwhile, 0.99), max(meanwhile)]
        rows.append([name, *(f"{figure:.2f}" for figure in figures)])
    print(table(["monitor", "before p50 s", "max s", "meanwhile p50 s", "p99 s", "max s"], rows))
    print(f"delay of buckets of {STEP:g} s of calm monitors, beyond `settle`\n")
    print(table(["process", "peak MB"], [[name, f"{peak / 1e6:.0f}"] for name, peak in sorted(memory.peaks.items())]))
    results = Counter(str(result) for _, at, result in rows_of(folder, "hostile") if at)
    quarantined = re.findall(r'driftd_quarantined_records_total\{monitor="hostile",reason="(\w+)"\} ([\d.]+)', metrics)
    print(f"buckets of the hostile monitor: {dict(results)}, the last {late:.0f} s after its texts were logged")
    print(f"quarantined: {dict(quarantined) or 0}\n")
    workers = memory.peaks.get("monitor.profiling.signal_workers", 0)
    return worst <= MOST_DELAY and memory.peaks["main"] <= MOST_MEMORY and workers <= MEMORY and "failed" not in results


def bombs(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Write bombs; yield what each is, and the command that reads it."""
    import pyarrow as pa
    from pyarrow import parquet

    def configuration(name: str, text: str) -> list[str]:
        (folder / name).write_text(text)
        return ["config", "check", "--config", str(folder / name)]

    lists = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))
    yield "YAML, 10^11 values by aliases", configuration("aliases.yaml", f"a0: &a0 [x]\n{lists}\n")
    yield "YAML, 10^5 levels", configuration("levels.yaml", "monitors: " + "[" * 100_000)
    yield "YAML, 50 MB", configuration("long.yaml", "# comment\n" * 5_000_000)
    with gzip.open(folder / "zeros.jsonl.gz", "wb", 9) as file:
        for _ in range(200):
            file.write(b'{"response": "' + b"0" * 10_000_000 + b'"}\n')
    yield "gzip, 2 GB in 2 MB", ["score", str(folder / "zeros.jsonl.gz"), "--signals", "response_words", "--quiet"]
    with gzip.open(folder / "line.jsonl.gz", "wb", 9) as file:
        for _ in range(200):
            file.write(b"0" * 10_000_000)
    yield "gzip, one line of 2 GB", ["score", str(folder / "line.jsonl.gz"), "--signals", "response_words", "--quiet"]
    (folder / "deep.jsonl").write_text(("[" * 1_000_000 + "\n") * 5 + '{"a":' * 1_000_000 + "\n")
    yield "JSON, 10^6 levels", ["score", str(folder / "deep.jsonl"), "--signals", "response_words", "--quiet"]
    same = pa.table({"response": pa.array(["x" * 1000] * 1_000_000).dictionary_encode()})
    with parquet.ParquetWriter(folder / "same.parquet", same.schema) as writer:
        for _ in range(20):
            writer.write_table(same)
    yield "Parquet, 20 GB in 1 MB", ["guard", str(folder / "same.parquet"), "--quiet"]
    source = f"sqlite:///{folder}/import.db"
    yield "Parquet, 20 GB in 1 MB, imported", ["import", str(folder / "same.parquet"), "--to", source, "--table", "t"]


def files(folder: Path) -> bool:
    """Let commands read bombs; each is stopped after some seconds, since what is long need not be wrong."""
    rows, good = [], True
    for name, arguments in bombs(folder):
        began, output = time.monotonic(), folder / "output"
        with output.open("wb") as out:
            process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=out, cwd=folder)
            memory = Memory(process.pid)
            with suppress(subprocess.TimeoutExpired):
                process.wait(MOST_SECONDS)
            outcome = "still reads" if process.poll() is None else f"exit code {process.returncode}"
            memory.stop()
            process.kill()
            process.wait()
        said = output.read_text(errors="replace").strip().splitlines()[-1:] or [""]
        good = good and memory.peaks["main"] <= MOST_MEMORY and "Traceback" not in output.read_text(errors="replace")
        seconds, size = f"{time.monotonic() - began:.1f}", f"{memory.peaks['main'] / 1e6:.0f}"
        rows.append([name, arguments[0], seconds, size, outcome, said[0].split(": ", 1)[-1][:70]])
    print(table(["file", "command", "s", "peak MB", "after at most 10 s", "message"], rows))
    return good


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hostile-", dir="/tmp") as name:
        yield Path(name)


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that are asked for; 1 when one does not reach its goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["records", "daemon", "files"])
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    texts = make_texts(chosen.texts, chosen.seed) if chosen.only != "files" else []
    parts = {"records": lambda _: records(texts), "daemon": lambda folder: daemon(folder, texts), "files": files}
    held = True
    for name, part in parts.items():
        if chosen.only in (None, name):
            with scratch() as folder:
                kept = part(folder)
            print(f"{name}: the goals are reached: {'yes' if kept else 'NO'}\n")
            held = held and kept
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
