"""State: all that the decision about a bucket needs of our database, read in one snapshot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from detectors.outcome import OUTCOME
from detectors.profile import Profile
from detectors.spend.breaker import Breaker
from detectors.spend.objective import Events
from detectors.spend.objective import starts as objective_starts
from monitor.actions.breakers import Key
from monitor.actions.retraining_context import History, earliest_asked
from monitor.alerting.change_point import Plateau
from monitor.alerting.second_shift import plateau_starts
from monitor.checks.baseline import Baseline
from monitor.checks.detect import BucketSummary
from monitor.checks.objectives import count_events
from monitor.checks.window import StoredWindow
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket, floor, window_starts
from monitor.profiling.profile import Facts, Profiled, add_profiles
from monitor.profiling.spend import Spending
from monitor.store import (
    breakers,
    buckets,
    comparisons,
    context,
    estimate_accuracy,
    labels,
    ledger,
    objectives,
    savings,
)
from monitor.store.buckets import Claim
from monitor.store.comparisons import Standing

Plateaus = Mapping[tuple[str, datetime], Plateau]
"""Plateaus by the bins of the baseline and by their beginning."""


@dataclass(frozen=True)
class State:
    """What is known before a bucket is judged.

    Parameters
    ----------
    present
        Whether the bucket is of the time that is judged, and not of the history before.
    live
        Whether it is judged now: it is present and computed for the first time.
    labels_imported
        Whether labels were imported for its monitor at all.
    window
        Of its window what is stored; None where there is no baseline to compare with.
    spending
        What was spent up to its end, its own bill included; None where no budget asks.
    comparisons, breakers
        How the experiments and shadows, and the breakers, of its monitor stand.
    past
        Incidents, silences, changes, versions and actions.
    plateaus
        What the open incidents have led to.
    history
        What a retraining is told of earlier buckets; None where none can be asked for.
    """

    present: bool
    live: bool
    labels_imported: bool
    window: StoredWindow | None = None
    spending: Spending | None = None
    comparisons: Mapping[Key, Standing] = field(default_factory=dict)
    breakers: Mapping[Key, Breaker] = field(default_factory=dict)
    past: AlertHistory = AlertHistory()
    plateaus: Plateaus = field(default_factory=dict)
    history: History | None = None


def load_state(
    connection: Connection,
    monitor: Monitor,
    claim: Claim,
    profiled: Profiled,
    baseline: Baseline | None,
    retraining: Collection[str],
    plateaus: Plateaus,
) -> State:
    """Read the state for a claimed bucket that has been profiled.

    Parameters
    ----------
    baseline
        What its window is compared with, None for nothing.
    retraining
        Names of the rules that ask for a retraining.
    plateaus
        Those of the bucket before, which need not be read again.
    """
    bucket = claim.bucket
    live_since = next((s.start for s in buckets.list_spans(connection, monitor.name) if s.kind == "live"), None)
    present = live_since is not None and bucket.start >= live_since
    state = State(
        present=present,
        live=present and claim.revision == 0,
        labels_imported=labels.has_labels(connection, monitor.name),
        window=load_window(connection, monitor, baseline, bucket, profiled) if baseline else None,
        spending=ledger.spending(connection, monitor, bucket, profiled.bill) if present else None,
        comparisons=comparisons.standing(connection, monitor.name) if monitor.experiments or monitor.shadows else {},
    )
    if not state.live:
        return state
    past = context.load(connection, monitor, bucket)
    return replace(
        state,
        past=past,
        breakers=breakers.standing(connection, [spec.name for spec in monitor.breakers]),
        plateaus=_load_plateaus(connection, monitor, baseline, past, bucket, plateaus) if baseline else {},
        history=_load_history(connection, monitor, baseline, past, bucket, retraining) if baseline else None,
    )


def load_window(
    connection: Connection, monitor: Monitor, baseline: Baseline, bucket: Bucket, profiled: Profiled
) -> StoredWindow:
    """Read what is stored of the window that ends with a bucket."""
    before = [
        row
        for row in buckets.window_rows(connection, monitor.name, *window_starts(bucket, monitor.window))
        if row.start != bucket.start and row.layout == baseline.layout
    ]
    counted: dict[str, dict[datetime, Events]] = {}
    signals = count_events(monitor, profiled)
    for check in monitor.objectives:
        signal = str(check.signal)
        if signal in signals:
            starts = objective_starts(bucket.end, check.period)
            events = objectives.since(connection, monitor.name, signal, starts, bucket.start)
            counted[signal] = {**counted.get(signal, {}), **events}
    return StoredWindow(
        starts=[row.start for row in before],
        parts=[BucketSummary(Facts.from_json(r.facts), buckets.decode_profiles(r, baseline.layouts)) for r in before],
        labelled=_load_labelled(connection, monitor, baseline, bucket),
        sums=buckets.load_sequential_state(connection, monitor.name, bucket.start - monitor.bucket),
        truths=estimate_accuracy.before(connection, monitor, bucket.start) if OUTCOME in baseline.layouts else {},
        counted=counted,
    )


def _load_labelled(
    connection: Connection, monitor: Monitor, baseline: Baseline, bucket: Bucket
) -> dict[str | None, dict[str, Profile]]:
    """Sum the window whose labels are complete: one window later, for its audit comes first."""
    after = monitor.labels_after
    if not after:
        return {}
    back = floor(bucket.start - after - monitor.window, monitor.bucket)
    first, last = window_starts(Bucket(back, back + monitor.bucket), monitor.window)
    return _sum_profiles(connection, monitor, baseline, first, last)[0]


def _sum_profiles(
    connection: Connection, monitor: Monitor, baseline: Baseline, first: datetime, last: datetime
) -> tuple[dict[str | None, dict[str, Profile]], tuple[datetime, ...]]:
    """Sum the stored buckets of a run over the bins of a baseline, and return their starts."""
    rows = buckets.window_rows(connection, monitor.name, first, last)
    same = [row for row in rows if row.layout == baseline.layout]
    return add_profiles([buckets.decode_profiles(r, baseline.layouts) for r in same]), tuple(row.start for row in same)


def _load_plateaus(
    connection: Connection, monitor: Monitor, baseline: Baseline, past: AlertHistory, bucket: Bucket, before: Plateaus
) -> Plateaus:
    """Read the first window after each moment at which people were told of an open incident, each once."""
    plateaus = {}
    for since in set(plateau_starts(monitor, past.open, bucket.end).values()):
        key = (baseline.layout, since)
        last = since + monitor.window - monitor.bucket
        plateaus[key] = before.get(key) or Plateau(*_sum_profiles(connection, monitor, baseline, since, last))
    return plateaus


def _load_history(
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
