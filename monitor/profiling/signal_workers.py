"""Evaluate signals in workers: a record whose texts take too much time or memory, or crash a library, is quarantined.

Records are sent in chunks. If a worker is lost or a signal fails, the records of the chunk are evaluated one by one,
and those that fail again have no signals; all their other columns are counted, and the bucket completes.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from detectors.records import Column, Records, row_count, take
from monitor.config.signals import Entry, resolve
from monitor.core.plain import find_place
from monitor.core.worker_child import Answer, serve
from monitor.core.worker_pool import Worker, WorkerLost, WorkerPool, WorkerSpec
from monitor.profiling.signals import QUARANTINED, TOGETHER, evaluate_chunk, evaluating_by

LOG = structlog.get_logger(__name__)
WORKERS = 2
RECORD_SECONDS = 5.0
"""Limit of the CPU time of a record; of a chunk twice as much."""
REAL_SECONDS = 120.0
"""Limit of the real time of a chunk, for signals that wait. On a busy machine it is much longer than the CPU time."""
QUEUE_SECONDS = 1200.0
"""Limit of the wait for a free worker."""
MEMORY, LEAST_MEMORY = 2 << 30, 512 << 20
"""Limit of the data of a worker, in bytes; in a container half of its memory, and at least the second."""
CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
FIRST_CHUNK = 32
CHUNK_SECONDS = 1.0
"""Time that a chunk should take at most; after one that took longer, half as many records are sent."""
MOST_FAILED = 16
"""Records of a chunk that are quarantined one by one; the rest of the chunk then is without a try."""
ORDINARY = "The shop was opened in Paris in 1999. It sold bread."
"""Read by all signals of a new worker, so that they load their data and models before a time limit applies."""

FAILED = b"failed: "
"""Begins a reply that has no columns."""

Part = dict[str, Column] | str
"""The columns of a chunk, or the reason why its only record has none."""


class SignalsUnavailable(Exception):  # noqa: N818
    """The workers cannot evaluate the configured signals of any record."""


class SignalWorkers:
    """Evaluates signals in workers; may be used by several threads, one chunk of each at a time.

    Parameters
    ----------
    seconds
        Limit of the CPU time of a record.
    memory
        Limit of the data of a worker, in bytes.
    module
        Run by the workers.
    """

    def __init__(self, seconds: float = RECORD_SECONDS, memory: int = MEMORY, module: str = __name__) -> None:
        self._seconds = seconds
        self._pool = WorkerPool(WorkerSpec(module, memory=memory), WORKERS)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="signals", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the idle workers; those at work end with this process."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1)
        self._pool.close()
        if not self._thread.is_alive():
            self._loop.close()

    def __call__(self, entries: Sequence[Entry], records: Records) -> Records:
        """Evaluate signals, in chunks."""
        rows, start, size = row_count(records), 0, FIRST_CHUNK
        parts: list[tuple[int, Part]] = []
        while start < rows:
            chunk = take(records, np.arange(start, min(start + size, rows)))
            began = time.monotonic()
            parts += self._evaluate(entries, chunk)
            start += size
            size = max(1, size // 2) if time.monotonic() - began > CHUNK_SECONDS else min(2 * size, TOGETHER)
        return _join(entries, parts)

    def _evaluate(self, entries: Sequence[Entry], chunk: Records) -> list[tuple[int, Part]]:
        """Evaluate a chunk at once, or else its records one by one; return parts with their numbers of rows."""
        rows = row_count(chunk)
        part = self._try(entries, chunk, 2 * self._seconds)
        if not isinstance(part, str):
            return [(rows, part)]
        parts: list[tuple[int, Part]] = []
        failed: Counter[str] = Counter()
        for row in range(rows):
            skipped = failed.total() >= MOST_FAILED
            part = "skipped" if skipped else self._try(entries, take(chunk, np.array([row])), self._seconds)
            parts.append((1, part))
            if isinstance(part, str):
                failed[part] += 1
        if failed:
            LOG.warning("records_quarantined", **failed)
        return parts

    def _try(self, entries: Sequence[Entry], chunk: Records, cpu_seconds: float) -> Part:
        asking = asyncio.run_coroutine_threadsafe(self._ask(entries, chunk, cpu_seconds), self._loop)
        try:
            reply = asking.result()
        except WorkerLost as lost:
            return lost.reason
        if reply.startswith(FAILED):
            LOG.warning("signal_failed", error=reply.removeprefix(FAILED).decode())
            return "error"
        return _unpack(reply)

    async def _ask(self, entries: Sequence[Entry], chunk: Records, cpu_seconds: float) -> bytes:
        async with self._pool.lend(QUEUE_SECONDS) as worker:
            await _prepare(worker, entries)
            return await worker.ask(pickle.dumps((entries, chunk)), REAL_SECONDS, cpu_seconds)


async def _prepare(worker: Worker, entries: Sequence[Entry]) -> None:
    """Let a worker load what the signals need, which may take long."""
    key = repr(entries)
    if key in worker.prepared:
        return
    try:
        ready = await worker.ask(pickle.dumps((entries, None)), REAL_SECONDS)
    except WorkerLost as lost:
        raise SignalsUnavailable(f"a worker could not load the signals: {lost.reason}.") from None
    if ready.startswith(FAILED):
        raise SignalsUnavailable(f"a worker could not load the signals: {ready.removeprefix(FAILED).decode()}.")
    worker.prepared.add(key)


def find_memory_limit() -> int:
    """Return the limit of the data of a worker, which a container must have room for beside the daemon."""
    for file in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # `max` is no limit
            return min(MEMORY, max(LEAST_MEMORY, int(Path(file).read_text("ascii")) // 2))
    return MEMORY


@contextmanager
def isolate_signals() -> Iterator[None]:
    """Evaluate the signals of this process in workers, which are started when they are first needed."""
    workers = SignalWorkers(memory=find_memory_limit())
    try:
        with evaluating_by(workers):
            yield
    finally:
        workers.close()


def _join(entries: Sequence[Entry], parts: Sequence[tuple[int, Part]]) -> dict[str, Column]:
    """Join the columns of consecutive parts; of records without columns all values are missing."""
    joined = {}
    for signal in resolve(entries):
        known = [part[signal.name].values for _, part in parts if not isinstance(part, str)]
        if not known and signal.kind == "vector":
            continue
        like = known[0] if known else np.empty(0, dtype=object if signal.kind == "categorical" else np.float64)
        columns = [_missing(like, rows) if isinstance(part, str) else part[signal.name] for rows, part in parts]
        values = np.concatenate([column.values for column in columns])
        joined[signal.name] = Column(values, np.concatenate([column.missing for column in columns]))
    reasons = [part if isinstance(part, str) else None for rows, part in parts for _ in range(rows)]
    return joined | ({QUARANTINED: Column.of(reasons)} if any(reasons) else {})


def _missing(like: np.ndarray, rows: int) -> Column:
    fill = None if like.dtype == object else np.nan
    return Column(np.full((rows, *like.shape[1:]), fill, dtype=like.dtype), np.ones(rows, dtype=bool))


def _pack(columns: Records) -> bytes:
    """Encode columns without pickle: what comes from a worker, which read hostile texts, must execute nothing."""
    head: list[tuple[str, tuple[int, ...] | None, int]] = []
    blobs = []
    for name, column in columns.items():
        is_number = column.values.dtype == np.float64
        blobs.append(column.values.tobytes() if is_number else json.dumps(column.values.tolist()).encode())
        head.append((name, column.values.shape if is_number else None, len(blobs[-1])))
        blobs.append(column.missing.tobytes())
    described = json.dumps([row_count(columns), head]).encode()
    return b"".join([len(described).to_bytes(4), described, *blobs])


def _unpack(data: bytes) -> dict[str, Column]:
    end = 4 + int.from_bytes(data[:4])
    rows, head = json.loads(data[4:end])
    columns = {}
    for name, shape, size in head:
        blob, missing = data[end : end + size], np.frombuffer(data, bool, rows, end + size).copy()
        end += size + rows
        if shape is None:
            columns[name] = Column(Column.of(json.loads(blob)).values, missing)
        else:
            columns[name] = Column(np.frombuffer(blob, np.float64).reshape(shape).copy(), missing)
    return columns


def make_answer(_setup: bytes) -> Answer:
    """Return the function that answers requests in a worker: to prepare for signals, or to evaluate them."""

    def answer(body: bytes, _ends: float) -> bytes:
        entries, records = pickle.loads(body)  # noqa: S301  of our own process
        try:
            if records is None:
                return _warm_up(entries)
            return _pack(evaluate_chunk(entries, records))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  a defect of a signal, or a file that is gone
            return FAILED + f"{type(error).__name__} at {find_place(error)}".encode("utf-8", "backslashreplace")

    return answer


def _warm_up(entries: Sequence[Entry]) -> bytes:
    roles: dict[str, Any] = {}
    for signal in resolve(entries):
        roles |= dict.fromkeys((*signal.needs, *signal.uses), Column.of([ORDINARY]))
    for signal in resolve(entries):
        with suppress(Exception):  # a number, for example, is no text
            signal.compute(roles)
    return b"ready"


if __name__ == "__main__":
    serve(make_answer)
