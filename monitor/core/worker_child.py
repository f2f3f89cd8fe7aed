"""The child's side of :mod:`monitor.core.worker_pool`: answer requests one by one, within limits of the kernel.

The limits hold in C code, too: a regular expression keeps the lock of the interpreter until it has ended, so no thread
and no signal handler of Python could end it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from monitor.core.plain import find_place

REQUEST = struct.Struct(">Idd")
"""Length of the body, seconds until the deadline, and seconds of CPU time (0 without a limit)."""
REPLY = struct.Struct(">I")
"""Length of the body."""
GRACE_SECONDS = 1.0
"""How long a request may exceed its deadline before its process ends."""
NICE = 5
PR_SET_PDEATHSIG = 1
OUT_OF_MEMORY = 3
"""Exit code of a process that has reached its limit of memory."""

Answer = Callable[[bytes, float], bytes]
"""Returns the reply to a request, given its deadline on the monotonic clock."""


def serve(make_answer: Callable[[bytes], Answer]) -> None:
    """Answer requests until the parent closes the socket or has ended. Arguments of the process: see `Worker`.

    Parameters
    ----------
    make_answer
        Called once with the setup of the pool.
    """
    number, memory, yields = map(int, sys.argv[1:4])
    _end_with_parent()
    with suppress(OSError):  # where memory is short, the kernel ends this process rather than the daemon
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, which sends it to all processes
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    connection = socket.socket(fileno=number)
    with connection, connection.makefile("rb") as requests, suppress(OSError):
        answer = make_answer(requests.read(*REPLY.unpack(requests.read(REPLY.size))))
        yield_cpu(always=bool(yields))  # not before: somebody waits for the start
        while len(head := requests.read(REQUEST.size)) == REQUEST.size:
            length, seconds, cpu_seconds = REQUEST.unpack(head)
            body = requests.read(length)
            _end_after(seconds + GRACE_SECONDS, cpu_seconds)
            reply = _answer_or_end(answer, body, seconds)
            _end_after(0, 0)
            connection.sendall(REPLY.pack(len(reply)) + reply)


def _answer_or_end(answer: Answer, body: bytes, seconds: float) -> bytes:
    """Return the reply, or end the process; of an error only type and place are printed, as it may quote a text."""
    try:
        return answer(body, time.monotonic() + seconds)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001  the parent reports the loss of this process
        sys.stderr.write(f"a worker ended with {type(error).__name__} at {find_place(error)}\n")
        sys.stderr.flush()
        os._exit(1)


def _end_with_parent() -> None:
    """Let the kernel end this process with its parent, also within a request; only Linux does so."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_after(seconds: float, cpu_seconds: float) -> None:
    """Let the kernel end this process after some time; 0 cancels. Their signals end a process by default."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)


def yield_cpu(*, always: bool) -> None:
    """Lower the priority of this process; with ``always``, any process that wakes up gets its core at once.

    At a lower priority only (`nice`), the kernel lets a process finish its slice of some milliseconds first. On a
    single core ``always`` is ignored, as this process would get nothing while another computes.
    """
    with suppress(OSError):
        if always and hasattr(os, "SCHED_IDLE") and len(os.sched_getaffinity(0)) > 1:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        else:
            os.nice(NICE)
