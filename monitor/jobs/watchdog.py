"""The watchdog: it ends the process when a part of it has stopped, so that the supervisor starts a new one."""

from __future__ import annotations

import faulthandler
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

LOG = structlog.get_logger(__name__)
SECOND = timedelta(seconds=1)
EVERY = SECOND
"""Interval of the checks, and of the signs of life of parts that always run."""
LIMIT = timedelta(minutes=2)
"""Longest silence of a part that gives a sign of life every second."""
INTERPRETER_SECONDS = 120
"""Longest time in which no Python code runs, for example because a library keeps the lock of the interpreter."""
EXIT_CODE = 70
"""Exit code of a process that the watchdog has ended; EX_SOFTWARE of sysexits.h."""


class Watchdog:
    """Counts the checks since the last sign of life of each part.

    It counts checks, not seconds: a process that was suspended has missed none when it continues.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._missed: dict[str, int] = {}
        self._limits: dict[str, int] = {}

    def watch(self, part: str, limit: timedelta = LIMIT) -> None:
        """Expect signs of life of a part from now on; :meth:`forget` ends it."""
        with self._lock:
            self._limits[part] = int(limit / EVERY)
            self._missed[part] = 0

    def beat(self, part: str) -> None:
        """Record a sign of life; without effect for a part that is not watched."""
        with self._lock:
            if part in self._missed:
                self._missed[part] = 0

    def forget(self, part: str) -> None:
        """Expect no more signs of life of a part."""
        with self._lock:
            self._missed.pop(part, None)

    def check(self) -> str | None:
        """Count a check; return why the process must end, or None."""
        with self._lock:
            for part in self._missed:
                self._missed[part] += 1
        return self._describe(1.0)

    def stopped(self) -> str | None:
        """Return which part has been silent for half of its limit, or None."""
        return self._describe(0.5)

    @contextmanager
    def running(self, leave: Callable[[int], object]) -> Iterator[None]:
        """Check every second in a thread; call ``leave`` with the exit code when a part has stopped.

        If no Python code can run at all, the process prints its stacks to standard error and exits with 1.
        """
        done = threading.Event()
        thread = threading.Thread(target=self._work, args=(leave, done), name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(1)
            faulthandler.cancel_dump_traceback_later()

    def _work(self, leave: Callable[[int], object], done: threading.Event) -> None:
        while True:
            faulthandler.dump_traceback_later(INTERPRETER_SECONDS, exit=True, file=sys.__stderr__ or 2)
            if done.wait(EVERY.total_seconds()):
                return
            if reason := self.check():
                LOG.critical("watchdog", detail=reason, stacks=list_stacks())
                leave(EXIT_CODE)

    def _describe(self, share: float) -> str | None:
        with self._lock:
            silent = {part: missed for part, missed in self._missed.items() if missed > share * self._limits[part]}
        sentence = "{} has given no sign of life for {} s"
        return "; ".join(sentence.format(part, count * EVERY // SECOND) for part, count in silent.items()) or None


def list_stacks() -> dict[str, list[str]]:
    """Return the stack of each thread by its name, innermost call last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        f"{names.get(ident, 'unknown')} ({ident})": [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_stack(top)
        ]
        for ident, top in sys._current_frames().items()  # noqa: SLF001  documented for this use
    }
