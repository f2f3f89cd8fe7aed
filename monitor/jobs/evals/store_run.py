"""Store a run of a suite with its incident and the judge's scores of records."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from monitor.core.schedule import Bucket, floor
from monitor.core.suite_run import Run, mean
from monitor.jobs.evals.incident import SuiteAlerting
from monitor.jobs.evals.score import JUDGE
from monitor.jobs.evals.suite import Suite
from monitor.store import evaluations, judge_labels
from monitor.store.database import Database
from monitor.store.history import load_history
from monitor.store.plans import save_plan


def store_run(
    database: Database,
    suite: Suite,
    run: Run,
    alerting: SuiteAlerting | None,
    stretch: tuple[datetime, datetime] | None,
) -> None:
    """Store a run and, in the same transaction, its incident, actions and verdicts.

    Parameters
    ----------
    stretch
        Range of the evaluated traffic; None for the cases of a file.
    """
    with database.write() as connection:
        evaluations.save(connection, run)
        if alerting is None:
            return
        bucket = Bucket(run.started_at, run.finished_at)
        history = load_history(connection, alerting.suite_monitor, bucket)
        save_plan(connection, alerting.monitor.name, alerting.plan(run, history))
        if stretch is not None and alerting.monitor.judged:
            start = floor(stretch[0], alerting.monitor.bucket)
            judge_labels.save_verdicts(connection, alerting.monitor.name, _verdicts(suite, run), start, stretch[1])


def _verdicts(suite: Suite, run: Run) -> dict[str, float]:
    """Return the judge's scores by id of the record."""
    name = next((one.called for one in suite.expect if one.kind == JUDGE), None)
    scores = {case.id: mean(case.scores[name]) for case in run.cases if name and name in case.scores}
    return {record: score for record, score in scores.items() if not np.isnan(score)}
