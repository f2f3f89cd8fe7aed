"""Incidents, changes and versions."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.config.rules import STANDING_CHECKS
from monitor.core.action import PastAction, Version
from monitor.core.incident import Change, Decision, Incident, MissingData
from monitor.store.database import upsert
from monitor.store.prefixes import find_by_prefix
from monitor.store.rows import read_all
from monitor.store.tables import buckets, changes, incidents, transitions, versions

MOST_ELSEWHERE = 1000
_FIELDS = tuple(field.name for field in fields(Incident))
_MONITOR: sa.BindParameter[str] = sa.bindparam("monitor")
_OPEN = sa.select(incidents).where(incidents.c.monitor == _MONITOR, incidents.c.state != "resolved")
_RESOLVED = (
    sa.select(incidents)
    .where(incidents.c.monitor == _MONITOR, incidents.c.state == "resolved")
    .where(incidents.c.fired_at.is_not(None), incidents.c.resolved_at >= sa.bindparam("since"))
    .order_by(incidents.c.resolved_at)
)
_BY_ID = sa.select(incidents).where(incidents.c.id.in_(sa.bindparam("ids", expanding=True)))
_SUSPECTED_CHANGES = sa.select(incidents.c.suspected_change).where(
    incidents.c.monitor == _MONITOR, incidents.c.fired_at.is_not(None)
)
_CHANGES = sa.select(changes).where(changes.c.monitor == _MONITOR)
_VERSIONS = sa.select(versions).where(versions.c.monitor == _MONITOR)
_RESULTS = (
    sa.select(buckets.c.result, buckets.c.reason)
    .where(buckets.c.monitor == _MONITOR, buckets.c.state == "finished")
    .where(buckets.c.start >= sa.bindparam("since"), buckets.c.start < sa.bindparam("before"))
    .order_by(buckets.c.start.desc())
)


def open_incidents(connection: Connection, monitor: str) -> list[Incident]:
    """Return the pending and firing incidents of a monitor."""
    return read_all(connection, Incident, _OPEN, {"monitor": monitor})


def firing_elsewhere(connection: Connection, monitor: str, others: Collection[str]) -> list[Incident]:
    """Return the firing incidents of other monitors, newest first, up to a maximum."""
    names = sorted(set(others) - {monitor})
    query = sa.select(incidents).where(incidents.c.state == "firing", incidents.c.monitor.in_(names))
    return read_all(connection, Incident, query.order_by(incidents.c.fired_at.desc()).limit(MOST_ELSEWHERE))


def find_incident(connection: Connection, prefix: str) -> Incident:
    """Return the incident whose id begins with a prefix.

    Raises
    ------
    LookupError
        With a sentence, if no incident or several have such an id.
    """
    return find_by_prefix(connection, Incident, incidents, "incident", prefix)


def last_resolved(connection: Connection, monitor: str, since: datetime) -> dict[str, Incident]:
    """Return by group the incident that was resolved last, of those resolved since a time."""
    rows = read_all(connection, Incident, _RESOLVED, {"monitor": monitor, "since": since})
    return {one.group: one for one in rows}


def load_acted(
    connection: Connection, unresolved: Collection[Incident], past: Sequence[PastAction], since: datetime
) -> list[Incident]:
    """Return the resolved incidents with an effect that was sent since a time, or that is not verified yet."""
    sent = [row for row in past if row.is_verifiable]
    recent = [row for row in sent if row.verification is None or row.sent_at > since]
    ids = {row.incident for row in recent} - {incident.id for incident in unresolved}
    return read_all(connection, Incident, _BY_ID, {"ids": sorted(ids)}) if ids else []


def save_decision(connection: Connection, decision: Decision) -> None:
    """Store an incident and, if its state changed or it has a further change, the transition with its reason."""
    incident = decision.incident
    row = {name: getattr(incident, name) for name in _FIELDS}
    row["evidence"] = {key: dict(item) for key, item in incident.evidence.items()}
    row["changes"] = [dict(change) for change in incident.changes]
    row["suspects"] = [dict(suspect) for suspect in incident.suspects]
    row["rules"] = {name: dict(progress) for name, progress in incident.rules.items()}
    row["reason"] = incident.reason[:512]
    upsert(connection, incidents, [row], replace=(name for name in _FIELDS if name not in ("id", "opened_at")))
    if decision.transition or decision.change:
        entry = {
            "incident": incident.id,
            "at": incident.updated_at,
            "state": incident.state,
            "reason": decision.reason[:512],
        }
        upsert(connection, transitions, [entry])


def load_changes(connection: Connection, monitor: str) -> list[Change]:
    """Return the changes of a monitor, up to the stored maximum."""
    rows = connection.execute(_CHANGES, {"monitor": monitor})
    return [Change(row.kind, row.column, row.value, row.first_seen) for row in rows]


def load_versions(connection: Connection, monitor: str) -> list[Version]:
    """Return the traffic of every version of a monitor."""
    rows = connection.execute(_VERSIONS, {"monitor": monitor})
    return [Version(row.role, row.value, row.first_seen, row.last_seen, row.rows) for row in rows]


def load_blamed_versions(connection: Connection, monitor: str) -> list[str]:
    """Return the versions that have an incident of their own."""
    rows = connection.execute(_SUSPECTED_CHANGES, {"monitor": monitor}).scalars()
    suspects = [suspect for suspect in rows if suspect]
    return [str(suspect["value"]) for suspect in suspects if suspect["kind"] in ("model_version", "prompt_version")]


def count_missing(connection: Connection, monitor: str, before: datetime, most: int, bucket: timedelta) -> MissingData:
    """Return how many consecutive buckets before a time have no result although there was a baseline, and why."""
    rows = connection.execute(_RESULTS, {"monitor": monitor, "since": before - most * bucket, "before": before})
    missing = MissingData()
    for result, reason in reversed(list(itertools.takewhile(_is_blind, rows))):
        missing = missing.then(result, reason)
    return missing


def _is_blind(bucket: sa.Row[str | None, str | None]) -> bool:
    return bucket.result != "done" and not (bucket.reason or "").startswith("no_baseline")


def firing_during(
    connection: Connection, monitor: str, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """Return the periods in which an incident was open; rolling baselines exclude them.

    Incidents of experiments and of the baseline itself are not included: they do not mean that the traffic of that time
    is bad, and they stay open for weeks.
    """
    query = sa.select(incidents.c.opened_at, incidents.c.resolved_at, incidents.c.evidence).where(
        incidents.c.monitor == monitor,
        incidents.c.fired_at.is_not(None),
        incidents.c.opened_at < end,
        sa.or_(incidents.c.resolved_at.is_(None), incidents.c.resolved_at > start),
    )
    return [
        (row.opened_at, row.resolved_at or end)
        for row in connection.execute(query)
        if not row.evidence or any(item["check"] not in STANDING_CHECKS for item in row.evidence.values())
    ]
