"""Count the facts of records: times, weights, clients, versions and new categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from detectors import Binning, Column
from detectors.binning import LONGEST_CATEGORY, category
from detectors.weights import UNIT, row_units
from monitor.config.models import Features
from monitor.core.record_batch import RecordBatch
from monitor.profiling.clients import add_sketches, sketch_clients
from monitor.profiling.facts import MOST_UNSEEN, MOST_VERSIONS, VERSION_ROLES, Facts
from monitor.profiling.signals import QUARANTINED
from monitor.sources.screen import MANY_WORDS, count_words, without_personal

FREE_TEXT = "(free text)"
"""Replaces a new category that is a text of many words."""


def count_records(facts: Facts, records: RecordBatch, layouts: Mapping[str, Binning], features: Features) -> None:
    """Add one or more records of served traffic to the facts of their bucket."""
    rows = records.rows
    facts.rows += rows
    if (units := row_units(records)) is not None:
        facts.excess_weight += int(units.sum()) - rows * UNIT
    times = records.times
    first, last = float(times.min()), float(times.max())
    facts.first = first if facts.first is None else min(first, facts.first)
    facts.last = last if facts.last is None else max(last, facts.last)
    counted = {name: sketch.tolist() for name, sketch in sketch_clients(records).items()}
    facts.clients = add_sketches(facts.clients, counted)
    if QUARANTINED in records:
        reasons = records[QUARANTINED]
        facts.quarantined = dict(Counter(facts.quarantined) + Counter(reasons.values[~reasons.missing]))
    _count_versions(facts, records)
    _count_unseen(facts, records, layouts, features)


def _count_versions(facts: Facts, records: RecordBatch) -> None:
    for role in VERSION_ROLES:
        if role not in records:
            continue
        counted = facts.versions.setdefault(role, {})
        for value, members in group_rows(records[role]):
            times = records.times[members]
            count, first, last = counted.get(value, [0, np.inf, -np.inf])
            if value in counted or len(counted) < MOST_VERSIONS:
                counted[value] = [count + len(times), min(first, float(times[0])), max(last, float(times[-1]))]


def _count_unseen(facts: Facts, records: RecordBatch, layouts: Mapping[str, Binning], features: Features) -> None:
    """Record the first categories that are not in the baseline, without personal data."""
    for name, layout in layouts.items():
        if layout.kind != "categorical" or not layout.complete or name not in records:
            continue
        column, vocabulary = records[name], set(layout.vocabulary)
        noted = facts.unseen.setdefault(name, {})
        for row in np.flatnonzero(~column.missing):
            value = category(column.values[row])
            if value in vocabulary or len(noted) >= MOST_UNSEEN:
                continue
            vocabulary.add(value)
            noted.setdefault(_shorten(name, value, features), float(records.times[row]))


def _shorten(column: str, value: str, features: Features) -> str:
    """Return a new category for storage; texts of many words are kept only if the column is configured by name."""
    listed = features.include != "auto" or column in features.types
    if not listed and count_words(value) > MANY_WORDS:
        return FREE_TEXT
    return without_personal(value)


def group_rows(column: Column) -> list[tuple[str, np.ndarray]]:
    """Return the rows of each category, in order of the first row."""
    places: dict[str, list[int]] = {}
    for row in np.flatnonzero(~column.missing):
        places.setdefault(category(column.values[row])[:LONGEST_CATEGORY], []).append(int(row))
    return [(value, np.array(rows)) for value, rows in places.items()]
