"""Reads of committed state in one snapshot, for the command line, the web server and Prometheus."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.config.models import Config, Monitor
from monitor.core.incident import Incident
from monitor.store import action_summary, estimate_accuracy, evaluations, prompts, savings
from monitor.store.breakers import rows as breaker_rows
from monitor.store.buckets import OWED_AGAIN
from monitor.store.database import Database, now
from monitor.store.rows import (
    ActionRow,
    BaselineRow,
    BreakerRow,
    BucketRow,
    ChangeRow,
    ComparisonRow,
    EvaluationRow,
    FindingRow,
    SavingsRow,
    TransitionRow,
    VolumeRow,
    WatchRow,
    columns,
    read_all,
    read_first,
)
from monitor.store.tables import (
    actions,
    baselines,
    buckets,
    changes,
    comparisons,
    deploy_events,
    findings,
    incidents,
    spans,
    store_sizes,
    transitions,
    versions,
    watches,
)

MOST_FINDINGS = 2000


@dataclass(frozen=True)
class MonitorState:
    """The current state of a monitor."""

    name: str
    watch: WatchRow | None
    newest: BucketRow | None
    findings: Sequence[FindingRow]
    """Findings of the newest bucket, worst first; beyond MOST_FINDINGS those of segments are left out first."""
    finding_count: int
    """Number of findings of the newest bucket."""
    drifted: int
    """Number of these findings that are over their threshold."""
    open: Sequence[Incident]
    results: dict[tuple[str, str], int]
    owed_since: datetime | None
    stale: int
    baseline: BaselineRow | None
    compared: Sequence[ComparisonRow] = ()
    """Experiments and shadows, each with its newest results."""
    record: Sequence[estimate_accuracy.Accuracy] = ()
    """Accuracy of its estimates without labels, by metric."""
    saved: SavingsRow | None = None
    """Its newest estimate of savings, if configured."""


@dataclass(frozen=True)
class Snapshot:
    """The state of all monitors in one snapshot of our database."""

    at: datetime
    monitors: Sequence[MonitorState]
    actions: dict[tuple[str, str, str], int] = field(default_factory=dict)
    breakers: dict[str, list[BreakerRow]] = field(default_factory=dict)
    """Rows of each breaker that was evaluated for a bucket or set manually."""
    failed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """Time when an action last failed or expired, by monitor and name; absent if a later one was delivered."""
    reactions: dict[tuple[str, str], float] = field(default_factory=dict)
    """Seconds from the first bad record to the request of the newest effect, by monitor and name."""
    verifications: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """Number of effects by monitor, name and result of their verification."""
    outbox_oldest: datetime | None = None
    evaluations: Sequence[EvaluationRow] = ()
    """The newest run of every suite."""
    unregistered: dict[str, int] | None = None
    """Number of prompt versions in each monitor's records that were never pushed; None if none was ever pushed."""
    changed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """When the newest version of each role was first seen, and when each kind of deploy event was, by monitor."""
    store_bytes: dict[str, int] = field(default_factory=dict)
    """Bytes of our database by kind of rows, as last measured."""


def snapshot(database: Database, config: Config) -> Snapshot:
    """Read the state of every configured monitor."""
    with database.read() as connection:
        states = [_monitor(connection, monitor) for monitor in config.monitors]
        counted = connection.execute(
            sa.select(actions.c.monitor, actions.c.name, actions.c.state, sa.func.count())
            .where(actions.c.monitor.in_([monitor.name for monitor in config.monitors]))
            .group_by(actions.c.monitor, actions.c.name, actions.c.state)
        )
        oldest = connection.execute(
            sa.select(sa.func.min(actions.c.created_at)).where(actions.c.state == "pending")
        ).scalar_one_or_none()
        receivers = set(config.receivers)
        totals = {(row[0], row[1], row[2]): int(row[3]) for row in counted if row[1] in receivers}
        switches = _breakers(connection, [spec.name for monitor in config.monitors for spec in monitor.breakers])
        return Snapshot(
            now(connection),
            states,
            totals,
            switches,
            action_summary.find_failing(connection, [monitor.name for monitor in config.monitors], receivers),
            *action_summary.summarize_effects(connection, config),
            oldest,
            evaluations.newest_runs(connection),
            prompts.count_unregistered(connection),
            _find_last_changes(connection, [monitor.name for monitor in config.monitors]),
            _load_sizes(connection),
        )


def _load_sizes(connection: Connection) -> dict[str, int]:
    """Return the bytes of each kind when they were last measured."""
    return {row.kind: int(row.bytes) for row in connection.execute(sa.select(store_sizes))}


def _find_last_changes(connection: Connection, monitors: Collection[str]) -> dict[tuple[str, str], datetime]:
    """Return the time of the newest version of each role, and of the newest deploy event of each kind, by monitor."""
    appeared = sa.select(versions.c.monitor, versions.c.role, sa.func.max(versions.c.first_seen))
    deployed = sa.select(deploy_events.c.monitor, deploy_events.c.kind, sa.func.max(deploy_events.c.at))
    rows = [
        *connection.execute(
            appeared.where(versions.c.monitor.in_(monitors)).group_by(versions.c.monitor, versions.c.role)
        ),
        *connection.execute(
            deployed.where(deploy_events.c.monitor.in_(monitors)).group_by(
                deploy_events.c.monitor, deploy_events.c.kind
            )
        ),
    ]
    return {(monitor, kind): at for monitor, kind, at in rows}


def _breakers(connection: Connection, names: Sequence[str]) -> dict[str, list[BreakerRow]]:
    by_monitor: dict[str, list[BreakerRow]] = {}
    for row in breaker_rows(connection, names) if names else ():
        by_monitor.setdefault(row.name, []).append(row)
    return by_monitor


def _monitor(connection: Connection, monitor: Monitor) -> MonitorState:
    name = monitor.name
    watch = read_first(connection, WatchRow, sa.select(watches).where(watches.c.monitor == name))
    newest = newest_bucket(connection, name)
    counted = connection.execute(
        sa.select(buckets.c.result, buckets.c.reason, sa.func.count())
        .where(buckets.c.monitor == name, buckets.c.state == "finished")
        .group_by(buckets.c.result, buckets.c.reason)
    )
    results: dict[tuple[str, str], int] = {}
    for result, reason, count in counted:
        key = (result, (reason or "").split(":")[0][:32] if result != "done" else "")
        results[key] = results.get(key, 0) + int(count)
    stale = connection.execute(
        sa.select(sa.func.count()).select_from(buckets).where(buckets.c.monitor == name, OWED_AGAIN)
    ).scalar_one()
    owed = connection.execute(
        sa.select(sa.func.min(spans.c.next)).where(spans.c.monitor == name, spans.c.kind == "live")
    ).scalar_one_or_none()
    baseline = read_first(
        connection,
        BaselineRow,
        sa.select(*columns(baselines, BaselineRow))
        .where(baselines.c.monitor == name, baselines.c.state != "retired")
        .order_by(baselines.c.id.desc())
        .limit(1),
    )
    finding_count, drifted = count_findings(connection, name, newest.start) if newest else (0, 0)
    record: Sequence[estimate_accuracy.Accuracy] = ()
    if newest and monitor.performance:
        record = estimate_accuracy.record(connection, monitor, newest.start + monitor.bucket)
    return MonitorState(
        name,
        watch,
        newest,
        findings=findings_at(connection, name, newest.start, MOST_FINDINGS) if newest else [],
        finding_count=finding_count,
        drifted=drifted,
        open=incident_rows(connection, name, only_open=True),
        results=results,
        owed_since=owed,
        stale=int(stale),
        baseline=baseline,
        compared=comparison_rows(connection, name),
        record=record,
        saved=savings.load_report(connection, name) if monitor.savings else None,
    )


def comparison_rows(connection: Connection, monitor: str) -> list[ComparisonRow]:
    """Return the comparisons of a monitor without their sums."""
    query = sa.select(*columns(comparisons, ComparisonRow)).where(comparisons.c.monitor == monitor)
    return read_all(connection, ComparisonRow, query)


def newest_bucket(connection: Connection, monitor: str) -> BucketRow | None:
    """Return the newest finished bucket without its profiles."""
    query = sa.select(*columns(buckets, BucketRow)).where(buckets.c.monitor == monitor, buckets.c.state == "finished")
    return read_first(connection, BucketRow, query.order_by(buckets.c.start.desc()).limit(1))


def findings_at(connection: Connection, monitor: str, start: datetime, most: int | None = None) -> list[FindingRow]:
    """Return the findings of one bucket, worst first; beyond ``most`` those of segments are left out first."""
    ratio = sa.func.coalesce(findings.c.statistic, 0.0) / sa.func.coalesce(
        sa.func.nullif(findings.c.threshold, 0.0), 1.0
    )
    query = sa.select(findings).where(findings.c.monitor == monitor, findings.c.start == start)
    query = query.order_by(findings.c.segment.is_not(None), ratio.desc(), findings.c.key)
    rows = read_all(connection, FindingRow, query.limit(most))
    return sorted(rows, key=lambda row: -((row.statistic or 0.0) / (row.threshold or 1.0)))


def count_findings(connection: Connection, monitor: str, start: datetime) -> tuple[int, int]:
    """Return the number of findings of one bucket, and how many of them are over their threshold."""
    over = sa.func.count(sa.case((findings.c.status == "drifted", 1)))
    query = sa.select(sa.func.count(), over).where(findings.c.monitor == monitor, findings.c.start == start)
    total, drifted = connection.execute(query).one()
    return int(total), int(drifted)


def incident_rows(
    connection: Connection, monitor: str | None = None, *, only_open: bool = False, most: int = 200
) -> list[Incident]:
    """Return incidents, newest first."""
    query = sa.select(incidents)
    if monitor:
        query = query.where(incidents.c.monitor == monitor)
    if only_open:
        query = query.where(incidents.c.state != "resolved")
    return read_all(connection, Incident, query.order_by(incidents.c.opened_at.desc()).limit(most))


def transition_rows(connection: Connection, incident: str) -> list[TransitionRow]:
    """Return the transitions of an incident, oldest first."""
    query = sa.select(transitions).where(transitions.c.incident == incident)
    return read_all(connection, TransitionRow, query.order_by(transitions.c.at))


def action_rows(
    connection: Connection, *, incident: str | None = None, state: str | None = None, most: int = 200
) -> list[ActionRow]:
    """Return actions, newest first."""
    query = sa.select(actions)
    if incident:
        query = query.where(actions.c.incident == incident)
    if state:
        query = query.where(actions.c.state == state)
    query = query.order_by(actions.c.created_at.desc(), actions.c.sequence).limit(most)
    return read_all(connection, ActionRow, query)


def change_rows(connection: Connection, monitor: str, most: int = 50) -> list[ChangeRow]:
    """Return the newest changes of a monitor."""
    query = sa.select(changes).where(changes.c.monitor == monitor)
    return read_all(connection, ChangeRow, query.order_by(changes.c.first_seen.desc()).limit(most))


def volume_history(connection: Connection, monitor: str, most: int = 500) -> list[VolumeRow]:
    """Return the row count of each bucket, oldest first."""
    query = (
        sa.select(*columns(buckets, VolumeRow))
        .where(buckets.c.monitor == monitor, buckets.c.state == "finished")
        .order_by(buckets.c.start.desc())
        .limit(most)
    )
    return read_all(connection, VolumeRow, query)[::-1]
