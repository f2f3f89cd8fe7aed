"""Workers: processes that end by themselves when a request takes too much, and know nothing that they need not know."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.core import worker_child, worker_pool
from monitor.core.worker_pool import WorkerLost, WorkerPool, WorkerSpec
from tests.support.process import eventually

ODD = "tests.support.odd_worker"


def ask(*bodies: bytes, memory: int = 0, seconds: float = 20.0, cpu: float = 0.0) -> list[str]:
    """Return the replies of a pool of one worker, or why there was none."""

    async def each() -> list[str]:
        pool, replies = WorkerPool(WorkerSpec(ODD, b">", memory), 1), []
        for body in bodies:
            try:
                async with pool.lend(5) as worker:
                    replies.append((await worker.ask(body, seconds if body == b"sleep" else 20.0, cpu)).decode())
            except WorkerLost as lost:
                replies.append(lost.reason)
        return replies

    return asyncio.run(each())


def test_what_exceeds_a_limit_or_crashes_is_replaced() -> None:
    """The kernel ends the first, as neither a thread nor a signal handler of Python could."""
    assert ask(b"a", b"never end", b"b", b"crash", b"c", cpu=0.2) == [">a", "timeout", ">b", "crash", ">c"]


def test_what_waits_for_ever_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "GRACE_SECONDS", 0.1)
    assert ask(b"a", b"sleep", b"b", seconds=0.1) == [">a", "timeout", ">b"]


def test_memory_is_limited() -> None:
    assert ask(b"eat", b"a", memory=1 << 30) == ["memory", ">a"]


def test_a_worker_has_no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRIFTD_TOKEN", "secret")
    with (tmp_path / "log").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        environment, files = json.loads(ask(b"environment")[0])
    assert set(environment) <= {"LC_ALL", "OMP_NUM_THREADS", "PYTHONPATH", "LC_CTYPE"}
    assert len(files) <= 5  # the three of every process, the socket, and the list itself


@pytest.mark.parametrize(("cores", "yields", "expected"), [(2, True, os.SCHED_IDLE), (2, False, 0), (1, True, 0)])
def test_a_worker_leaves_its_core_to_others(
    cores: int, yields: bool, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = [0]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores))
    monkeypatch.setattr(os, "sched_setscheduler", lambda _, policy, __: calls.append(policy))
    monkeypatch.setattr(os, "nice", lambda _: None)
    worker_child.yield_cpu(always=yields)
    assert calls[-1] == expected


def test_a_worker_of_a_killed_daemon_ends_by_itself() -> None:
    """Even in the middle of a request that would take for ever."""
    code = (
        "import asyncio\n"
        "from monitor.core.worker_pool import Worker, WorkerSpec\n"
        "async def main():\n"
        f"    worker = Worker(WorkerSpec({ODD!r}))\n"
        "    await worker.ask(b'a', 20)\n"
        "    print(worker.process.pid, flush=True)\n"
        "    await worker.ask(b'never end', 0.2)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        worker = int(daemon.stdout.readline())
        daemon.send_signal(signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{worker}").exists() or "Z" in _state(worker), 20, "the worker to end")


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
