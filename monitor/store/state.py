"""State: all that the decision about a bucket needs of our database, read in one snapshot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise

from sqlalchemy.engine import Connection

from detectors.cost.breaker import Breaker
from detectors.cost.objective import EventCounts
from detectors.cost.objective import starts as objective_starts
from detectors.outcome import OUTCOME
from monitor.actions.breakers import Key
from monitor.actions.retraining_context import History, earliest_asked
from monitor.alerting.change_point import Plateau, Plateaus
from monitor.alerting.second_shift import plateau_starts
from monitor.checks.baseline import Baseline
from monitor.checks.evaluation import MonitorPlan, StoredSums
from monitor.checks.objectives import count_events
from monitor.checks.window_sum import StoredWindow
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket, floor, window_starts
from monitor.profiling.bucket_profiles import add_profiles
from monitor.profiling.profile import Profiled
from monitor.store import (
    aggregates,
    breakers,
    buckets,
    comparisons,
    estimate_accuracy,
    labels,
    ledger,
    savings,
    windows,
)
from monitor.store.aggregates import Range
from monitor.store.claims import Claim
from monitor.store.findings import load_sequential_state
from monitor.store.history import load_history
from monitor.store.spans import list_spans


@dataclass(frozen=True)
class State:
    """What is known before a bucket is evaluated.

    Parameters
    ----------
    live
        Whether it is decided now: it is not of the history, and it is computed for the first time.
    labels_imported
        Whether labels were imported for its monitor at all.
    sums
        What earlier buckets hold.
    breakers
        The breakers of its monitor that have ever moved.
    history
        Incidents, silences, changes, versions and actions.
    plateaus
        What the open incidents have led to.
    logged
        What a retraining is told of earlier buckets; None where none can be asked for.
    """

    live: bool
    labels_imported: bool
    sums: StoredSums
    breakers: Mapping[Key, Breaker] = field(default_factory=dict)
    history: AlertHistory = AlertHistory()
    plateaus: Plateaus = field(default_factory=dict)
    logged: History | None = None


def load_state(
    connection: Connection,
    plan: MonitorPlan,
    claim: Claim,
    profiled: Profiled,
    retraining: Collection[str],
    plateaus: Plateaus,
) -> State:
    """Read the state for a claimed bucket that has been profiled.

    Parameters
    ----------
    retraining
        Names of the rules that ask for a retraining.
    plateaus
        Those of the bucket before, which need not be read again.
    """
    monitor, bucket = plan.monitor, claim.bucket
    baseline = plan.reference(bucket)
    live_since = next((s.start for s in list_spans(connection, monitor.name) if s.kind == "live"), None)
    present = live_since is not None and bucket.start >= live_since
    state = State(
        live=present and claim.revision == 0,
        labels_imported=labels.has_labels(connection, monitor.name),
        sums=StoredSums(
            load_window(connection, monitor, baseline, bucket, profiled) if baseline else None,
            ledger.spending(connection, monitor, bucket, profiled.bill) if present else None,
            comparisons.load_states(connection, monitor.name) if plan.comparisons.specs else {},
        ),
    )
    if not state.live:
        return state
    history = load_history(connection, monitor, bucket)
    return replace(
        state,
        history=history,
        breakers=breakers.standing(connection, [spec.name for spec in monitor.breakers]),
        plateaus=_load_plateaus(connection, monitor, baseline, history, bucket, plateaus) if baseline else {},
        logged=_load_logged(connection, monitor, baseline, history, bucket, retraining) if baseline else None,
    )


def load_window(
    connection: Connection, monitor: Monitor, baseline: Baseline, bucket: Bucket, profiled: Profiled
) -> StoredWindow:
    """Read what is stored of the window that ends with a bucket."""
    start, _ = window_starts(bucket, monitor.window)
    labelled = _labelled_interval(monitor, bucket)
    objectives = _objective_ranges(monitor, profiled, bucket)
    ranges = windows.window_ranges(baseline, start, bucket.start)
    ranges += [Range(*windows.PROFILE, *labelled, baseline.layout)] if labelled else []
    facts, profiles, *others = aggregates.load(connection, monitor.name, [*ranges, *(one for _, one in objectives)])
    before = windows.decode_window(baseline, facts, profiles)
    events = [EventCounts.sum_bytes(row.data for row in rows) for rows in others[bool(labelled) :]]
    return StoredWindow(
        starts=list(before),
        parts=list(before.values()),
        labelled=windows.sum_profiles(baseline, others[0]) if labelled else {},
        sums=load_sequential_state(connection, monitor.name, bucket.start - monitor.bucket),
        truths=estimate_accuracy.before(connection, monitor, bucket.start) if OUTCOME in baseline.layouts else {},
        counted=_sum_objectives([one for one, _ in objectives], events),
    )


def _labelled_interval(monitor: Monitor, bucket: Bucket) -> tuple[datetime, datetime] | None:
    """Return the window whose labels are complete: one window later, for its audit comes first."""
    after = monitor.labels_after
    if not after:
        return None
    back = floor(bucket.start - after - monitor.window, monitor.bucket)
    end = back + monitor.bucket
    return window_starts(Bucket(back, end), monitor.window)[0], end


def _objective_ranges(monitor: Monitor, profiled: Profiled, bucket: Bucket) -> list[tuple[tuple[str, datetime], Range]]:
    """Return by signal and start the events from each moment that an objective looks at to the next."""
    signals = count_events(monitor, profiled)
    starts: dict[str, set[datetime]] = {}
    for check in monitor.objectives:
        if check.signal in signals:
            starts.setdefault(str(check.signal), set()).update(objective_starts(bucket.end, check.period))
    return [
        ((signal, start), Range("events", signal, start, end, dated=False))
        for signal, moments in starts.items()
        for start, end in pairwise([*sorted(moments), max(bucket.start, *moments)])
    ]


def _sum_objectives(
    keys: Sequence[tuple[str, datetime]], events: Sequence[EventCounts]
) -> dict[str, dict[datetime, EventCounts]]:
    """Sum what lies between the moments to what lies between each of them and the bucket."""
    sums: dict[str, dict[datetime, EventCounts]] = {}
    for (signal, start), counted in reversed(list(zip(keys, events, strict=True))):
        later = sums.setdefault(signal, {})
        later[start] = counted + (later[min(later)] if later else EventCounts())
    return sums


def _load_plateaus(
    connection: Connection, monitor: Monitor, baseline: Baseline, past: AlertHistory, bucket: Bucket, before: Plateaus
) -> Plateaus:
    """Read the first window after each moment at which people were told of an open incident, each once."""
    plateaus = {}
    for since in set(plateau_starts(monitor, past.open, bucket.end).values()):
        key = (baseline.layout, since)
        plateaus[key] = before.get(key) or _load_plateau(connection, monitor, baseline, since)
    return plateaus


def _load_plateau(connection: Connection, monitor: Monitor, baseline: Baseline, since: datetime) -> Plateau:
    window = windows.load_window(connection, monitor.name, baseline, since, since + monitor.window)
    return Plateau(add_profiles([part.profiles for part in window.values()]), tuple(window))


def _load_logged(
    connection: Connection,
    monitor: Monitor,
    baseline: Baseline,
    past: AlertHistory,
    bucket: Bucket,
    rules: Collection[str],
) -> History | None:
    """Read what a retraining is told of the buckets before, if one can be asked for at all."""
    if not rules:
        return None
    first = earliest_asked(monitor, past, bucket, rules)
    spec = monitor.savings.retraining if monitor.savings else None
    of_baseline = (0, 0)
    if baseline.start is not None and baseline.end is not None:
        start = floor(baseline.start, monitor.bucket)
        of_baseline = buckets.count_records(connection, monitor.name, start, min(baseline.end, bucket.start))
    return History(
        buckets.logged_by_bucket(connection, monitor.name, first, bucket.start),
        of_baseline,
        savings.load_measure(connection, monitor.name, spec.measure, first) if spec else (),
    )
