"""Structured logs: one JSON object a line on standard error, without secrets and without user text."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from monitor.plain import visible


def _show_control_characters(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    return {key: visible(value) if isinstance(value, str) else value for key, value in event.items()}


def set_up(level: str = "info", *, pretty: bool | None = None) -> None:
    """Configure logging for the process; people at a terminal get colours, everybody else JSON."""
    shown = sys.stderr.isatty() if pretty is None else pretty
    renderers: list[Processor] = [_show_control_characters, structlog.dev.ConsoleRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            *(renderers if shown else [structlog.processors.JSONRenderer()]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # the one of the moment: it may be replaced
        cache_logger_on_first_use=False,
    )
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
