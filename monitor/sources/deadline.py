"""Client-side deadlines, so that a source that stops responding delays its own monitor only, and by a few seconds.

The server enforces `statement_timeout`. If the server or the network stalls, the client must end the wait: one
thread monitors all waits and closes the connections of a source that does not respond.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

MARGIN = timedelta(seconds=5)
"""Time added to the timeout of the server."""
LOOK_SECONDS = 0.2


class NoAnswer(Exception):  # noqa: N818
    """There was no response within the deadline, so the connections were closed."""


class StatementDeadline:
    """Ends waits for the database of an engine. The time between two statements does not count.

    Parameters
    ----------
    interrupt
        Makes a call of the driver in another thread fail, given its connection.
    timeout
        Timeout of a statement that the server enforces.
    """

    def __init__(self, engine: sa.Engine, interrupt: Callable[[Any], None], timeout: timedelta) -> None:
        self.seconds = (timeout + MARGIN).total_seconds()
        self._interrupt = interrupt
        self._open: dict[int, Any] = {}
        sa.event.listen(engine, "do_connect", _refuse_when_late)
        sa.event.listen(engine, "connect", self._add, insert=True)  # before SQLAlchemy's own first queries
        sa.event.listen(engine, "close", self._remove)
        sa.event.listen(engine, "before_cursor_execute", lambda *_: _restart())
        sa.event.listen(engine, "after_cursor_execute", lambda *_: _pause())
        sa.event.listen(engine, "rollback", lambda *_: _restart())

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Apply the deadline to calls of this thread; raises :class:`NoAnswer` if it has passed."""
        thread = threading.get_ident()
        outer, wait = _WAITS.get(thread), _Wait(self)
        _WAITS[thread] = wait
        _start_watchdog()
        try:
            yield
        except Exception as error:
            if wait.passed:
                raise NoAnswer(f"no answer came within {self.seconds:g} s, so the connection was closed") from error
            raise
        finally:
            if outer is None:
                del _WAITS[thread]
            else:
                _WAITS[thread] = outer

    def end(self) -> None:
        """Close all connections of the engine, since they share the same server."""
        for connection in list(self._open.values()):
            with suppress(Exception):  # already closed
                self._interrupt(connection)

    def _add(self, connection: Any, _record: object) -> None:  # noqa: ANN401
        self._open[id(connection)] = connection

    def _remove(self, connection: Any, _record: object) -> None:  # noqa: ANN401
        self._open.pop(id(connection), None)


class _Wait:
    """The use of an engine by a thread, and the end of its current wait."""

    def __init__(self, deadline: StatementDeadline) -> None:
        self.deadline = deadline
        self.passed = False
        self.restart()

    def restart(self) -> None:
        self.until = time.monotonic() + self.deadline.seconds

    def end_when_late(self, now: float) -> None:
        if now > self.until:
            self.passed = True
            self.deadline.end()


_WAITS: dict[int, _Wait] = {}
"""Current waits by thread id."""
_STARTING = threading.Lock()
_watchdog: threading.Thread | None = None


def _restart() -> None:
    if (wait := _WAITS.get(threading.get_ident())) is not None:
        wait.restart()


def _pause() -> None:
    if (wait := _WAITS.get(threading.get_ident())) is not None:
        wait.until = math.inf


def _refuse_when_late(*_: object) -> None:
    """Refuse to reconnect after the deadline; the pool reconnects if the ping of a connection fails."""
    wait = _WAITS.get(threading.get_ident())
    if wait is not None and wait.passed:
        raise NoAnswer("the deadline has passed")


def _start_watchdog() -> None:
    global _watchdog  # noqa: PLW0603  one thread for all sources
    with _STARTING:
        if _watchdog is None:
            _watchdog = threading.Thread(target=_keep_watch, name="source-deadlines", daemon=True)
            _watchdog.start()


def _keep_watch() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        for wait in list(_WAITS.values()):
            wait.end_when_late(time.monotonic())
