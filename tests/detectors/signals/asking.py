"""Ask a signal about a few texts."""

from __future__ import annotations

from typing import Any

from detectors import SIGNALS, Signal
from detectors.records import Column


def of(signal: Signal | str, *values: object, **roles: list[object]) -> list[Any]:
    """Compute a signal over responses, or over named roles; None where it is missing."""
    chosen = SIGNALS[signal] if isinstance(signal, str) else signal
    given = {"response": list(values), **roles} if values else roles
    column = chosen.compute({role: Column.of(part) for role, part in given.items()})
    return [None if gone else value for value, gone in zip(column.values.tolist(), column.missing, strict=True)]
