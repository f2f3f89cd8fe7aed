"""Commit: all that came of a bucket, in one transaction; and the only way to store incidents and actions."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from monitor.actions.plan_actions import ActionPlan
from monitor.alerting.decide import Decisions
from monitor.checks.comparisons import ComparisonUpdate, mark_announced
from monitor.checks.evaluation import Evaluation
from monitor.checks.new_values import moment
from monitor.core.aggregate import Aggregate, Key
from monitor.profiling.bucket_profiles import collect_aggregates
from monitor.profiling.facts import Facts
from monitor.profiling.profile import Profiled
from monitor.store import breakers, buckets, comparisons, incidents, outbox, windows


@dataclass(frozen=True)
class BucketResult:
    """All that came of one bucket.

    Parameters
    ----------
    layout
        The bins that the bucket was profiled over; None where there are none.
    audits
        How many audits the bucket needs no more.
    """

    profiled: Profiled
    layout: str | None
    evaluation: Evaluation
    decisions: Decisions
    plan: ActionPlan
    audits: int = 0

    @property
    def result(self) -> str:
        """Return how the bucket ended."""
        return str(self.evaluation.result)

    @property
    def aggregates(self) -> dict[Key, Aggregate]:
        """Return what the bucket comes to, but for comparisons."""
        return collect_aggregates(self.profiled, self.layout, self.evaluation.events)


def commit(connection: Connection, claim: buckets.Claim, result: BucketResult) -> None:
    """T2: bucket done, profiles, findings, incidents, actions, changes; all of it, or nothing."""
    before = windows.load_facts(connection, claim.monitor, claim.bucket.start) if claim.revision else Facts()
    profiled, evaluation = result.profiled, result.evaluation
    buckets.finish(
        connection,
        claim,
        result=result.result,
        reason=evaluation.reason,
        values={
            "source_rows": profiled.counts.rows,
            "source_labels": profiled.counts.labels,
            "source_feedback": profiled.counts.feedback,
            "audits": result.audits,
            "usage": evaluation.usage,
        },
    )
    buckets.save_findings(connection, claim, result.decisions.findings or evaluation.findings)
    save_comparisons(connection, claim.monitor, evaluation.comparisons, result.plan)
    windows.save_bucket(connection, claim, result.aggregates)
    buckets.save_versions(connection, claim.monitor, version_rows(profiled.facts, before))
    buckets.save_changes(connection, claim.monitor, [vars(change) for change in evaluation.changes])
    save_plan(connection, claim.monitor, result.plan)


def save_comparisons(connection: Connection, monitor: str, update: ComparisonUpdate, plan: ActionPlan) -> bool:
    """Store what comparisons counted, each with its report; False when one of them counts something else by now."""
    complete = True
    for counts in update.counts:
        report = counts.report
        if report is not None:
            report = mark_announced(report, plan.announced.get(counts.key, ()))
        complete &= comparisons.add(connection, monitor, counts, update.step, report)
    return complete


def save_plan(connection: Connection, monitor: str, plan: ActionPlan) -> None:
    """Store incidents, breakers and actions as they were planned: the only way to any of them."""
    for decision in plan.incidents:
        incidents.save_decision(connection, decision)
    switched = breakers.save(connection, monitor, plan.breakers) if plan.breakers else []
    outbox.save_actions(connection, [*plan.actions, *switched])


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
