"""The profile of a bucket: a pure function of its rows, whatever the pages they came in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, ClassVar

import numpy as np

from detectors.binning import LONGEST_CATEGORY, Binning, category
from detectors.cost.ledger import CostAccumulator, CostSummary
from detectors.encoding import pack, unpack
from detectors.joint import JOINT, project
from detectors.outcome import OUTCOME, outcomes
from detectors.performance.rates import VERDICT, judged_column, labelled_column
from detectors.profile import Profile
from detectors.records import Column, Records, row_count, take, unseen
from detectors.weights import ROLES as WEIGHTS
from detectors.weights import UNIT, WEIGHT, natural, row_units, weigh, weight_column
from monitor.config.models import Monitor
from monitor.config.presets import PRESETS
from monitor.config.signals import resolve
from monitor.core.schedule import Bucket
from monitor.profiling.ab_counts import Arms, required_columns
from monitor.profiling.clients import CLIENTS, add_sketches, sketch_clients
from monitor.profiling.learn import with_signals
from monitor.profiling.served import find_unserved, keep_served
from monitor.profiling.spend import till
from monitor.sources.base import Counts, Reader, SourceError
from monitor.sources.screen import MANY_WORDS, count_words, without_personal

VERSION_ROLES = ("model_version", "prompt_version")
OUTCOME_ROLES = ("score", "prediction", "label")
MOST_VERSIONS = 200
MOST_UNSEEN = 10
FREE_TEXT = "(free text)"
"""Stands for a new category that is a text of many words."""
READS = 3
NEWER = ("clients", "excess_weight", "invalid_weights")
"""Facts that were added later."""


@dataclass
class Facts:
    """What a bucket holds besides distributions. Everything adds up or is a minimum or a maximum."""

    rows: int = 0
    duplicates: int = 0
    first: float | None = None
    last: float | None = None
    schema: dict[str, str] = field(default_factory=dict)
    versions: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # role, value: rows, first, last
    unseen: dict[str, dict[str, float]] = field(default_factory=dict)  # column, category: first seen
    dropped_segments: int = 0
    clients: dict[str, list[int]] = field(default_factory=dict)  # column: sketch of how its rows spread over clients
    excess_weight: int = 0  # of all rows, beyond 1 each, in units of 1/65536
    invalid_weights: int = 0  # rows that were left out
    definition: ClassVar[str] = "1"

    def __add__(self, other: Facts) -> Facts:
        """Return the facts of two stretches together; the columns are those of the later one."""
        return Facts(
            rows=self.rows + other.rows,
            duplicates=self.duplicates + other.duplicates,
            first=min((f for f in (self.first, other.first) if f is not None), default=None),
            last=max((f for f in (self.last, other.last) if f is not None), default=None),
            schema=other.schema or self.schema,
            versions={
                role: _add_versions(self.versions.get(role, {}), other.versions.get(role, {}))
                for role in {**self.versions, **other.versions}
            },
            unseen={
                column: _add_unseen(self.unseen.get(column, {}), other.unseen.get(column, {}))
                for column in {**self.unseen, **other.unseen}
            },
            dropped_segments=self.dropped_segments + other.dropped_segments,
            clients=add_sketches(self.clients, other.clients),
            excess_weight=self.excess_weight + other.excess_weight,
            invalid_weights=self.invalid_weights + other.invalid_weights,
        )

    @property
    def requests(self) -> float:
        """Number of requests that the rows stand for."""
        return natural(self.rows * UNIT + self.excess_weight)

    @property
    def whole_requests(self) -> int:
        """The same as a whole number, 0 only where there are no rows."""
        return max(round(self.requests), min(self.rows, 1))

    def to_json(self) -> dict[str, Any]:
        """Return plain data; what older buckets do not have is left out where it is empty."""
        data = asdict(self)
        return {name: value for name, value in data.items() if value or name not in NEWER}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Facts:
        """Read what :meth:`to_json` wrote."""
        return cls(**(data or {}))

    def to_bytes(self) -> bytes:
        """Return the stored form."""
        return pack(self.to_json())

    @classmethod
    def from_bytes(cls, data: bytes) -> Facts:
        """Read what :meth:`to_bytes` wrote."""
        return cls.from_json(unpack(data, dict))


def _add_versions(one: Mapping[str, list[float]], other: Mapping[str, list[float]]) -> dict[str, list[float]]:
    total = {value: list(counted) for value, counted in one.items()}
    for value, (count, first, last) in other.items():
        if value in total:
            before = total[value]
            total[value] = [before[0] + count, min(before[1], first), max(before[2], last)]
        elif len(total) < MOST_VERSIONS:
            total[value] = [count, first, last]
    return total


def _add_unseen(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    total = dict(one)
    for value, first in other.items():
        if value in total or len(total) < MOST_UNSEEN:
            total[value] = min(first, total.get(value, first))
    return total


@dataclass(frozen=True)
class Profiled:
    """The finished computation of one bucket."""

    counts: Counts
    facts: Facts
    profiles: dict[str | None, dict[str, Profile]]
    arms: Mapping[str, Arms] = field(default_factory=dict)
    bill: CostSummary | None = None


def profile_bucket(reader: Reader, monitor: Monitor, layouts: Mapping[str, Binning], bucket: Bucket) -> Profiled:
    """Read a sealed bucket and profile it; reads again when rows arrived meanwhile."""
    schema = reader.schema()
    columns = columns_to_read(monitor, layouts, schema)
    for _ in range(READS):
        counts = reader.counts(bucket.start, bucket.end)
        pages: Iterable[Records] = reader.read(bucket.start, bucket.end, columns) if counts.rows else ()
        arms = {spec.name: Arms(spec) for spec in monitor.experiments}
        profiler = Profiler(monitor, layouts, list(arms.values()), till(monitor, schema))
        for page in pages:
            profiler.add(page)
        if reader.counts(bucket.start, bucket.end) == counts:
            break
    profiler.facts.schema = dict(schema)
    bill = profiler.till.bill() if profiler.till else None
    return Profiled(counts, profiler.facts, profiler.profiles(), arms, bill)


def columns_to_read(monitor: Monitor, layouts: Mapping[str, Binning], schema: Mapping[str, str]) -> list[str]:
    """Return the columns to read: the watched ones, what signals need, segments, versions and the id."""
    signals = resolve(monitor.signals)
    made = {signal.name for signal in signals}
    made |= {column(signal) for signal in monitor.rates for column in (labelled_column, judged_column)}
    names: list[str] = [name for name in layouts if name not in made]
    names += [role for signal in signals for role in (*signal.needs, *signal.uses)]
    preset = monitor.source.preset
    names += [*monitor.segments, *VERSION_ROLES, "id", *(PRESETS[preset].clients if preset else CLIENTS)]
    names += weights_read(monitor)
    names += OUTCOME_ROLES if monitor.performance else ()
    names += ["label"] if monitor.rates else []
    names += [name for spec in monitor.experiments for name in required_columns(spec)]
    names += deciding_columns(monitor, schema)
    names += [monitor.money, "input_tokens", "output_tokens"] if monitor.budgets else []
    names += [check.by for check in monitor.budgets if check.by]
    return [name for name in dict.fromkeys(names) if name in schema]


def weights_read(monitor: Monitor) -> list[str]:
    """Return the roles of weights that a monitor's log may have: a column that is only called so is none."""
    return [role for role in WEIGHTS if role in monitor.source.columns or monitor.source.preset]


def split_by_weight(records: Records, monitor: Monitor) -> tuple[Records, Records]:
    """Return the records with the weight of each, where not all weigh 1, and those whose weight cannot be used."""
    columns = {role: records[role] for role in weights_read(monitor) if role in records}
    if not columns:
        return records, {}
    units, usable = weigh(columns)
    if (units[usable] != UNIT).any():
        records = {**records, WEIGHT: weight_column(units)}
    return (records, {}) if usable.all() else (take(records, usable), take(records, ~usable))


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
    return [name for name in dict.fromkeys(one.column for one in find_unserved(monitor)) if name in known]


def newest_served(reader: Reader, monitor: Monitor, start: datetime) -> float | None:
    """Return when the newest served record was logged, at most, if there is none since ``start``."""
    newest = reader.newest()
    if newest is None:
        return None
    return (min(newest, start) if find_unserved(monitor) else newest).timestamp()


class Profiler:
    """Adds the served traffic of pages up. Rows of an id that was seen before in the bucket count as duplicates only.

    ``arms`` are the experiments that count the same rows, ``till`` what counts their money, ``seen`` the ids of
    earlier buckets whose rows are not to be counted again.
    """

    def __init__(
        self,
        monitor: Monitor,
        layouts: Mapping[str, Binning],
        arms: Sequence[Arms] = (),
        till: CostAccumulator | None = None,
        seen: set[object] | None = None,
    ) -> None:
        self._arms = arms
        self.facts = Facts()
        self.till = till
        self._monitor = monitor
        self._layouts = layouts
        self._seen: set[object] = set() if seen is None else seen
        self._segments: dict[str | None, dict[str, Profile]] = {None: self._empty()}

    def add(self, page: Records) -> None:
        """Profile one page, in the order of time."""
        monitor = self._monitor
        unique = unseen(page, self._seen)
        if row_count(unique) < row_count(page):
            self.facts.duplicates += row_count(keep_served(page, monitor)) - row_count(keep_served(unique, monitor))
        unique, unusable = split_by_weight(unique, monitor)
        self.facts.invalid_weights += row_count(keep_served(unusable, monitor)) if unusable else 0
        if row_count(unique) == 0:
            return
        logged = with_signals(unique, monitor.signals)
        for arms in self._arms:
            arms.add(keep_served(logged, monitor, arms.spec))
        records = dict(keep_served(logged, monitor))
        rows = row_count(records)
        if rows == 0:
            return
        self.facts.rows += rows
        if (units := row_units(records)) is not None:
            self.facts.excess_weight += int(units.sum()) - rows * UNIT
        times = records["timestamp"].values
        first, last = float(times.min()), float(times.max())
        self.facts.first = first if self.facts.first is None else min(first, self.facts.first)
        self.facts.last = last if self.facts.last is None else max(last, self.facts.last)
        if self.till is not None:
            self.till.add(records)
        if JOINT in self._layouts:
            records[JOINT] = project(records, self._layouts)
        if OUTCOME in self._layouts:
            records[OUTCOME] = outcomes(records, self._layouts[OUTCOME])
        self._add_labelled(records)
        counted = {name: sketch.tolist() for name, sketch in sketch_clients(records).items()}
        self.facts.clients = add_sketches(self.facts.clients, counted)
        self._count_versions(records)
        self._note_unseen(records)
        self._merge(None, records)
        records.pop(JOINT, None)  # the joint distribution is that of all rows only
        for segment, members in self._split(records):
            self._merge(segment, take(records, members))

    def _add_labelled(self, records: dict[str, Column]) -> None:
        """Put the scores of rates beside their labels."""
        for signal, check in self._monitor.rates.items():
            if signal not in records:
                continue
            scored = {"score": records[signal]}
            if (column := labelled_column(signal)) in self._layouts:
                records[column] = outcomes({**scored, **_labels(records)}, self._layouts[column])
            if (column := judged_column(signal)) in self._layouts:
                records[column] = outcomes(
                    {**scored, **_merge_verdicts(records, check.positive)}, self._layouts[column]
                )

    def profiles(self) -> dict[str | None, dict[str, Profile]]:
        """Return segment to column to profile."""
        return self._segments

    def _empty(self) -> dict[str, Profile]:
        return {name: Profile.empty(layout) for name, layout in self._layouts.items()}

    def _merge(self, segment: str | None, records: Records) -> None:
        held = self._segments.setdefault(segment, self._empty() if segment is None else {})
        units = row_units(records)
        for name, layout in self._layouts.items():
            if name in records:
                added = Profile.of(records[name], layout, units)
                held[name] = held[name] + added if name in held else added

    def _count_versions(self, records: Records) -> None:
        for role in VERSION_ROLES:
            if role not in records:
                continue
            held = self.facts.versions.setdefault(role, {})
            for value, members in groups(records[role]):
                times = records["timestamp"].values[members]
                count, first, last = held.get(value, [0, np.inf, -np.inf])
                if value in held or len(held) < MOST_VERSIONS:
                    held[value] = [count + len(times), min(first, float(times[0])), max(last, float(times[-1]))]

    def _note_unseen(self, records: Records) -> None:
        """Note the first categories that the baseline did not have, without the personal data that they may hold."""
        for name, layout in self._layouts.items():
            if layout.kind != "categorical" or not layout.complete or name not in records:
                continue
            column, known = records[name], set(layout.vocabulary)
            held = self.facts.unseen.setdefault(name, {})
            for row in np.flatnonzero(~column.missing):
                value = category(column.values[row])
                if value in known or len(held) >= MOST_UNSEEN:
                    continue
                known.add(value)
                held.setdefault(self._shown(name, value), float(records["timestamp"].values[row]))

    def _shown(self, column: str, value: str) -> str:
        """Return a new category as it may be stored: a text of many words only where the column is listed by name."""
        features = self._monitor.features
        listed = features.include != "auto" or column in features.types
        if not listed and count_words(value) > MANY_WORDS:
            return FREE_TEXT
        return without_personal(value)

    def _split(self, records: Records) -> Iterator[tuple[str, np.ndarray]]:
        """Yield segments; new values get a place in the order of their first row, up to the cap."""
        for name in self._monitor.segments:
            if name not in records:
                continue
            for value, members in groups(records[name]):
                segment = f"{name}={value}"
                taken = sum(1 for held in self._segments if held and held.startswith(f"{name}="))
                if segment in self._segments or taken < self._monitor.max_segments:
                    yield segment, members
                else:
                    self.facts.dropped_segments += len(members)


def _labels(records: Records) -> dict[str, Column]:
    return {"label": records["label"]} if "label" in records else {}


def _merge_verdicts(records: Records, positive: str | None) -> dict[str, Column]:
    """Return people's labels, and a judge's verdicts where there are none."""
    if VERDICT not in records:
        return _labels(records)
    found, given = records[VERDICT], records.get("label")
    bad = {1.0: positive or "yes", 0.0: "no" if positive is None else f"not {positive}"}
    told = [
        given.values[row]
        if given is not None and not given.missing[row]
        else (None if found.missing[row] else bad[float(found.values[row])])
        for row in range(len(found))
    ]
    return {"label": Column.of(told)}


def groups(column: Column) -> list[tuple[str, np.ndarray]]:
    """Return the rows of each category, categories in the order of their first row."""
    places: dict[str, list[int]] = {}
    for row in np.flatnonzero(~column.missing):
        places.setdefault(category(column.values[row])[:LONGEST_CATEGORY], []).append(int(row))
    return [(value, np.array(rows)) for value, rows in places.items()]


def add_profiles(
    parts: Sequence[Mapping[str | None, Mapping[str, Profile]]],
) -> dict[str | None, dict[str, Profile]]:
    """Sum the profiles of several buckets."""
    total: dict[str | None, dict[str, Profile]] = {}
    for part in parts:
        for segment, columns in part.items():
            held = total.setdefault(segment, {})
            for name, profile in columns.items():
                held[name] = held[name] + profile if name in held else profile
    return total
