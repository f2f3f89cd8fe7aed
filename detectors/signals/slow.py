"""Requests that took longer than a target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.binning import numbers
from detectors.records import Column, Records
from detectors.signals.base import Signal


@dataclass(frozen=True)
class Slow:
    """Score 1 for a request that took longer than the target, 0 for any other; missing without a duration.

    Limits
    ------
    A request that failed immediately is not slow: monitor ``failed``, too.

    References
    ----------
    Beyer et al. (eds.), *The Site Reliability Workbook*, 2018, chapter 2 (the share of requests within a target).

    Examples
    --------
    >>> Slow(3.0)({"latency": Column.of([1.0, 3.0, 3.1, None])}).values[:3].tolist()
    [0.0, 0.0, 1.0]
    """

    seconds: float = 1.0
    column: str = "latency"

    def __call__(self, records: Records) -> Column:
        """Return 1 or 0 of each request."""
        taken, _ = numbers(records[self.column])
        return Column((taken > self.seconds).astype(np.float64), np.isnan(taken))


def configure(*, seconds: float, column: str = "latency") -> Signal:
    """Set the target in seconds, and its column of durations."""
    if not seconds > 0:
        raise ValueError(f"`seconds` is the longest duration of a request and must be above 0; it is {seconds!r}.")
    return _signal(Slow(seconds, column))


def _signal(slow: Slow) -> Signal:
    return Signal(
        name="slow",
        needs=(slow.column,),
        kind="numeric",
        better="lower",
        compute=slow,
        unit="0 or 1",
        cost="over 1,000,000",
        citation="Beyer et al. 2018",
        configure=configure,
    )


SIGNAL = _signal(Slow())
