"""Input and output of the evaluation of a bucket."""

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
    """The aggregates of a bucket, as read from the source.

    Parameters
    ----------
    newest
        Time of the newest record in or before the window, in seconds since 1970; None if there is none.
    recounted
        Earlier buckets of shadows that changed by late records of this bucket.
    """

    bucket: Bucket
    profiled: Profiled
    newest: float | None = None
    recounted: Sequence[ComparisonCounts] = ()


@dataclass(frozen=True)
class StoredSums:
    """The stored aggregates of earlier buckets.

    Parameters
    ----------
    window
        Earlier buckets of the window that ends with the bucket; None without a baseline.
    spending
        Costs up to and including the bucket; None for a bucket of the history.
    """

    window: StoredWindow | None = None
    spending: SpendState | None = None
    comparisons: Mapping[Key, ComparisonState] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """The findings of a bucket, or of a run of an evaluation suite.

    Parameters
    ----------
    result, reason
        Result of a bucket, and why it is inconclusive; None for a run of a suite.
    changes
        Versions, categories and columns that are not in the baseline.
    window
        The compared window; None without a baseline.
    missing_buckets
        Number of consecutive buckets without data if the source cannot be read; None to count results of buckets.
    is_between_buckets
        Whether nothing was measured, and firing incidents may only escalate.
    usage, events
        Requests, tokens and costs of the window, and the counts of the bucket for objectives, by signal.
    """

    findings: Sequence[Finding] = ()
    result: Result | None = None
    reason: str | None = None
    changes: Sequence[Change] = ()
    window: Window | None = None
    comparisons: ComparisonUpdate = ComparisonUpdate()
    missing_buckets: int | None = None
    is_between_buckets: bool = False
    usage: Mapping[str, object] | None = None
    events: Mapping[str, EventCounts] = field(default_factory=dict)
