"""Processes that check the texts of the guard, so that no text delays breakers, health, metrics or pages.

A regular expression keeps the lock of the interpreter until it has ended: checked in this process, by a thread or by
the event loop, one hostile text of 8,000 characters delays every other answer by 50 ms.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress

from detectors.policy import Policy
from monitor.web.guard_answers import GuardAnswer, answer_request

WORKERS = 2
GRACE_SECONDS = 1.0
"""How long a worker may exceed the deadline of a request, for example within one text, before it is killed."""
NICE = 10
"""Lower priority than the rest of driftd, so that answers from memory come first on a busy machine."""
ORDER = struct.Struct(">Id")
"""Length of the body and seconds until the deadline."""
REPLY = struct.Struct(">HII")
"""Status, length of the body, and length of the note for the log."""


class WorkerLost(Exception):  # noqa: N818
    """The process of a worker ended during a request."""


class GuardWorkers:
    """A fixed number of processes; each is started when it is first needed and answers one request at a time.

    Parameters
    ----------
    policies
        The policies by name, which the processes know from their start.
    """

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = dict(policies)
        self._idle: asyncio.Queue[Worker | None] = asyncio.Queue()
        for _ in range(WORKERS):
            self._idle.put_nowait(None)

    async def answer(self, body: bytes, seconds: float) -> GuardAnswer:
        """Answer a request in a worker.

        Raises
        ------
        TimeoutError
            When no worker is free within ``seconds``, or the worker does not answer; it is then replaced.
        WorkerLost
            When the process of the worker ended; it is then replaced.
        """
        ends = time.monotonic() + seconds
        async with asyncio.timeout(seconds):
            worker = await self._idle.get()
        try:
            if worker is None:
                worker = await asyncio.to_thread(Worker, self._policies)
            async with asyncio.timeout(max(0.0, ends - time.monotonic()) + GRACE_SECONDS):
                return await worker.answer(body, ends - time.monotonic())
        except BaseException:  # also of a cancelled request, whose answer the next request would get
            if worker is not None:
                worker.kill()
            worker = None
            raise
        finally:
            self._idle.put_nowait(worker)


class Worker:
    """One process, and the socket to it."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._socket, other = socket.socketpair()
        known = pickle.dumps(dict(policies))
        with other:
            command = [sys.executable, "-m", __name__, str(other.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[other.fileno()], stdin=subprocess.DEVNULL)  # noqa: S603
        self.kill = weakref.finalize(self, _kill, self._socket, self.process)
        """Ends the process, whatever it does; also called when nobody refers to this object any more."""
        self._socket.sendall(len(known).to_bytes(4) + known)
        self._socket.setblocking(False)

    async def answer(self, body: bytes, seconds: float) -> GuardAnswer:
        """Send a request and return the answer."""
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, ORDER.pack(len(body), seconds) + body)
            status, length, note = REPLY.unpack(await self._receive(REPLY.size))
            return GuardAnswer(status, await self._receive(length), (await self._receive(note)).decode())
        except OSError as error:
            raise WorkerLost from error

    async def _receive(self, length: int) -> bytes:
        loop, parts = asyncio.get_running_loop(), bytearray()
        while len(parts) < length:
            part = await loop.sock_recv(self._socket, min(length - len(parts), 1 << 20))
            if not part:
                raise WorkerLost
            parts += part
        return bytes(parts)


def _kill(connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
    connection.close()
    process.kill()
    process.wait()


def serve(connection: socket.socket) -> None:
    """Answer requests until the daemon closes the socket or has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, which sends it to all processes
    with suppress(OSError):
        os.nice(NICE)
    with connection, connection.makefile("rb") as requests, suppress(OSError):
        policies = pickle.loads(requests.read(int.from_bytes(requests.read(4))))  # noqa: S301  of our own process
        while len(head := requests.read(ORDER.size)) == ORDER.size:
            length, seconds = ORDER.unpack(head)
            answer = answer_request(policies, requests.read(length), time.monotonic() + seconds)
            note = answer.failed.encode("utf-8", "backslashreplace")
            connection.sendall(REPLY.pack(answer.status, len(answer.body), len(note)) + answer.body + note)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
