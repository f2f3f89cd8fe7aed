"""Evaluation runs: saved in one transaction, and loaded as the reference of later runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.plain import plain
from monitor.core.suite_run import CaseResult, Run, comparison_json, scores_json
from monitor.store.rows import EvaluationRow, read_all
from monitor.store.tables import evaluation_cases, evaluations

MOST_RUNS = 500
"""Maximum number of stored runs of a suite."""
REASON_LENGTH = 512


def save(connection: Connection, run: Run) -> None:
    """Store a run with the scores of its cases, and delete the oldest runs of its suite."""
    score = plain(run.score)
    connection.execute(
        sa.insert(evaluations).values(
            id=run.id,
            suite=run.suite,
            started_at=run.started_at,
            finished_at=run.finished_at,
            result=run.result,
            reason=run.reason[:REASON_LENGTH],
            model=run.model[:256] if run.model else None,
            cases=len(run.cases),
            samples=run.samples,
            failed=sum(run.failures.values()),
            score=score,
            copies=run.copies,
            compared_with=list(run.compared_with),
            comparisons=[comparison_json(one) for one in run.comparisons],
            spent={who: vars(spent) for who, spent in run.spent.items()},
        )
    )
    if run.cases:
        rows = [_case_row(run.id, place, case) for place, case in enumerate(run.cases)]
        connection.execute(sa.insert(evaluation_cases), rows)
    _delete_oldest(connection, run.suite)


def _case_row(run: str, place: int, case: CaseResult) -> dict[str, object]:
    return {
        "evaluation": run,
        "case": case.id,
        "place": place,
        "definition": case.definition,
        "tags": list(case.tags),
        "scores": scores_json(case.scores),
        "failures": list(case.failures),
    }


def _delete_oldest(connection: Connection, suite: str) -> None:
    """Delete all but the newest runs, except good ones that are still a reference."""
    newest = _select_suite(suite).limit(MOST_RUNS)
    good = _select_suite(suite).where(evaluations.c.result == "good").limit(20)
    retained = {row.id for query in (newest, good) for row in connection.execute(query)}
    old = [row.id for row in connection.execute(_select_suite(suite)) if row.id not in retained]
    if old:
        connection.execute(sa.delete(evaluation_cases).where(evaluation_cases.c.evaluation.in_(old)))
        connection.execute(sa.delete(evaluations).where(evaluations.c.id.in_(old)))


def _select_suite(suite: str) -> sa.Select[str, bool]:
    newest_first = (evaluations.c.started_at.desc(), evaluations.c.id)
    return sa.select(evaluations.c.id, evaluations.c.copies).where(evaluations.c.suite == suite).order_by(*newest_first)


def last_good(connection: Connection, suite: str, most: int) -> list[tuple[str, bool, list[CaseResult]]]:
    """Return the newest good runs of a suite: id, whether their samples are copies, cases."""
    query = _select_suite(suite).where(evaluations.c.result == "good").limit(most)
    return [(row.id, row.copies, case_results(connection, row.id)) for row in connection.execute(query).all()]


def case_results(connection: Connection, run: str) -> list[CaseResult]:
    """Return the cases of a run, in the order of the suite."""
    query = sa.select(evaluation_cases).where(evaluation_cases.c.evaluation == run).order_by(evaluation_cases.c.place)
    return [
        CaseResult(row.case, row.definition, row.tags, _arrays(row.scores), row.failures)
        for row in connection.execute(query)
    ]


def _arrays(scores: Mapping[str, list[float | None]]) -> dict[str, np.ndarray]:
    return {name: np.array(values, dtype=np.float64) for name, values in scores.items()}


def rows(connection: Connection, suite: str | None = None, most: int = 50) -> list[EvaluationRow]:
    """Return runs, newest first."""
    query = sa.select(evaluations)
    if suite is not None:
        query = query.where(evaluations.c.suite == suite)
    query = query.order_by(evaluations.c.started_at.desc(), evaluations.c.id).limit(most)
    return read_all(connection, EvaluationRow, query)


def spent_since(connection: Connection, suite: str, since: datetime) -> list[Mapping[str, float]]:
    """Return the usage of the judge of a suite in each run since a time."""
    query = sa.select(evaluations.c.spent).where(evaluations.c.suite == suite, evaluations.c.started_at >= since)
    return [spent["judge"] for spent in connection.execute(query).scalars() if "judge" in spent]


def newest_runs(connection: Connection, most: int = 50) -> list[EvaluationRow]:
    """Return the newest run of each suite, in order of name."""
    newest = sa.select(evaluations.c.suite, sa.func.max(evaluations.c.started_at).label("at"))
    of = newest.group_by(evaluations.c.suite).order_by(evaluations.c.suite).limit(most).subquery()
    query = sa.select(evaluations).join(
        of, sa.and_(evaluations.c.suite == of.c.suite, evaluations.c.started_at == of.c.at)
    )
    rows = read_all(connection, EvaluationRow, query.order_by(evaluations.c.suite))
    return list({row.suite: row for row in rows}.values())


def find(connection: Connection, identity: str) -> EvaluationRow | None:
    """Return the only run whose id begins with ``identity``, or None."""
    query = sa.select(evaluations).where(evaluations.c.id.startswith(identity, autoescape=True)).limit(2)
    rows_of_run = read_all(connection, EvaluationRow, query)
    return rows_of_run[0] if len(rows_of_run) == 1 else None


def accept(connection: Connection, identity: str, who: str) -> None:
    """Mark a run as good; later runs are compared with it."""
    connection.execute(
        sa.update(evaluations).where(evaluations.c.id == identity).values(result="good", accepted_by=who[:128])
    )
