"""Structured logs: one JSON object a line on standard error, without secrets and without user text."""

from __future__ import annotations

import io
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from monitor.core.plain import visible


def _show_control_characters(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    return {key: visible(value) if isinstance(value, str) else value for key, value in event.items()}


LOG = structlog.get_logger(__name__)
MOST_LINES = 10_000
"""Lines that wait to be written; what comes beyond is dropped and counted."""


def set_up(level: str = "info", *, pretty: bool | None = None) -> None:
    """Configure logging for the process; people at a terminal get colours, everybody else JSON."""
    is_pretty = sys.stderr.isatty() if pretty is None else pretty
    renderers: list[Processor] = [_show_control_characters, structlog.dev.ConsoleRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            *(renderers if is_pretty else [structlog.processors.JSONRenderer()]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),  # the one of the moment: it may be replaced
        cache_logger_on_first_use=False,
    )
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


class Buffer(io.TextIOBase):
    """A stream that nobody who writes to it waits for: a thread of its own writes to the file descriptor.

    Lines are dropped and counted while a pipe is full because nobody reads it, and when it is closed. When lines can
    be written again, one of them says how many were dropped.
    """

    def __init__(self, descriptor: int, most: int = MOST_LINES) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[str] = queue.Queue(most)
        self._count = threading.Lock()
        self.dropped = 0
        threading.Thread(target=self._work, name="log", daemon=True).start()

    def write(self, text: str) -> int:
        """Take a line; never waits."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._drop()
        return len(text)

    def fileno(self) -> int:
        """Return the file descriptor that is written to."""
        return self._descriptor

    def isatty(self) -> bool:
        """Say whether people read it."""
        return os.isatty(self._descriptor)

    def drain(self, seconds: float) -> None:
        """Wait until everything is written, but only so long."""
        ends = time.monotonic() + seconds
        with self._lines.all_tasks_done:
            while self._lines.unfinished_tasks and (left := ends - time.monotonic()) > 0:
                self._lines.all_tasks_done.wait(left)

    def _work(self) -> None:
        reported = 0
        while True:
            written = self._send(self._lines.get())
            if written and self._lines.empty() and self.dropped > reported:
                count, reported = self.dropped - reported, self.dropped
                LOG.warning("log_lines_dropped", count=count, detail="Nobody read the log fast enough.")
            self._lines.task_done()

    def _send(self, text: str) -> bool:
        data = text.encode("utf-8", "backslashreplace")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:  # whoever read it has closed it; the daemon goes on
            self._drop()
            return False
        return True

    def _drop(self) -> None:
        with self._count:
            self.dropped += 1


_buffers: list[Buffer] = []


@contextmanager
def buffer_stderr() -> Iterator[None]:
    """Put a buffer in the place of standard error, for whatever this process writes there."""
    stream, buffer = sys.stderr, Buffer(sys.stderr.fileno())
    _buffers.append(buffer)
    sys.stderr = buffer
    try:
        yield
    finally:
        flush(1.0)
        sys.stderr = stream
        _buffers.remove(buffer)


def flush(seconds: float) -> None:
    """Wait until the buffered lines are written, but only so long."""
    for buffer in _buffers:
        buffer.drain(seconds)


def count_dropped() -> int:
    """Return how many lines were dropped so far."""
    return sum(buffer.dropped for buffer in _buffers)
