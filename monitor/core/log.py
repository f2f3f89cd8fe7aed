"""Structured logging: one JSON object per line on standard error, without secrets and without user text."""

from __future__ import annotations

import io
import logging
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from monitor.core.plain import visible


def _show_control_characters(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    return {key: visible(value) if isinstance(value, str) else value for key, value in event.items()}


def _hide_values(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Replace personal data and secrets in a traceback, whose message may quote a value of a record, by their types."""
    if "exception" not in event:
        return event
    from detectors.policy import redact
    from detectors.scan import PUBLIC, scan

    text = str(event["exception"])
    spans = [span for span in scan(text, ("pii", "secrets")) if span.type not in {*PUBLIC, "ip_address"}]
    return {**event, "exception": redact(text, spans)}


LOG = structlog.get_logger(__name__)
LASTING = frozenset(
    {
        *("turn_failed", "catch_up_failed", "job_failed", "deliver_failed", "expire_failed", "clock_skewed"),
        *("store_down", "lease_not_renewed", "guard_busy", "guard_worker_replaced"),
        *("signal_failed", "records_quarantined"),
    }
)
"""Events that are logged again every second, or with every request, while their cause lasts."""
REPEAT_SECONDS = 600.0
"""For how long an equal line of such an event is dropped after one that was logged."""
MOST_KEPT = 1_000
"""Maximum number of different lines that are remembered; the line that was seen last is forgotten last."""
MOST_LINES = 10_000
"""Maximum number of lines that wait to be written; further lines are dropped and counted."""


def set_up(level: str = "info", *, pretty: bool | None = None) -> None:
    """Configure logging for the process: coloured text on a terminal, else JSON."""
    is_pretty = sys.stderr.isatty() if pretty is None else pretty
    renderers: list[Processor] = [_show_control_characters, structlog.dev.ConsoleRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _drop_repeats,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _hide_values,
            *(renderers if is_pretty else [structlog.processors.JSONRenderer()]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),  # stderr may be replaced
        cache_logger_on_first_use=False,
    )
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


class RepeatFilter:
    """Drops a line that repeats an earlier one, for some minutes; the next one has the number of those dropped.

    A line repeats another if event, level, texts and type of the exception are the same; numbers are not compared.

    Parameters
    ----------
    clock
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._logged: dict[object, tuple[float, int]] = {}  # when it was last logged, and how often not since then

    def count(self, event: EventDict) -> int | None:
        """Return how many equal lines were dropped before this one; None if this one is dropped, too."""
        error = sys.exc_info()[0] if event.get("exc_info") else None
        key = (error, *sorted((name, value) for name, value in event.items() if isinstance(value, str)))
        now = self._clock()
        with self._lock:
            at, dropped = self._logged.pop(key, (-math.inf, 0))
            is_dropped = now - at < REPEAT_SECONDS
            self._logged[key] = (at, dropped + 1) if is_dropped else (now, 0)
            if len(self._logged) > MOST_KEPT:
                del self._logged[next(iter(self._logged))]
        return None if is_dropped else dropped


def _drop_repeats(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    if not _filters or event["event"] not in LASTING:
        return event
    dropped = _filters[-1].count(event)
    if dropped is None:
        raise structlog.DropEvent
    return {**event, "repeated": dropped} if dropped else event


_filters: list[RepeatFilter] = []


class Buffer(io.TextIOBase):
    """A text stream whose ``write`` never blocks: a thread writes to the file descriptor.

    Lines are dropped and counted while the reader of a pipe is too slow or has closed it. When writing succeeds
    again, a warning with the number of dropped lines is logged.
    """

    def __init__(self, descriptor: int, most: int = MOST_LINES) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[str] = queue.Queue(most)
        self._count = threading.Lock()
        self.dropped = 0
        threading.Thread(target=self._work, name="log", daemon=True).start()

    def write(self, text: str) -> int:
        """Queue a line, or drop it if the queue is full."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._drop()
        return len(text)

    def fileno(self) -> int:
        """Return the file descriptor of the stream."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return os.isatty(self._descriptor)

    def drain(self, seconds: float) -> None:
        """Wait at most ``seconds`` until all lines are written."""
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
                LOG.warning("log_lines_dropped", count=count, detail="The reader of standard error is too slow.")
            self._lines.task_done()

    def _send(self, text: str) -> bool:
        data = text.encode("utf-8", "backslashreplace")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:  # the reader closed the pipe; the daemon keeps running
            self._drop()
            return False
        return True

    def _drop(self) -> None:
        with self._count:
            self.dropped += 1


_buffers: list[Buffer] = []


@contextmanager
def buffer_stderr() -> Iterator[None]:
    """Replace ``sys.stderr`` by a non-blocking :class:`Buffer`, and drop repeats."""
    stream, buffer, repeats = sys.stderr, Buffer(sys.stderr.fileno()), RepeatFilter()
    _buffers.append(buffer)
    _filters.append(repeats)
    sys.stderr = buffer
    try:
        yield
    finally:
        flush(1.0)
        sys.stderr = stream
        _buffers.remove(buffer)
        _filters.remove(repeats)


def flush(seconds: float) -> None:
    """Wait at most ``seconds`` for each buffer until its lines are written."""
    for buffer in _buffers:
        buffer.drain(seconds)


def count_dropped() -> int:
    """Return the number of lines dropped so far."""
    return sum(buffer.dropped for buffer in _buffers)
