"""Commit the result of a bucket in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from monitor.actions.plan_actions import ActionPlan
from monitor.alerting.decisions import Decisions
from monitor.checks.evaluation import Evaluation
from monitor.core.aggregate import Aggregate, Key
from monitor.profiling.bucket_profiles import collect_aggregates
from monitor.profiling.profile import Profiled
from monitor.store import claims, comparisons, windows
from monitor.store.changes import save_changes, save_versions
from monitor.store.findings import save_findings
from monitor.store.plans import save_plan


@dataclass(frozen=True)
class BucketResult:
    """The result of one bucket.

    Parameters
    ----------
    layout
        The bins that the bucket was profiled over, or None.
    audits
        Number of audits that are no longer due.
    """

    profiled: Profiled
    layout: str | None
    evaluation: Evaluation
    decisions: Decisions = Decisions()
    plan: ActionPlan = ActionPlan()
    audits: int = 0

    @property
    def result(self) -> str:
        """Return the result, `done` or `inconclusive`."""
        return str(self.evaluation.result)

    @property
    def aggregates(self) -> dict[Key, Aggregate]:
        """Return the aggregates of the bucket, without those of comparisons."""
        return collect_aggregates(self.profiled, self.layout, self.evaluation.events)


def commit(connection: Connection, claim: claims.Claim, result: BucketResult) -> None:
    """Store the bucket with its aggregates, findings, incidents, actions and changes, or nothing.

    A recount stores its comparisons only: findings about served traffic do not depend on records of unserved arms.
    """
    profiled, evaluation = result.profiled, result.evaluation
    values: dict[str, object] = {"source_compared": profiled.counts.compared}
    if not claim.recount:  # later audits still compare the records of served traffic
        values |= {
            "audits": result.audits,
            "source_rows": profiled.counts.rows,
            "source_labels": profiled.counts.labels,
            "source_feedback": profiled.counts.feedback,
            "usage": evaluation.usage,
        }
    claims.finish(connection, claim, result=result.result, reason=evaluation.reason, values=values)
    comparisons.save(connection, claim.monitor, evaluation.comparisons, result.plan.announced)
    if claim.recount:
        return
    save_findings(connection, claim, result.decisions.findings or evaluation.findings)
    save_versions(connection, claim, profiled.facts)  # before its facts replace those of an earlier revision
    windows.save_bucket(connection, claim, result.aggregates)
    save_changes(connection, claim.monitor, evaluation.changes)
    save_plan(connection, claim.monitor, result.plan)
