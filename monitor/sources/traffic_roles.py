"""The role of each record: served traffic, or records whose answers were not shown to users, such as evaluations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from detectors.binning import to_categories
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import Monitor
from monitor.config.traffic import TRAFFIC_ROLES, RoleRule, arm_rule, mark_rules
from monitor.core.record_batch import RecordBatch
from monitor.sources.base import SourceError

SERVED = TRAFFIC_ROLES.index("served")


def decide_roles(records: RecordBatch, rules: Sequence[RoleRule]) -> np.ndarray:
    """Return the role of each record as its index in ``TRAFFIC_ROLES``, int8 of shape (rows,).

    The last matching rule decides; without one, and without the column of a rule, a record is served traffic.

    Examples
    --------
    >>> from detectors.records import Column
    >>> log = RecordBatch({"timestamp": Column.floats(np.arange(3.0)), "kind": Column.of(["chat", None, "ping"])})
    >>> [TRAFFIC_ROLES[role] for role in decide_roles(log, [RoleRule("probe", "kind", ("ping",))])]
    ['served', 'served', 'probe']
    """
    roles = np.full(records.rows, SERVED, dtype=np.int8)
    for rule in rules:
        roles[_matches(records, rule)] = TRAFFIC_ROLES.index(rule.role)
    return roles


def are_monitored(records: RecordBatch, monitor: Monitor) -> np.ndarray:
    """Return whether each record has a role that the monitor looks at, bool of shape (rows,)."""
    roles = [TRAFFIC_ROLES.index(role) for role in monitor.roles]
    return np.isin(decide_roles(records, monitor.role_rules), roles)


def keep_monitored(records: RecordBatch, monitor: Monitor) -> RecordBatch:
    """Return the records of the roles that the monitor looks at: served traffic, unless its checks name others."""
    return _take(records, are_monitored(records, monitor))


def keep_own_arms(records: RecordBatch, monitor: Monitor, spec: Experiment | Shadow) -> RecordBatch:
    """Return the records of the arms of a comparison that are not served, by its settings or by `traffic:`."""
    marked, rule = decide_roles(records, mark_rules(monitor.source, monitor.traffic)), arm_rule(spec)
    own = _matches(records, rule) & (marked == SERVED)
    own |= _matches(records, replace(rule, values=tuple(spec.challengers))) & (marked == TRAFFIC_ROLES.index(rule.role))
    return _take(records, own)


def role_columns(monitor: Monitor, names: Collection[str]) -> list[str]:
    """Return the logged columns that decide the role of a record.

    Raises
    ------
    SourceError
        If a column of ``traffic:`` is not logged, as evaluations would count as served traffic.
    """
    for role, mark in monitor.traffic.items():
        if mark.column not in names:
            message = f"traffic.{role}: {mark.column!r} is not a column of {monitor.name}; map it under `columns:`."
            raise SourceError("missing_column", message)
    return [name for name in dict.fromkeys(rule.column for rule in monitor.role_rules) if name in names]


def _matches(records: RecordBatch, rule: RoleRule) -> np.ndarray:
    """Return whether a rule applies to each record, bool of shape (rows,)."""
    if rule.column not in records or not rule.values:
        return np.zeros(records.rows, dtype=bool)
    seconds = records.times
    first = -np.inf if rule.start is None else rule.start.timestamp()
    last = np.inf if rule.end is None else rule.end.timestamp()
    has_value: np.ndarray = np.isin(to_categories(records[rule.column]), rule.values)
    return has_value & (seconds >= first) & (seconds < last)


def _take(records: RecordBatch, kept: np.ndarray) -> RecordBatch:
    return records if kept.all() else records.take(kept)
