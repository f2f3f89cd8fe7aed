"""Count experiments, shadows and savings of one monitor from the source, beside its buckets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.actions.plan_context import Receivers
from monitor.checks.comparisons import Comparisons, ComparisonState
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import Monitor
from monitor.core.schedule import floor
from monitor.jobs.experiment_catch_up import ExperimentCatchUp
from monitor.jobs.shadow_catch_up import ShadowCatchUp
from monitor.jobs.source_session import SourceSession
from monitor.jobs.what_if import SavingsJob
from monitor.store import comparisons
from monitor.store.database import Database
from monitor.store.spans import list_spans

MOST_PER_RUN = timedelta(hours=6)
"""Length of the range that is counted in one run."""


@dataclass(frozen=True)
class Backlog:
    """A range that a comparison has not counted: from its state to ``until``; ``is_last`` if there is no more."""

    spec: Experiment | Shadow
    state: ComparisonState
    until: datetime
    is_last: bool


class CatchUpJob:
    """Reads the source of one monitor over a connection of its own, a range at a time.

    Parameters
    ----------
    source
        Not shared: the turns of the monitor read at the same time.
    """

    def __init__(self, database: Database, monitor: Monitor, source: SourceSession, receivers: Receivers) -> None:
        self.monitor = monitor
        self._database = database
        self._source = source
        self._receivers = receivers
        self._comparisons = Comparisons(monitor)
        self._experiments = ExperimentCatchUp(database, self._comparisons)
        self._shadows = ShadowCatchUp(database, self._comparisons, receivers)
        self._savings = SavingsJob(database, monitor)

    @property
    def is_needed(self) -> bool:
        """Return whether the monitor has comparisons or savings that are counted from the source."""
        return bool(self._comparisons.specs or self.monitor.savings)

    def catch_up(self) -> None:
        """Count the next range of each comparison, and the next day of the savings."""
        reader, now = self._source.reader, self._source.now()
        for backlog in self._find_backlogs():
            spec, state, until = backlog.spec, backlog.state, backlog.until
            if isinstance(spec, Experiment):
                self._experiments.count(reader, spec, state, until)
            else:
                self._shadows.count(reader, spec, state, until, now if backlog.is_last else None)
        self._savings.catch_up(reader, now)

    def _find_backlogs(self) -> Iterator[Backlog]:
        """Yield the range between the sum of each comparison and the live buckets."""
        monitor, specs = self.monitor, self._comparisons.specs
        if not specs:
            return
        with self._database.read() as connection:
            places = comparisons.positions(connection, monitor.name)
            spans = list_spans(connection, monitor.name)
        reached = next((span.next for span in spans if span.kind == "live"), None)
        for key, spec in specs.items():
            definition, place = places.get(key, ("", None))
            if reached is None or place is None or definition != self._comparisons.definitions[key]:
                continue
            end = reached if isinstance(spec, Experiment) else floor(reached - spec.within, monitor.bucket)
            end = min(end, spec.end) if spec.end else end
            if place >= end:
                continue
            with self._database.read() as connection:
                state = comparisons.load_states(connection, monitor.name)[key]
            until = min(end, state.next + max(MOST_PER_RUN, monitor.bucket))
            yield Backlog(spec, state, until, is_last=until == end)

    def has_settings_of(self, other: CatchUpJob) -> bool:
        """Return whether another job would do the same."""
        return self.monitor == other.monitor and self._receivers == other._receivers

    def close(self) -> None:
        """Close the connections to the source."""
        self._source.close()
