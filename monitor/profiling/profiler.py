"""Aggregate records to facts, profiles by segment, arms of experiments and costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from detectors import Binning, Profile
from detectors.cost.ledger import CostAccumulator
from detectors.weights import row_units
from monitor.config.models import Monitor
from monitor.core.record_batch import RecordBatch
from monitor.profiling.ab_counts import Arms
from monitor.profiling.count_records import count_records, group_rows
from monitor.profiling.derived_columns import WHOLE_ONLY, derive_columns
from monitor.profiling.facts import Facts
from monitor.profiling.signals import protect_values, stored_columns, with_signals
from monitor.profiling.weights import has_label_probability, split_by_weight, split_labels_by_weight
from monitor.sources.traffic_roles import keep_monitored, keep_own_arms


class Profiler:
    """Aggregates the served traffic of batches. Rows with a repeated id are counted as duplicates only.

    ``arms`` are the experiments that count the same rows, ``costs`` accumulates costs, ``keys`` are ids of earlier
    buckets whose rows are not counted again.
    """

    def __init__(
        self,
        monitor: Monitor,
        layouts: Mapping[str, Binning],
        arms: Sequence[Arms] = (),
        costs: CostAccumulator | None = None,
        keys: set[object] | None = None,
    ) -> None:
        self._arms = arms
        self.facts = Facts()
        self.costs = costs
        self._monitor = monitor
        self._layouts = layouts
        categories = [name for name, layout in layouts.items() if layout.kind == "categorical"]
        self._stored = stored_columns(monitor, categories)
        self._keys: set[object] = set() if keys is None else keys
        self._own_keys: dict[str, set[object]] = {}
        self._segments: dict[str | None, dict[str, Profile]] = {None: self._empty()}

    def add(self, batch: RecordBatch) -> None:
        """Add records, which must be in order of time."""
        monitor = self._monitor
        for arms in self._arms:
            own = keep_own_arms(batch, monitor, arms.spec).unseen(self._own_keys.setdefault(arms.spec.name, set()))
            self._add_arms([arms], split_by_weight(own, monitor)[0])
        served = keep_monitored(batch, monitor)
        unique = served.unseen(self._keys)
        self.facts.duplicates += served.rows - unique.rows
        usable, unusable = split_by_weight(unique, monitor)
        self.facts.invalid_weights += unusable.rows
        records = self._add_arms(self._arms, usable)
        if not records.rows:
            return
        if has_label_probability(monitor):
            records, invalid = split_labels_by_weight(records)
            self.facts.invalid_labels += invalid
        records = protect_values(records, monitor, self._stored)
        count_records(self.facts, records, self._layouts, monitor.features)
        if self.costs is not None:
            self.costs.add(records)
        records = records.with_columns(derive_columns(records, self._layouts, monitor.rates))
        self._merge(None, records)
        records = records.without(WHOLE_ONLY)
        for segment, members in self._split(records):
            self._merge(segment, records.take(members))

    def _add_arms(self, arms: Sequence[Arms], records: RecordBatch) -> RecordBatch:
        """Add the signals to records, count the records in experiments, and return them."""
        if not records.rows:
            return records
        logged = with_signals(records, self._monitor.signals)
        for one in arms:
            one.add(logged)
        return logged

    def profiles(self) -> dict[str | None, dict[str, Profile]]:
        """Return the profiles by segment and column."""
        return self._segments

    def _empty(self) -> dict[str, Profile]:
        return {name: Profile.empty(layout) for name, layout in self._layouts.items()}

    def _merge(self, segment: str | None, records: RecordBatch) -> None:
        profiles = self._segments.setdefault(segment, self._empty() if segment is None else {})
        units = row_units(records)
        for name, layout in self._layouts.items():
            if name in records:
                added = Profile.of(records[name], layout, units)
                profiles[name] = profiles[name] + added if name in profiles else added

    def _split(self, records: RecordBatch) -> Iterator[tuple[str, np.ndarray]]:
        """Yield segments and their rows; new values are added in order of their first row, up to `max_segments:`."""
        for name in self._monitor.segments:
            if name not in records:
                continue
            for value, members in group_rows(records[name]):
                segment = f"{name}={value}"
                taken = sum(1 for existing in self._segments if existing and existing.startswith(f"{name}="))
                if segment in self._segments or taken < self._monitor.max_segments:
                    yield segment, members
                else:
                    self.facts.dropped_segments += len(members)
