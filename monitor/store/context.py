"""What judging and acting look at, read in one snapshot; and T2, which commits all that came of a bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.engine import Connection

from detectors.base import Finding
from detectors.spend.objective import Events
from monitor.actions.breakers import Broken, silence_name
from monitor.actions.notifications import thread_key
from monitor.actions.plan import split_open
from monitor.alerting.first_seen import moment
from monitor.config.models import Monitor
from monitor.config.rules import rule_name
from monitor.core.action import Action, AlertHistory
from monitor.core.aggregate import Aggregate, Key
from monitor.core.incident import NO_DATA, Change, Decision
from monitor.core.schedule import Bucket
from monitor.profiling.ab_counts import CHECK as EXPERIMENT
from monitor.profiling.bucket_profiles import collect_aggregates
from monitor.profiling.profile import Facts, Profiled
from monitor.store import breakers, buckets, comparisons, incidents, outbox, prompts, windows
from monitor.store.comparisons import Compared


@dataclass(frozen=True)
class Outcome:
    """All that came of one bucket."""

    result: str
    reason: str | None
    profiled: Profiled
    layout: str | None
    findings: Sequence[Finding] = ()
    decisions: Sequence[Decision] = ()
    actions: Sequence[Action] = ()
    changes: Sequence[Change] = ()
    audits: int = 0
    usage: Mapping[str, object] | None = None
    compared: Compared = Compared()
    counted: Mapping[str, Events] = field(default_factory=dict)
    broken: Broken | None = None

    @property
    def aggregates(self) -> dict[Key, Aggregate]:
        """Return what the bucket comes to, but for comparisons."""
        return collect_aggregates(self.profiled, self.layout, self.counted)


def load(connection: Connection, monitor: Monitor, bucket: Bucket) -> AlertHistory:
    """Read the context of a bucket's decision."""
    names = [*(rule_name(rule) for rule in monitor.rules), NO_DATA]
    comparing = [f"{EXPERIMENT}.{spec.name}" for spec in monitor.experiments]
    breaking = [silence_name(spec) for spec in monitor.breakers]
    threads = [thread_key(monitor.name, spec.name, name) for spec in monitor.experiments for name in spec.treatments]
    unresolved = incidents.open_incidents(connection, monitor.name, names)
    newest, older = split_open(unresolved)
    before = {
        rule_name(rule): incidents.last_resolved(
            connection, monitor.name, rule_name(rule), bucket.end - rule.reopen_within
        )
        for rule in monitor.rules
        if rule_name(rule) not in newest
    }
    resolved = {name: incident for name, incident in before.items() if incident}
    versions = incidents.load_versions(connection, monitor.name)
    roles = {version.role for version in versions}
    return AlertHistory(
        open=newest,
        older=older,
        resolved=resolved,
        silences=incidents.silenced_rules(connection, monitor.name, [*names, *comparing, *breaking], bucket.end),
        sequences=outbox.next_sequences(connection, [*(i.id for i in (*unresolved, *resolved.values())), *threads]),
        changes=incidents.load_changes(connection, monitor.name),
        versions=versions,
        blamed=incidents.load_blamed_versions(connection, monitor.name),
        past=outbox.past_actions(connection, monitor.name, bucket.end - timedelta(days=1)),
        prompts=prompts.load_prompts(connection, words=False) if "prompt_version" in roles else (),
        blind=incidents.blind_run(connection, monitor.name, bucket.start, 500, monitor.bucket),
    )


def commit(connection: Connection, held: buckets.Claim, outcome: Outcome) -> None:
    """T2: bucket done, profiles, findings, incidents, actions, changes; all of it, or nothing."""
    before = windows.load_facts(connection, held.monitor, held.bucket.start) if held.revision else Facts()
    facts = outcome.profiled.facts
    buckets.finish(
        connection,
        held,
        result=outcome.result,
        reason=outcome.reason,
        values={
            "source_rows": outcome.profiled.counts.rows,
            "source_labels": outcome.profiled.counts.labels,
            "source_feedback": outcome.profiled.counts.feedback,
            "audits": outcome.audits,
            "usage": outcome.usage,
        },
    )
    buckets.save_findings(connection, held, outcome.findings)
    for tallied, told in outcome.compared.tallied:
        comparisons.add(connection, held.monitor, tallied, outcome.compared.step, told)
    windows.save_bucket(connection, held, outcome.aggregates)
    buckets.save_versions(connection, held.monitor, version_rows(facts, before))
    buckets.save_changes(connection, held.monitor, [vars(change) for change in outcome.changes])
    for decision in outcome.decisions:
        incidents.save_decision(connection, decision)
    switched = breakers.save(connection, held.monitor, outcome.broken) if outcome.broken else []
    outbox.save_actions(connection, [*outcome.actions, *switched])


def version_rows(facts: Facts, before: Facts) -> list[dict[str, object]]:
    """Return the traffic of versions, less what the same bucket had added in an earlier revision."""
    rows = []
    for role, values in facts.versions.items():
        for value, (count, first, last) in values.items():
            earlier = before.versions.get(role, {}).get(value, [0])[0]
            rows.append(
                {
                    "role": role,
                    "value": value,
                    "first_seen": moment(first),
                    "last_seen": moment(last),
                    "rows": int(count - earlier),
                }
            )
    return rows
