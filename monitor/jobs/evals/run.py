"""Run a suite: get the answers, score and judge them, compare with the last good run, and store the run."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from monitor.core.clock import Clock
from monitor.core.suite_run import Run
from monitor.jobs.evals import traffic
from monitor.jobs.evals.ask import Progress, SuiteSamples, ask_cases, read_answers
from monitor.jobs.evals.conclude import conclude
from monitor.jobs.evals.incident import SuiteAlerting
from monitor.jobs.evals.judge import judge_cases, score_case, select_cases_to_judge
from monitor.jobs.evals.store_run import store_run
from monitor.jobs.evals.suite import Suite
from monitor.sources.base import Reader
from monitor.store import evaluations
from monitor.store.database import Database

MOST_INTERVALS = 2
"""Maximum number of intervals of traffic that are evaluated after a pause."""


def evaluate(
    suite: Suite,
    database: Database,
    clock: Clock,
    progress: Progress = lambda _done: None,
    alerting: SuiteAlerting | None = None,
) -> Run:
    """Run a suite once, compare it with its last good runs, and store the run.

    With ``alerting``, its incident is opened, updated or resolved in the transaction that stores the run.
    """
    started = clock.now()
    samples = SuiteSamples(read_answers(suite)) if suite.endpoint is None else asyncio.run(ask_cases(suite, progress))
    return _finish(suite, samples, database, clock, started, progress, alerting)


def evaluate_traffic(
    suite: Suite, reader: Reader, every: timedelta, database: Database, clock: Clock, alerting: SuiteAlerting
) -> Run:
    """Evaluate a sample of the application's answers since the last run, or of the last interval."""
    started = clock.now()
    midnight = started.replace(hour=0, minute=0, second=0, microsecond=0)
    with database.read() as connection:
        before = evaluations.rows(connection, suite.name, most=1)
        spent = evaluations.spent_since(connection, suite.name, midnight)
    settle = alerting.monitor.settle
    since = max(before[0].started_at, started - MOST_INTERVALS * every) if before else started - every
    sampled = traffic.sample(reader, suite, since - settle, started - settle, alerting.monitor)
    affordable = traffic.with_budget(suite.model_copy(update={"cases": list(sampled.cases)}), spent)
    samples = SuiteSamples(dict(sampled.answers), stretch=(since - settle, started - settle))
    if suite.judge is not None and affordable.judge is None:
        samples.note = "; the judge was not called: its daily budget is exhausted"
    return _finish(affordable, samples, database, clock, started, lambda _done: None, alerting)


def _finish(
    suite: Suite,
    samples: SuiteSamples,
    database: Database,
    clock: Clock,
    started: datetime,
    progress: Progress,
    alerting: SuiteAlerting | None,
) -> Run:
    """Score, judge, compare and store the answers."""
    scored = [score_case(suite, case, samples.samples[case.id]) for case in suite.cases]
    if suite.judge is not None:
        scored = asyncio.run(judge_cases(suite, scored, samples, progress))
    with database.read() as connection:
        good = evaluations.last_good(connection, suite.name, suite.compare_with)
    run = conclude(suite, scored, good, samples, started, clock.now())
    store_run(database, suite, run, alerting, samples.stretch)
    return run


def requests(suite: Suite) -> int:
    """Return the number of requests including those to the judge, for the progress bar."""
    calls = len(suite.cases) * suite.repeat if suite.endpoint is not None else 0
    return calls + (len(select_cases_to_judge(suite)) * suite.repeat if suite.judge is not None else 0)
