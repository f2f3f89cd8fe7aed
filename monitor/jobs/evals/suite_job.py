"""Run a suite once in a process of its own, and store the run with its alerts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

import structlog

from monitor.config.models import Config, EvaluationSpec, Monitor
from monitor.config.receivers import ReceiverConfig
from monitor.core.clock import SystemClock
from monitor.core.suite_run import Run
from monitor.core.yamlfile import ConfigError
from monitor.jobs.evals.incident import SuiteAlerting
from monitor.jobs.evals.run import evaluate, evaluate_traffic
from monitor.jobs.evals.suite import Suite, load
from monitor.jobs.evals.traffic import NoTraffic
from monitor.sources.base import SourceError
from monitor.sources.connect import connect_monitor
from monitor.store.database import Database, DatabaseError

LOG = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SuiteJob:
    """One suite and the monitor of its incidents.

    Parameters
    ----------
    store
        URL of our own database, for the child.
    """

    spec: EvaluationSpec
    store: str
    monitor: Monitor | None = None
    receivers: Mapping[str, ReceiverConfig] = field(default_factory=dict)


def plan_jobs(config: Config, store: str) -> list[SuiteJob]:
    """Return the jobs of the configuration."""
    return [
        SuiteJob(spec, store, config.monitor(spec.monitor), config.receivers)
        if spec.monitor or len(config.configured) == 1
        else SuiteJob(spec, store)
        for spec in config.evaluations
    ]


def run_once(job: SuiteJob) -> None:
    """Run a suite in the child process: evaluate it, store the run with its alerts, and log the result."""
    database = Database(job.store)
    try:
        suite = load(job.spec.suite)
        alerting = SuiteAlerting(job.spec, suite.name, suite.alpha, job.monitor, job.receivers) if job.monitor else None
        done = (
            _evaluate_traffic(job, suite, alerting, database)
            if suite.traffic
            else evaluate(suite, database, SystemClock(), alerting=alerting)
        )
        LOG.info("evaluation", suite=done.suite, result=done.result, reason=done.reason, score=done.score, id=done.id)
    except (ConfigError, DatabaseError, SourceError, NoTraffic) as error:
        LOG.warning("evaluation_not_run", suite=str(job.spec.suite), detail=str(error))
    finally:
        database.close()


def _evaluate_traffic(job: SuiteJob, suite: Suite, alerting: SuiteAlerting | None, database: Database) -> Run:
    if alerting is None:
        raise ConfigError(f"{job.spec.suite}: `traffic:` needs a monitor; set `evaluations: [{{monitor: …}}]`.")
    with closing(connect_monitor(alerting.monitor)) as reader:
        return evaluate_traffic(suite, reader, job.spec.every, database, SystemClock(), alerting)
