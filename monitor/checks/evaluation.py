"""What evaluating a bucket takes and gives: what was read, what is stored, what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from detectors.base import Finding
from detectors.cost.objective import EventCounts
from monitor.checks.comparisons import ComparisonCounts, ComparisonState, ComparisonUpdate, Key
from monitor.checks.result import Result
from monitor.checks.window import Window
from monitor.checks.window_sum import StoredWindow
from monitor.core.incident import Change
from monitor.core.schedule import Bucket
from monitor.profiling.profile import Profiled
from monitor.profiling.spend import SpendState


@dataclass(frozen=True)
class Observed:
    """A bucket as it was read from the source.

    Parameters
    ----------
    newest
        Time of the newest record in the window or before it, in seconds since 1970; None where there is none.
    recounted
        Earlier buckets of shadows that late records of this bucket have changed.
    """

    bucket: Bucket
    profiled: Profiled
    newest: float | None = None
    recounted: Sequence[ComparisonCounts] = ()


@dataclass(frozen=True)
class StoredSums:
    """What the store holds of earlier buckets.

    Parameters
    ----------
    window
        Of the window that ends with the bucket; None where there is no baseline to compare with.
    spending
        What was spent up to the end of the bucket, itself included; None for a bucket of the history.
    """

    window: StoredWindow | None = None
    spending: SpendState | None = None
    comparisons: Mapping[Key, ComparisonState] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What was found in a bucket, or by a run of an evaluation suite.

    Parameters
    ----------
    result, reason
        How a bucket ended, and why it is inconclusive; None for what is no bucket.
    changes
        Versions, categories and columns that the baseline did not have.
    window
        The window that was compared; None where there is nothing to compare with.
    missing_buckets
        Buckets in a row without data, where it is known by something other than the results of the buckets: by how
        long the source could not be read.
    usage, events
        What the window used, and the requests that objectives count in the bucket, by signal.
    """

    findings: Sequence[Finding] = ()
    result: Result | None = None
    reason: str | None = None
    changes: Sequence[Change] = ()
    window: Window | None = None
    comparisons: ComparisonUpdate = ComparisonUpdate()
    missing_buckets: int | None = None
    usage: Mapping[str, object] | None = None
    events: Mapping[str, EventCounts] = field(default_factory=dict)
