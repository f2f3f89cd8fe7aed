"""Load the history of a monitor that its next decision needs."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.engine import Connection

from monitor.actions.notifications import thread_key
from monitor.actions.plan import split_open
from monitor.config.models import Monitor
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket
from monitor.store import incidents, outbox, prompts
from monitor.store.audit import load_handling
from monitor.store.deploy_events import load_events
from monitor.store.firing import load_firing
from monitor.store.silences import load_silences

DAY = timedelta(days=1)


def load_history(connection: Connection, monitor: Monitor, bucket: Bucket) -> AlertHistory:
    """Load the history of a monitor for the decisions about a bucket."""
    threads = [thread_key(monitor.name, spec.name, name) for spec in monitor.experiments for name in spec.treatments]
    unresolved = incidents.open_incidents(connection, monitor.name)
    newest, older = split_open(unresolved)
    longest = max((rule.reopen_within for rule in monitor.rules), default=timedelta(0))
    recent = incidents.last_resolved(connection, monitor.name, bucket.end - longest)
    resolved = {group: incident for group, incident in recent.items() if group not in newest}
    past = outbox.past_actions(connection, monitor.name, bucket.end - max(DAY, 2 * monitor.window))
    versions = incidents.load_versions(connection, monitor.name)
    roles = {version.role for version in versions}
    muting = monitor.muting
    threads += [incident.id for incident in (*unresolved, *resolved.values())]
    deployments = load_events(connection, [name for name in (monitor.name, monitor.part_of) if name])
    return AlertHistory(
        open=newest,
        older=older,
        resolved=resolved,
        acted=incidents.load_acted(connection, unresolved, past, bucket.end - 2 * monitor.window),
        elsewhere=incidents.firing_elsewhere(connection, monitor.name, muting.monitors) if muting.inhibit else (),
        firing=load_firing(connection),
        silences=load_silences(connection, monitor.name, bucket.end),
        handling=load_handling(connection, [incident.id for incident in unresolved]),
        sequences=outbox.next_sequences(connection, threads),
        changes=[*incidents.load_changes(connection, monitor.name), *(event.change for event in deployments)],
        deployments=deployments,
        versions=versions,
        blamed=incidents.load_blamed_versions(connection, monitor.name),
        past=past,
        prompts=prompts.load_prompts(connection, words=False) if "prompt_version" in roles else (),
        missing=incidents.count_missing(connection, monitor.name, bucket.start, 500, monitor.bucket),
    )
