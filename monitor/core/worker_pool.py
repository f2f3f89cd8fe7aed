"""Processes for work on texts that strangers write, so that no text delays, blocks or ends the daemon.

A worker answers one request at a time. If it exceeds a limit or ends, it is replaced. It gets neither the environment
nor an open file of the daemon, so it knows no secret but those of its setup and its requests.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from monitor.core.worker_child import GRACE_SECONDS, OUT_OF_MEMORY, REPLY, REQUEST

LossReason = Literal["timeout", "memory", "crash"]


class WorkerLost(Exception):  # noqa: N818
    """The worker exceeded a limit or ended during a request. SIGKILL counts as ``memory``."""

    def __init__(self, reason: LossReason) -> None:
        super().__init__(f"The process of a worker was lost: {reason}.")
        self.reason = reason


@dataclass(frozen=True)
class WorkerSpec:
    """How the workers of a pool are started.

    Parameters
    ----------
    module
        Run as a program; it calls :func:`monitor.core.worker_child.serve`.
    setup
        Passed to each worker at its start.
    memory
        Largest number of bytes of data of a worker; 0 without a limit.
    yields
        Whether a worker leaves its core at once to any other process that needs it; else it has a lower priority only.
    """

    module: str
    setup: bytes = b""
    memory: int = 0
    yields: bool = False


class WorkerPool:
    """A fixed number of workers for one event loop; each is started when it is first needed."""

    def __init__(self, spec: WorkerSpec, size: int) -> None:
        self._spec = spec
        self._idle: asyncio.LifoQueue[Worker | None] = asyncio.LifoQueue()  # so that a started one is used first
        for _ in range(size):
            self._idle.put_nowait(None)

    def close(self) -> None:
        """End the idle workers."""
        while not self._idle.empty():
            if worker := self._idle.get_nowait():
                worker.kill()

    @asynccontextmanager
    async def lend(self, seconds: float) -> AsyncIterator[Worker]:
        """Lend a worker; if the block raises, it is ended, and another one is started when it is needed.

        Raises
        ------
        TimeoutError
            When no worker is free within ``seconds``.
        """
        async with asyncio.timeout(seconds):
            worker = await self._idle.get()
        try:
            if worker is None:
                worker = await asyncio.to_thread(Worker, self._spec)
            yield worker
        except BaseException:  # also of a cancelled request, whose reply the next request would get
            if worker is not None:
                worker.kill()
            worker = None
            raise
        finally:
            self._idle.put_nowait(worker)


class Worker:
    """One process, and the socket to it. ``prepared`` is for its users: what it needs not be told again."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._socket, other = socket.socketpair()
        environment = {
            "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        with other:
            options = [str(other.fileno()), str(spec.memory), str(int(spec.yields))]
            command = [sys.executable, "-m", spec.module, *options]
            self.process = subprocess.Popen(  # noqa: S603
                command, pass_fds=[other.fileno()], stdin=subprocess.DEVNULL, env=environment
            )
        self.kill = weakref.finalize(self, _kill, self._socket, self.process)
        """Ends the process, whatever it does; also called when nobody refers to this object any more."""
        self.prepared: set[str] = set()
        self._socket.sendall(REPLY.pack(len(spec.setup)) + spec.setup)
        self._socket.setblocking(False)

    async def ask(self, body: bytes, seconds: float, cpu_seconds: float = 0.0) -> bytes:
        """Send a request and return the reply.

        Parameters
        ----------
        seconds, cpu_seconds
            Limits of the real time and of the CPU time; 0 CPU seconds is no limit.

        Raises
        ------
        WorkerLost
            When the worker exceeds a limit or ends.
        """
        head = REQUEST.pack(len(body), max(0.0, seconds), cpu_seconds)
        try:
            async with asyncio.timeout(max(0.0, seconds) + GRACE_SECONDS):
                await asyncio.get_running_loop().sock_sendall(self._socket, head + body)
                return await self._receive(*REPLY.unpack(await self._receive(REPLY.size)))
        except TimeoutError:
            raise WorkerLost("timeout") from None
        except OSError:
            raise WorkerLost(self._find_reason()) from None

    async def _receive(self, length: int) -> bytes:
        loop, parts = asyncio.get_running_loop(), bytearray()
        while len(parts) < length:
            part = await loop.sock_recv(self._socket, min(length - len(parts), 1 << 20))
            if not part:
                raise WorkerLost(self._find_reason())
            parts += part
        return bytes(parts)

    def _find_reason(self) -> LossReason:
        """Return why the process has closed its socket, which it does last."""
        self.kill()
        code = -self.process.returncode
        if code in (signal.SIGPROF, signal.SIGALRM):
            return "timeout"
        return "memory" if code in (signal.SIGKILL, -OUT_OF_MEMORY) else "crash"


def _kill(connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
    connection.close()
    process.kill()
    process.wait()
