"""Served traffic: the records whose answers users saw. All others are left out before anything is measured. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import numpy as np

from detectors.layout import words_of
from detectors.records import Records, row_count, take
from monitor.config import Monitor
from monitor.settings.arms import Experiment, Shadow
from monitor.sources.base import Reader, SourceError


def served(records: Records, monitor: Monitor, comparison: Experiment | Shadow | None = None) -> Records:
    """Keep the records of served traffic and, of a comparison, those of its own arms that serve no users.

    A column that is missing from ``records`` leaves nothing out.
    """
    kept = np.ones(row_count(records), dtype=bool)
    for spec in monitor.comparisons:
        kept &= ~_of_unserved_arms(records, spec)
    if comparison is not None:
        kept |= _of_unserved_arms(records, comparison)
    for mark in monitor.traffic.values():
        kept &= ~_has_value(records, mark.column, mark.values)
    return records if kept.all() else take(records, kept)


def deciding_columns(monitor: Monitor, known: Collection[str]) -> list[str]:
    """Return the logged columns that tell served traffic from the rest.

    Raises
    ------
    SourceError
        When a column of ``traffic:`` is not logged: evaluations would count as served traffic.
    """
    for role, mark in monitor.traffic.items():
        if mark.column not in known:
            message = f"traffic.{role}: {mark.column!r} is not a column of {monitor.name}; map it under `columns:`."
            raise SourceError("missing_column", message)
    names = [spec.arm for spec in monitor.comparisons if spec.unserved_arms] + [
        mark.column for mark in monitor.traffic.values()
    ]
    return [name for name in dict.fromkeys(names) if name in known]


def newest_served(reader: Reader, monitor: Monitor, start: datetime) -> float | None:
    """Return when the newest served record was logged, at most, if there is none since ``start``."""
    newest = reader.newest()
    if newest is None:
        return None
    return (min(newest, start) if declarations(monitor) else newest).timestamp()


def declarations(monitor: Monitor) -> list[Any]:
    """Return, as plain data, everything that decides which records are served traffic; empty when all are."""
    arms = [[spec.arm, spec.unserved_arms, spec.start, spec.end] for spec in monitor.comparisons if spec.unserved_arms]
    return [*arms, *([mark.column, mark.values] for mark in monitor.traffic.values())]


def _of_unserved_arms(records: Records, spec: Experiment | Shadow) -> np.ndarray:
    if not spec.unserved_arms:
        return np.zeros(row_count(records), dtype=bool)
    seconds = records["timestamp"].values
    last = np.inf if spec.end is None else spec.end.timestamp()
    at_the_time = (seconds >= spec.start.timestamp()) & (seconds < last)
    meant: np.ndarray = at_the_time & _has_value(records, spec.arm, spec.unserved_arms)
    return meant


def _has_value(records: Records, column: str, values: Collection[str]) -> np.ndarray:
    if column not in records:
        return np.zeros(row_count(records), dtype=bool)
    found: np.ndarray = np.isin(words_of(records[column]), list(values))
    return found
