"""Signal handling: SIGTERM and SIGINT end the process within seconds even if a thread hangs; SIGHUP reloads.

A thread reads the signals, because the main thread may wait in a library that cannot be interrupted, and because a
Python signal handler may neither log nor acquire a lock that the main thread holds.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import structlog

from monitor.core import log

LOG = structlog.get_logger(__name__)
LONGEST_STOP = 7.0
"""Maximum seconds from the first signal to the end of the process; orchestrators kill after ten at the earliest."""
LAST_LINES = 1.0
"""Maximum seconds to write the last log lines."""


@contextmanager
def stop_on_signals(
    also: Callable[[], None] = lambda: None, reload: Callable[[], None] = lambda: None
) -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set; a second signal ends the process at once.

    Parameters
    ----------
    also
        Called at the first signal, in the thread that reads the signals.
    reload
        Called at each SIGHUP, in the same thread.
    """
    stopping = threading.Event()
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = {number: signal.signal(number, _wake) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=_follow, args=(reader, stopping, also, reload), name="signals", daemon=True)
    thread.start()
    try:
        yield stopping
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        writer.close()
        thread.join()
        reader.close()


def leave(code: int = 0) -> NoReturn:
    """End the process without waiting for threads; the store is consistent after every transaction."""
    log.flush(LAST_LINES)
    os._exit(code)


def _wake(_number: int, _frame: object) -> None:
    """Do nothing; with a handler, Python writes the number of the signal to the wakeup descriptor."""


def _follow(
    reader: socket.socket, stopping: threading.Event, also: Callable[[], None], reload: Callable[[], None]
) -> None:
    while numbers := reader.recv(64):
        for number in numbers:
            if number == signal.SIGHUP:
                reload()
            elif stopping.is_set():
                leave()
            else:
                LOG.info("stopping", signal=signal.Signals(number).name)
                stopping.set()
                last = threading.Timer(LONGEST_STOP, leave)
                last.daemon = True
                last.start()
                also()
