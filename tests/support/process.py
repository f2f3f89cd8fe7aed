"""Control over child processes, and waiting for what they do without sleeping blindly."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_PR_SET_PDEATHSIG = 1
LONGEST_PAUSE = 0.2
"""Seconds between two looks at something that takes long."""


def eventually(look: Callable[[], T | None], within: float = 60.0, what: str = "it") -> T:
    """Call ``look`` until it returns something true; an exception counts as not yet.

    The longer it takes, the longer the pauses: a look at metrics costs the daemon more than what it waits for.
    """
    end = time.monotonic() + within
    last: Exception | None = None
    pause = 0.01
    while True:
        try:
            if seen := look():
                return seen
        except Exception as error:  # noqa: BLE001 - whatever goes wrong while waiting is only the reason
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {within:g} s (last error: {last!r})") from last
        pause = min(pause * 1.25, LONGEST_PAUSE)
        time.sleep(pause)


def free_port() -> int:
    """Return a port of loopback that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def die_with_parent(how: signal.Signals) -> Callable[[], None]:
    """Make a ``preexec_fn``: the kernel sends ``how`` to the child when the tests die, even by SIGKILL."""

    def ask() -> None:
        with suppress(OSError, AttributeError):  # Linux only; elsewhere the fixture's end must do
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)

    return ask


@contextmanager
def running(
    command: Sequence[str | Path], *, log: Path, env: dict[str, str] | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the length of a block, its output in ``log``; it never outlives the block."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
    try:
        yield child
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes], within: float = 15.0) -> int:
    """End a child with SIGTERM, or with SIGKILL when it does not listen; return its exit code."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(within)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait(within)
