"""A process that measures how long a function takes for a text, and that can be killed."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

from tests.support.hostile import ORDINARY

STUCK_SECONDS = 60.0
"""Seconds of a clock on the wall after which a call is given up, on however busy a machine."""


class Stopwatch:
    """A process that runs the targets and says how long they took; one that is stuck is killed.

    It is forked from a server that has imported the targets, so that the next one starts at once.
    """

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Any = None

    def seconds(self, target: str, text: str, limit: float = STUCK_SECONDS) -> float | None:
        """Return the seconds of processor time that a call takes, None where it is stuck.

        Raises
        ------
        RuntimeError
            When the call fails, with what it raised.
        """
        if self._process is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["tests.support.measured"])
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_measure, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
            self._pipe.recv()
        self._pipe.send((target, text.encode("utf-8", "surrogatepass")))
        if not self._pipe.poll(limit):
            self.close()
            return None
        took: float | str = self._pipe.recv()
        if isinstance(took, str):
            raise RuntimeError(took)
        return took

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


def _measure(pipe: Connection) -> None:
    from tests.support.measured import FUNCTIONS

    warm: set[str] = set()
    pipe.send("ready")
    while True:
        try:
            target, raw = pipe.recv()
        except EOFError:
            return
        text = raw.decode("utf-8", "surrogatepass")
        if target not in warm and target != "stuck":  # libraries, patterns and lists are loaded once
            warm.add(target)
            for prose in (ORDINARY, f"{ORDINARY} é", "[1]", "SELECT 1"):
                FUNCTIONS[target](prose)
        began = time.process_time()
        try:
            FUNCTIONS[target](text)
        except BaseException as error:  # noqa: BLE001  the test shows it
            pipe.send(f"{type(error).__name__}: {error}"[:500])
        else:
            pipe.send(time.process_time() - began)
