"""Spans of the work on a bucket. Without a tracer a span is a call that returns a constant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar

Attribute = str | int | float | bool
P = ParamSpec("P")
R = TypeVar("R")


class TraceSpan(Protocol):
    """A part of the work that is being done."""

    def set(self, **attributes: Attribute) -> None:
        """Add attributes. They are names from the configuration and numbers, and never text of records."""


class Tracer(Protocol):
    """What records spans."""

    def start(self, name: str, **attributes: Attribute) -> AbstractContextManager[TraceSpan]:
        """Return a span that begins and ends with the block, within the one around it."""


class NoSpan:
    """A span that is not recorded."""

    def set(self, **attributes: Attribute) -> None:
        """Do nothing."""


_NOTHING: AbstractContextManager[TraceSpan] = nullcontext(NoSpan())
_tracers: list[Tracer] = []


def use_tracer(tracer: Tracer | None) -> None:
    """Record the spans of this process from now on; None ends that."""
    _tracers[:] = [] if tracer is None else [tracer]


def span(name: str, **attributes: Attribute) -> AbstractContextManager[TraceSpan]:
    """Return a span of the work in the block."""
    return _tracers[0].start(name, **attributes) if _tracers else _NOTHING


def traced(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator with which every call of a function is a span."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with span(name):
                return function(*args, **kwargs)

        return call

    return decorate
